"""(query, path) pairs → outcomes in the store; what is there is not run again, what was paid is not paid again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cache
from math import ceil
from threading import Event

from ecollm_lab.domains import Domain
from ecollm_lab.models import BudgetSpent, CallFailed, Catalog
from ecollm_lab.models.replies import most_usd
from ecollm_lab.paths import PathSpace, Pipeline, called_on
from ecollm_lab.records import LabError, Path, Query
from ecollm_lab.sweeps.calls import Calls
from ecollm_lab.sweeps.run import Progress, Run
from ecollm_lab.sweeps.store.store import Store

# raise it whenever a stage, the prompt or the grading changes what an outcome would be, its latency
# included
COMPONENTS_VERSION = 3


def fingerprints(
    domain: Domain, catalog: Catalog, encoder_name: str, paths: Iterable[Path]
) -> dict[str, str]:
    """Digest, for each path id, all that determines an outcome beside its query and path.

    That is domain, encoder, component version, the price of the edge device, and the models: the
    one that answers, with its prices, the one that rewrites on a path with hyde, and the judge, if
    there is one.
    """
    judge, digest = domain.grading.judge_model, domain.digest

    @cache
    def known(name: str) -> str:
        return catalog[name].identity()

    @cache
    def mark(names: tuple[str, ...]) -> str:
        *others, name = names
        model = catalog[name]
        prices = (
            model.price_usd_per_hour,
            model.price_in_usd_per_mtok,
            model.price_out_usd_per_mtok,
            model.network_delay_s,
        )
        parts: tuple[object, ...] = (
            digest,
            known(name),
            prices,
            catalog.edge_price_usd_per_hour,
            encoder_name,
            COMPONENTS_VERSION,
        )
        parts += (known(judge),) if judge else ()
        parts += tuple(("hyde", known(other)) for other in others)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    return {path.id: mark(called_on(catalog, path)) for path in paths}


def sweep(
    pipeline: Pipeline,
    queries: Sequence[Query],
    paths: Sequence[Path],
    store: Store,
    fingerprints: Mapping[str, str],
    *,
    only: Container[tuple[str, str]] | None = None,
    executor: Executor | None = None,
    limit: int | None = None,
    max_cost_usd: float | None = None,
    repeats: int = 1,
    repeat_share: float = 0.05,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Run every pair the store lacks and commit each outcome as it comes.

    Stages and models of this machine run one after another, so that latencies are not measured
    against each other; meanwhile calls to hosted endpoints are in flight, as many as each endpoint
    bears. Pairs that need the same call share it.

    Parameters
    ----------
    pipeline, queries, paths
        What to run; the paths of one query run together, so that shared prefixes are shared.
    store, fingerprints
        Where outcomes go, and the fingerprint for each path id; see `fingerprints`.
    only
        Run these (query_id, path_id) pairs alone; all of queries × paths if left out.
    executor
        Where this machine's part runs. Default: one worker; more of them blur each other's
        latencies.
    limit
        Run at most this many new pairs.
    max_cost_usd
        Never owe endpoints more than this many US dollars for this domain, earlier runs on this
        store included. The price of the longest answer is set aside before a call is sent.
    repeats, repeat_share
        Measure this share of the calls so many times, for a median latency and its spread. Each
        time of a paid call is paid.
    stop
        Set it from any thread: nothing new is started, what is in flight is finished and committed,
        and the sweep returns.
    on_progress
        Called in the calling thread after each commit, with the one `Progress` that the sweep
        returns in the end.

    Raises
    ------
    LabError
        If a path or the store fails, or the cap cannot buy one call; outcomes committed before
        stay. A call that fails does not end the sweep: its pair is recorded as failed.
        `KeyboardInterrupt` passes through once what is in flight is kept.

    """
    if limit is not None and limit < 1:
        raise LabError(f"limit must be at least 1 or None, got {limit}.")
    if repeats < 1 or not 0 <= repeat_share <= 1:
        raise LabError(
            f"repeats must be at least 1 and repeat_share within [0, 1], got {repeats} and"
            f" {repeat_share}."
        )
    if max_cost_usd is not None and not max_cost_usd >= 0:
        raise LabError(
            f"max_cost_usd must be a number of US dollars >= 0 or None, got {max_cost_usd!r}."
        )
    marks = {fingerprints[path.id] for path in paths}
    have = {mark: store.pairs(mark) for mark in marks}
    shut = {
        (f.query_id, f.path_id)
        for mark in marks
        for f in store.failures(mark)
        if f.state == "quarantined"
    }
    wanted = [(q, [p for p in paths if only is None or (q.id, p.id) in only]) for q in queries]
    lacking = [
        (q, [p for p in some if (q.id, p.id) not in have[fingerprints[p.id]]]) for q, some in wanted
    ]
    work = [(q, [p for p in some if (q.id, p.id) not in shut]) for q, some in lacking]
    missing, asked = sum(len(todo) for _, todo in work), sum(len(some) for _, some in wanted)
    progress = Progress(missing if limit is None else min(limit, missing))
    progress.quarantined = sum(len(some) for _, some in lacking) - missing
    progress.reused = asked - missing - progress.quarantined
    calls = Calls(
        store,
        pipeline.catalog,
        pipeline.models,
        pipeline.domain.name,
        repeats=repeats,
        repeat_share=repeat_share,
        max_cost_usd=float("inf") if max_cost_usd is None else max_cost_usd,
    )
    plan = [(query, todo) for query, todo in _first(work, progress.total) if todo]
    pipeline.ask_through(calls)
    if max_cost_usd is not None:
        _require_one_call(
            pipeline, plan, calls, store.spending(pipeline.domain.name).charged_usd, max_cost_usd
        )
    run = Run(pipeline, calls, store, fingerprints, progress, stop or Event(), on_progress)
    pool = executor or ThreadPoolExecutor(1, thread_name_prefix="device")
    try:
        run.go(pool, plan)
    finally:
        if executor is None:
            pool.shutdown()
        pipeline.ask_through(pipeline.models)  # not the calls of a store that may be closed by now
    return progress


def _require_one_call(
    pipeline: Pipeline,
    plan: list[tuple[Query, list[Path]]],
    calls: Calls,
    spent_usd: float,
    cap_usd: float,
) -> None:
    """Refuse to start a sweep whose cap cannot buy its first paid call."""
    priced = {name for name, model in pipeline.catalog.models.items() if model.placement == "cloud"}
    for query, todo in plan:
        for path in todo:
            if path.model in priced:
                try:
                    prompt = pipeline.prepare(query, path, {}).prompt
                except (
                    CallFailed
                ):  # the call that rewrites: the sweep will record its pairs as failed
                    continue
                if not calls.affords(path.model, prompt):
                    usd = most_usd(pipeline.catalog[path.model], prompt)
                    raise BudgetSpent(
                        f"max_cost_usd {cap_usd:g} cannot buy one more call to {path.model!r}: it"
                        f" may cost {usd:.6f} USD, and {spent_usd:.6f} USD are spent on"
                        f" {pipeline.domain.name!r} in this store already, which counts. Give at"
                        f" least {ceil(1e6 * (spent_usd + usd)) / 1e6:.6f}, or choose paths without"
                        " that model."
                    )
                return


def _first(work: list[tuple[Query, list[Path]]], limit: int) -> Iterator[tuple[Query, list[Path]]]:
    """Cut the work down to its first `limit` pairs."""
    for query, todo in work:
        yield query, todo[:limit]
        limit -= min(limit, len(todo))


def setup_digest(domain: Domain, catalog: Catalog, encoder_name: str) -> str:
    """Digest all that determines the outcomes of a whole space, whichever of its paths a run takes: two runs with one digest add up."""
    marks = fingerprints(domain, catalog, encoder_name, PathSpace.of(catalog))
    return hashlib.sha256(repr(sorted(set(marks.values()))).encode()).hexdigest()[:16]
