"""What a caller may ask of a sweep."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path as FilePath

from ecollm_lab.records import LabError


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """How far a sweep goes, and how it measures.

    Parameters
    ----------
    only
        Run these (query_id, path_id) pairs alone; None = all pairs of queries and paths.
    limit
        Run at most this many new pairs; None = all, 0 = none: what is stored is only exported.
    max_cost_usd
        Never owe endpoints more than this many US dollars for the domain, earlier runs on the same
        store included; None = no cap. The price of the longest answer is set aside before a call
        is sent.
    repeats, repeat_share
        Measure this share of the calls, within [0, 1], so many times, for a median latency and its
        spread. Each time of a paid call is paid.
    executor
        Where stages and edge models run, such as `Client.get_executor()` of a Dask cluster; None =
        in one thread of this process. Each worker process does one thing at a time. Endpoints are
        asked from this process in either case.
    queries_at_once
        With an executor, so many queries are under way: two for each worker keep all of them busy.

    Raises
    ------
    LabError
        If a number is out of range, or is none.

    """

    only: Container[tuple[str, str]] | None = None
    limit: int | None = None
    max_cost_usd: float | None = None
    repeats: int = 1
    repeat_share: float = 0.05
    executor: Executor | None = None
    queries_at_once: int = 16

    def __post_init__(self) -> None:
        if self.limit is not None and not _is_whole(self.limit, 0):
            raise LabError(
                f"limit must be at least 0, a whole number, or None, got {self.limit!r}."
            )
        if not _is_whole(self.queries_at_once, 1):
            raise LabError(
                f"queries_at_once must be at least 1, a whole number, got {self.queries_at_once!r}."
            )
        if not _is_whole(self.repeats, 1) or not _is_number(self.repeat_share, 1):
            raise LabError(
                "repeats must be at least 1, a whole number, and repeat_share within [0, 1], got"
                f" {self.repeats!r} and {self.repeat_share!r}."
            )
        if self.max_cost_usd is not None and not _is_number(self.max_cost_usd, math.inf):
            raise LabError(
                "max_cost_usd must be a number of US dollars >= 0 or None, got"
                f" {self.max_cost_usd!r}."
            )


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _is_number(value: object, most: float) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) <= most


@dataclass(frozen=True, slots=True)
class DomainOptions(SweepOptions):
    """The options of a sweep, and five more for the sweep of a whole domain.

    Parameters
    ----------
    space_file
        A TOML file that names the components to cross, see `paths.read_space`; None = every path
        over the models of the catalog.
    path_ids
        The paths of that space to run; None = all of them.
    isolate
        Run each edge model in a process of its own, so that a crash in native code costs one call.
    whole_queries
        Export only the queries that the store has on every path; of the others, nothing.
    dask
        The address of a Dask scheduler, whose workers are the `executor`.

    """

    space_file: FilePath | None = None
    path_ids: Sequence[str] | None = None
    isolate: bool = False
    whole_queries: bool = False
    dask: str | None = None
