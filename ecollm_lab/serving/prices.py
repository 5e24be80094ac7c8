"""New prices without a new policy: the factor of each path's cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecollm_lab.models import Catalog, Model
from ecollm_lab.traces import Trace


def mean_tokens(trace: Trace, path_ids: Sequence[str]) -> np.ndarray:
    """Return the mean tokens that paths read and write, shape (paths, 2), NaN where unknown."""
    columns = ["tokens_in", "tokens_out"]
    means = trace.outcomes.groupby("path_id")[columns].mean()
    return np.asarray(means.reindex(list(path_ids)).to_numpy(dtype=float))


def price_factors(
    before: Catalog, after: Catalog, models: Sequence[str], tokens: np.ndarray | None = None
) -> np.ndarray:
    """Return the factor of each path's expected cost, shape (paths,).

    Parameters
    ----------
    before, after
        The catalog whose prices the policy was fitted at, and the one with today's.
    models
        The model that generates on each path.
    tokens
        Mean tokens that each path reads and writes, shape (paths, 2). Where they are not known, the
        price that rose most counts, so that no cost is underestimated.

    """
    if tokens is None:
        tokens = np.full((len(models), 2), np.nan)
    return np.array(
        [_factor(before[name], after[name], *row) for name, row in zip(models, tokens, strict=True)]
    )


def _factor(before: Model, after: Model, tokens_in: float, tokens_out: float) -> float:
    if before.placement == "edge":
        return _ratio(after.price_usd_per_hour, before.price_usd_per_hour)
    if np.isnan(tokens_in) or np.isnan(tokens_out):
        return max(
            _ratio(after.price_in_usd_per_mtok, before.price_in_usd_per_mtok),
            _ratio(after.price_out_usd_per_mtok, before.price_out_usd_per_mtok),
        )
    return _ratio(
        tokens_in * after.price_in_usd_per_mtok + tokens_out * after.price_out_usd_per_mtok,
        tokens_in * before.price_in_usd_per_mtok + tokens_out * before.price_out_usd_per_mtok,
    )


def _ratio(after: float, before: float) -> float:
    """Return after ÷ before; a price that was zero and no longer is has no factor but infinity."""
    if before == after:
        return 1.0
    return after / before if before > 0 else float("inf")
