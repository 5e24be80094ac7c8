"""Outcomes on demand: a few at a time, their cost told before, added to a trace as they come."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from threading import Event
from typing import Any, cast

import numpy as np
import pandas as pd

from ecollm_lab.emulator.emulator import Emulator, Pair
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.sweeps import Ended, Progress
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import full_id

Run = Callable[[list[Pair]], Iterable[Outcome]]


@dataclass(frozen=True)
class Offer:
    """The next outcomes, before they are measured.

    Attributes
    ----------
    pairs
        (query_id, path_id) of each; those of one query stand together.
    cost_usd, seconds
        What they will probably cost and take in all, in US dollars and seconds: the mean of each
        path's outcomes so far, of a path without any the mean of all paths; NaN where no path has
        one.

    """

    pairs: list[Pair]
    cost_usd: float
    seconds: float


class Measuring:
    """Measures further outcomes for a trace, where its Emulator asks.

    Parameters
    ----------
    emulator
        Chooses what to measure, among its queries and paths.
    run
        Measures pairs and returns their outcomes, as in `emulate`: `replay_from(trace)` or a
        function of your own. It is called with the pairs of one query at a time.
    opened
        In place of `run`: opens what is needed to measure and gives a `run`; closed after each use.
        It gets a `Progress` of its own, in whose `ended` and `stopped` it may say why it measures
        less than it was asked.
    queries
        The table of the Emulator's queries, see `Trace`; the trace's own if left out, which has
        only those with an outcome.
    stored
        Outcomes that were measured before, in another session, and are not in the trace.
    about
        Where the outcomes come from, for the provenance of the trace.

    Raises
    ------
    LabError
        If both or neither of `run` and `opened` are given.

    """

    def __init__(
        self,
        emulator: Emulator,
        run: Run | None = None,
        *,
        opened: Callable[[Progress], AbstractContextManager[Run]] | None = None,
        queries: pd.DataFrame | None = None,
        stored: Sequence[Outcome] = (),
        about: dict[str, Any] | None = None,
    ) -> None:
        if (run is None) == (opened is None):
            raise LabError("Measuring needs run or opened, and not both, to measure with.")
        self.emulator, self.queries, self.about = emulator, queries, dict(about or {})
        self.stored = list(stored)
        self._opened: Callable[[Progress], AbstractContextManager[Run]] = (
            opened if opened is not None else lambda _: nullcontext(cast("Run", run))
        )

    def prepared(self, trace: Trace) -> Trace:
        """Return a trace that can grow, with what was stored, and recall it into the Emulator.

        Paths and queries that the Emulator explores and the trace does not have get one row whose
        numbers are not recorded.

        Raises
        ------
        LabError
            If the Emulator explores a query that neither the trace nor `queries` has.

        """
        emulator = self.emulator
        paths, queries = set(emulator.path_ids), self._queries(trace)
        new = {one: full_id(one) for one in trace.path_ids if one not in paths}
        names = {one: new[one] if new.get(one) in paths else one for one in trace.path_ids}
        outcomes = trace.outcomes.assign(path_id=trace.outcomes["path_id"].map(names))
        known = list(names.values())
        empty = [(trace.query_ids[0], path) for path in emulator.path_ids if path not in known]
        empty += [(query, known[0]) for query in queries["query_id"][len(trace.query_ids) :]]
        if empty:
            rows = pd.DataFrame(empty, columns=["query_id", "path_id"]).assign(quality=np.nan)
            outcomes = pd.concat([outcomes, rows], ignore_index=True)
        grown = Trace.from_frame(outcomes, queries, trace.provenance)
        has = grown.outcomes[grown.outcomes["quality"].notna()]
        there = set(zip(has["query_id"], has["path_id"], strict=True))
        before = [one for one in self.stored if (one.query_id, one.path_id) not in there]
        grown = self.grown(grown, before)
        told = {(one.query_id, one.path_id) for one in emulator._outcomes}
        found = _outcomes(grown, emulator)
        emulator.recall(one for one in found if (one.query_id, one.path_id) not in told)
        return grown

    def _queries(self, trace: Trace) -> pd.DataFrame:
        """Return the trace's table of queries, with those of the Emulator that it lacks below."""
        lacking = set(self.emulator.query_ids) - set(trace.query_ids)
        if not lacking:
            return trace.queries
        own = pd.DataFrame({"query_id": []}) if self.queries is None else self.queries
        strange = sorted(lacking - set(own["query_id"]))
        if strange:
            raise LabError(
                f"The Emulator explores the query {strange[0]}, of which the trace has no outcome."
                " Give the table of its queries: Measuring(emulator, run, queries=…)."
            )
        return pd.concat([trace.queries, own[own["query_id"].isin(lacking)]], ignore_index=True)

    def grown(self, trace: Trace, outcomes: Sequence[Outcome]) -> Trace:
        """Return a trace with more outcomes of its queries and paths; paths stay in order.

        Its provenance says how many were added, when, and where they come from.
        """
        if not outcomes:
            return trace
        count = trace.provenance.get("added", {}).get("outcomes", 0) + len(outcomes)
        added = {**self.about, "outcomes": count, "at": datetime.now(UTC).strftime("%Y-%m-%d")}
        source = {**trace.provenance, "added": added}
        new = Trace.from_outcomes(outcomes, trace.queries, source).outcomes
        both = pd.concat([trace.outcomes, new], ignore_index=True)
        both = both[~both.duplicated(["query_id", "path_id"], keep="last")]
        order = pd.Index(trace.path_ids).get_indexer(pd.Index(both["path_id"]))
        both = both.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)
        return Trace.from_frame(both, trace.queries, source)

    def offer(self, n: int, among: Collection[str] | None = None) -> Offer:
        """Return the next `n` outcomes, fewer where fewer are left; nothing is measured yet.

        Parameters
        ----------
        n
            How many; see `Emulator.ask`.
        among
            Paths to ask about; None = where the Emulator expects most.

        """
        pairs = self.emulator.ask(n, among)
        told = self.emulator.outcomes
        spent = {"usd": [one.cost_usd for one in told], "s": [one.latency_s for one in told]}
        by_path = pd.DataFrame(spent, [one.path_id for one in told], dtype=float).groupby(level=0)
        means = by_path.mean()
        each = means.reindex([path for _, path in pairs]).fillna(means.mean())
        cost, seconds = each.sum(skipna=False)
        return Offer(pairs, float(cost), float(seconds))

    def run(
        self,
        offer: Offer,
        stop: Event,
        on_progress: Callable[[Progress], None],
        on_outcomes: Callable[[list[Outcome]], None],
    ) -> Progress:
        """Measure what was offered; whatever is measured is told to the Emulator at once.

        Parameters
        ----------
        offer
            What to measure.
        stop
            Set it from any thread: the pairs of the query in flight are finished and kept, the
            others may be asked again.
        on_progress
            Called after the outcomes of each query.
        on_outcomes
            Called with them, failed ones left out.

        """
        progress, within = Progress(total=len(offer.pairs)), Progress(total=0)
        try:
            with self._opened(within) as run:
                for _, group in groupby(offer.pairs, key=lambda pair: pair[0]):
                    if stop.is_set():
                        progress.ended, progress.stopped = Ended.REQUEST, "stopped on request"
                        break
                    asked = list(group)
                    outcomes = list(run(asked))
                    self.emulator.tell(outcomes)
                    good = [one for one in outcomes if not np.isnan(one.quality)]
                    progress.done += len(good)
                    progress.failed += len(outcomes) - len(good)
                    progress.cost_usd += float(np.nansum([one.cost_usd for one in good]))
                    progress.latest = good[-1] if good else progress.latest
                    if within.ended:
                        progress.ended, progress.stopped = within.ended, within.stopped
                    on_outcomes(good)
                    on_progress(progress)
                    if within.ended is Ended.BUDGET:
                        break
        finally:
            self.emulator.withdraw(offer.pairs)
        return progress


def _outcomes(trace: Trace, emulator: Emulator) -> Iterator[Outcome]:
    """Yield the outcomes of a trace on an Emulator's queries and paths."""
    frame = trace.outcomes
    inside = frame["query_id"].isin(emulator.query_ids) & frame["path_id"].isin(emulator.path_ids)
    for row in frame[inside & frame["quality"].notna()].itertuples():
        yield Outcome(row.query_id, row.path_id, row.quality, row.cost_usd, row.latency_s, 0, 0)
