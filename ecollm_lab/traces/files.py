"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path as FilePath

from ecollm_lab.records import LabError


def require_parquet(file: FilePath) -> None:
    """Raise unless a trace's name says that it is Parquet."""
    if file.suffix != ".parquet":
        raise LabError(
            f"A trace is written as Parquet: give a name that ends in .parquet, got {file}."
        )


def require_writable(file: FilePath) -> None:
    """Raise before anything is measured if a result could not be written."""
    folder = file.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(
            f"Cannot create {folder}: {error.strerror}. Name a writable place."
        ) from error
    if not os.access(folder, os.W_OK) or file.is_dir():
        raise LabError(
            f"Cannot write {file}: the folder is read-only or the name is taken by a folder. Name a"
            " writable place."
        )


def write(text: str, file: FilePath | str) -> FilePath:
    """Write a text file, whole or not at all.

    Raises
    ------
    LabError
        If it cannot be written.

    """
    file = FilePath(file)
    part = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise LabError(
            f"Cannot write {file}: {error.strerror or error}. Name a writable place."
        ) from error
    return file
