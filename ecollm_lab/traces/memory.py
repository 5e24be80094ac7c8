"""Memory: what does not fit is refused before it is tried, with its size."""

from __future__ import annotations

import psutil

from ecollm_lab.records import LabError

SMALL = 2**27  # bytes that are taken without a look at the memory there is


def require_memory(n_bytes: float, what: str, advice: str) -> None:
    """Raise a `LabError` if something needs more memory than is available now.

    Parameters
    ----------
    n_bytes
        What it needs.
    what
        Names it, at the beginning of a sentence.
    advice
        What to do instead, a whole sentence.

    """
    available = psutil.virtual_memory().available if n_bytes > SMALL else SMALL
    if n_bytes > available:
        raise LabError(
            f"{what} needs {n_bytes / 1e9:,.1f} GB of memory, and {available / 1e9:,.1f} GB are"
            f" available. {advice}"
        )
