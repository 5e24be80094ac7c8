"""Turns (query, path) pairs into outcomes in the store, and repeats nothing that is there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from math import ceil
from threading import Event

from ecollm_lab.domains import Domain
from ecollm_lab.models import CallFailed, Catalog, Model
from ecollm_lab.models.replies import BudgetSpent, CallState, EndpointClosed, most_usd
from ecollm_lab.paths import PathSpace, Pipeline, called_on
from ecollm_lab.paths.components import own_digests
from ecollm_lab.records import Path, Query
from ecollm_lab.sweeps.benches import Here, Workers
from ecollm_lab.sweeps.calls import Calls
from ecollm_lab.sweeps.lanes import Lane, choose_lanes
from ecollm_lab.sweeps.options import SweepOptions
from ecollm_lab.sweeps.order import fair_order
from ecollm_lab.sweeps.progress import Progress
from ecollm_lab.sweeps.run import Plan, Run
from ecollm_lab.sweeps.store.store import Store

# Raise it whenever a stage, the prompt or the grading changes what an outcome would be, its
# latency included.
COMPONENTS_VERSION = 3


def fingerprints(
    domain: Domain, catalog: Catalog, encoder_name: str, paths: Iterable[Path]
) -> dict[str, str]:
    """Digest, for each path id, all that determines an outcome beside its query and path.

    That is domain, encoder, component version, the price of the edge device, and the models: the
    one that answers, with its prices, the one that rewrites on a path with hyde, and the judge, if
    there is one. A component that a user added counts with the source of its function.
    """
    judge, digest = domain.grading.judge_model, domain.digest

    @cache
    def identified(name: str) -> str:
        return catalog[name].identity()

    @cache
    def fingerprint(names: tuple[str, ...], own: tuple[str, ...]) -> str:
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
            identified(name),
            prices,
            catalog.edge_price_usd_per_hour,
            encoder_name,
            COMPONENTS_VERSION,
        )
        parts += (identified(judge),) if judge else ()
        parts += tuple(("hyde", identified(other)) for other in others)
        parts += own
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    return {p.id: fingerprint(called_on(catalog, p), own_digests(p)) for p in paths}


def sweep(
    pipeline: Pipeline,
    queries: Sequence[Query],
    paths: Sequence[Path],
    store: Store,
    fingerprints: Mapping[str, str],
    options: SweepOptions | None = None,
    *,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Run every pair the store lacks and commit each outcome as it comes.

    Stages and edge models run one after another, so that latencies are not measured against each
    other; meanwhile calls to hosted endpoints are in flight, as many as each endpoint bears, and a
    model that this machine serves on cores of its own answers one call at a time; see
    `lanes.choose_lanes`. A judge that it serves on no such cores takes turns with whatever answers,
    hosted models too, one call at a time. Pairs that need the same call share it.

    Parameters
    ----------
    pipeline, queries, paths
        What to run; the paths of one query run together, so that shared prefixes are shared. The
        queries run in an order of which each beginning is a fair sample; see `order.fair_order`.
    store, fingerprints
        Where outcomes go, and the fingerprint for each path id; see `fingerprints`.
    options
        How far the sweep goes, and how it measures; see `SweepOptions`.
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
    options = options or SweepOptions()
    plan, progress = _plan(queries, paths, store, fingerprints, options)
    bench = Workers(options.executor, pipeline, paths) if options.executor else Here(pipeline)
    calls = Calls(store, pipeline.catalog, bench.models, pipeline.domain.name, options)
    lanes, calls.notices[:] = _lanes(pipeline, paths, away=options.executor is not None)
    run = Run(bench, calls, store, fingerprints, lanes, progress, stop or Event(), on_progress)
    at_once = options.queries_at_once if options.executor else 1
    try:
        pipeline.ask_through(calls)
        if options.max_cost_usd is not None:
            spent_usd = store.spending(pipeline.domain.name).charged_usd
            _require_one_call(pipeline, plan, calls, spent_usd, options.max_cost_usd)
        with ThreadPoolExecutor(at_once, thread_name_prefix="device") as pool:
            run.go(pool, plan)
    finally:
        pipeline.ask_through(pipeline.models)  # the store of these calls may be closed by now
    return progress


def _lanes(
    pipeline: Pipeline, paths: Sequence[Path], *, away: bool
) -> tuple[dict[str, Lane], list[str]]:
    """Choose the lane of each model, of the judge too.

    With `away`, edge models take no core of this machine.
    """
    catalog, judge = pipeline.catalog, pipeline.domain.grading.judge_model
    names = PathSpace(tuple(paths)).models(catalog, judge)
    here = [name for name in names if not (away and catalog[name].placement == "edge")]
    lanes, said = choose_lanes(catalog, here)
    return dict.fromkeys(names, Lane.HERE) | lanes, said


def _plan(
    queries: Sequence[Query],
    paths: Sequence[Path],
    store: Store,
    fingerprints: Mapping[str, str],
    options: SweepOptions,
) -> tuple[Plan, Progress]:
    """Return the pairs to run, query by query, and the progress before the first of them."""
    only = options.only
    marks = {path.id: fingerprints[path.id] for path in paths}
    stored = {mark: store.pairs(mark) for mark in set(marks.values())}
    quarantined = {
        (f.query_id, f.path_id)
        for f in store.failures_of(marks)
        if f.state is not CallState.FAILED  # it would end, or be refused, in the same way
    }
    asked = [
        (q, [p for p in paths if only is None or (q.id, p.id) in only]) for q in fair_order(queries)
    ]
    missing = [
        (q, [p for p in some if (q.id, p.id) not in stored[fingerprints[p.id]]])
        for q, some in asked
    ]
    work = [(q, [p for p in some if (q.id, p.id) not in quarantined]) for q, some in missing]
    n_asked, n_missing, n_work = map(_size, (asked, missing, work))
    progress = Progress(
        total=n_work if options.limit is None else min(options.limit, n_work),
        reused=n_asked - n_missing,
        quarantined=n_missing - n_work,
    )
    return [(query, todo) for query, todo in _first(work, progress.total) if todo], progress


def _size(plan: Plan) -> int:
    return sum(len(todo) for _, todo in plan)


def _first(work: Plan, limit: int) -> Iterator[tuple[Query, list[Path]]]:
    """Cut the work down to its first `limit` pairs."""
    for query, todo in work:
        yield query, todo[:limit]
        limit -= min(limit, len(todo))


def _require_one_call(
    pipeline: Pipeline, plan: Plan, calls: Calls, spent_usd: float, cap_usd: float
) -> None:
    """Refuse to start a sweep whose cap cannot buy its first paid call."""
    priced = {name for name, model in pipeline.catalog.models.items() if model.placement == "cloud"}
    for query, todo in plan:
        for path in todo:
            if path.model not in priced:
                continue
            try:
                prompt = pipeline.prepare(query, path, {}).prompt
            except (CallFailed, EndpointClosed):  # the call that rewrites: the sweep will say so
                continue
            if calls.affords(path.model, prompt):
                return
            usd = most_usd(pipeline.catalog[path.model], prompt)
            raise BudgetSpent(
                f"max_cost_usd {cap_usd:g} cannot buy one more call to {path.model!r}: it may cost"
                f" {usd:.6f} USD, and {spent_usd:.6f} USD are spent on {pipeline.domain.name!r} in"
                " this store already, which counts. Give at least"
                f" {ceil(1e6 * (spent_usd + usd)) / 1e6:.6f}, or choose paths without that model."
            )


def setup_digest(domain: Domain, catalog: Catalog, encoder_name: str) -> str:
    """Digest all that determines the outcomes of a whole space, whichever of its paths a run takes.

    The outcomes of two runs with the same digest add up. The GGUF of a model that no run asks need
    not be on this machine: its place stands for its sha256.
    """
    models = {
        name: replace(model, sha256=f"absent:{model.file}") if _is_absent(model) else model
        for name, model in catalog.models.items()
    }
    whole = replace(catalog, models=models)
    marks = fingerprints(domain, whole, encoder_name, PathSpace.of(whole))
    return hashlib.sha256(repr(sorted(set(marks.values()))).encode()).hexdigest()[:16]


def _is_absent(model: Model) -> bool:
    """Tell whether the sha256 of a model is neither declared nor to be read here."""
    if model.file is None or model.sha256:
        return False
    return not (model.file.is_file() and os.access(model.file, os.R_OK))
