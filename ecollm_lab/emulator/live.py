"""Measuring the pairs that an exploration asks for, through the store of the sweeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import nan
from threading import Event

from ecollm_lab.domains import Domain
from ecollm_lab.emulator.emulator import Pair
from ecollm_lab.models import ModelPool, default_encoder
from ecollm_lab.models.replies import BudgetSpent
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.records import Outcome
from ecollm_lab.sweeps import Ended, Progress, Store, SweepOptions, fingerprints, sweep


class LiveRun:
    """The pairs of a domain's training queries, measured on demand.

    Store and models are open; what the store holds is not measured again. Endpoints are never owed
    more than `max_cost_usd` US dollars.
    """

    def __init__(
        self,
        domain: Domain,
        space: PathSpace,
        store: Store,
        models: ModelPool,
        max_cost_usd: float | None,
    ) -> None:
        catalog, encoder = models.catalog, default_encoder()
        self._queries, self._space, self._store = domain.split("train"), space, store
        self._pipeline = Pipeline(domain, catalog, encoder, models)
        self._marks = fingerprints(domain, catalog, encoder.name, space)
        self._max_cost_usd = max_cost_usd

    def recalled(self) -> list[Outcome]:
        """Return the outcomes that the store holds already."""
        queries = {query.id for query in self._queries}
        return [one for one in self._store.outcomes_of(self._marks) if one.query_id in queries]

    def runner(
        self,
        progress: Progress,
        stop: Event | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> Callable[[list[Pair]], list[Outcome]]:
        """Return the `run` of `emulate`; it adds up `progress` over all batches."""

        def run(pairs: list[Pair]) -> list[Outcome]:
            before = replace(progress)

            def show(batch: Progress) -> None:
                for name in ("done", "cost_usd", "reused", "failed", "retried"):
                    setattr(progress, name, getattr(before, name) + getattr(batch, name))
                progress.total = before.total - batch.reused
                progress.latest = batch.latest or progress.latest
                progress.ended, progress.stopped = batch.ended, batch.stopped
                new = [one for one in batch.notices if one not in progress.notices]
                progress.notices += new
                if on_progress:
                    on_progress(progress)

            return self._measured(set(pairs), stop, show)

        return run

    def _measured(
        self, pairs: set[Pair], stop: Event | None, show: Callable[[Progress], None]
    ) -> list[Outcome]:
        """Sweep the pairs; return their outcomes, with NaN for those that failed."""
        options = SweepOptions(only=pairs, max_cost_usd=self._max_cost_usd)
        paths, marks = self._space.paths, self._marks
        try:
            done = sweep(
                self._pipeline,
                self._queries,
                paths,
                self._store,
                marks,
                options,
                stop=stop,
                on_progress=show,
            )
            show(done)  # also what was in the store before
        except BudgetSpent as error:
            if not self.recalled():
                raise
            show(Progress(total=0, ended=Ended.BUDGET, stopped=str(error)))
        failed = [
            Outcome(failure.query_id, failure.path_id, nan, nan, nan, 0, 0)
            for failure in self._store.failures_of(marks)
            if (failure.query_id, failure.path_id) in pairs
        ]
        stored = self._store.outcomes_of(marks)
        good = [one for one in stored if (one.query_id, one.path_id) in pairs]
        return good + failed
