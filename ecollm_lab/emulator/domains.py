"""Exploring a domain within a budget: the emulator chooses, a sweep measures, a report says how sure the front is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from math import nan
from pathlib import Path as FilePath
from threading import Event
from typing import Any

import pandas as pd
from tqdm import tqdm

from ecollm_lab.domains import Domain, load_domain
from ecollm_lab.emulator.budget import Budget, emulate, replay_from
from ecollm_lab.emulator.emulator import Emulator
from ecollm_lab.files import csv_text, require_distinct, require_parquet, require_writable, write
from ecollm_lab.models import BudgetSpent, Catalog, ModelPool, default_encoder, load_catalog
from ecollm_lab.paths import PathSpace, Pipeline, called_on, read_path
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.sweeps import Progress, Store, SweepOptions, fingerprints, sweep
from ecollm_lab.sweeps.provenance import provenance, queries_frame
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import full_id


def emulate_domain(
    domain: str,
    *,
    budget_share: float | None = None,
    budget: Budget | None = None,
    catalog_file: FilePath,
    store_file: FilePath,
    replay: FilePath | None = None,
    out: FilePath | None = None,
    path_ids: Sequence[str] | None = None,
    stop_at_regret: float | None = None,
    seed: int = 0,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    show_progress: bool = False,
) -> str:
    """Explore the training queries of a domain within a budget; write the partial trace and the estimated fronts; return a report.

    Parameters
    ----------
    domain
        A folder, or the name of one of the lab's own domains.
    budget_share, budget
        The budget, as a share of all (query, path) pairs in (0, 1] or in full; one of them.
        Outcomes already in the store count towards it.
    catalog_file, store_file
        The model catalog, and the SQLite store that outcomes go to and are taken from.
    replay
        A trace of this domain with every pair that may be asked, to look outcomes up in instead of
        measuring; the store is left alone then.
    out
        The Parquet file (default `build/emulated/<domain>.parquet`); the fronts go beside it as
        CSV.
    path_ids
        The paths to explore; all of the space if left out.
    stop_at_regret
        See `emulator.emulate`.
    stop
        Set it from any thread: what is in flight is finished and kept, and the report covers what
        was measured.
    on_progress
        Called in the calling thread after each outcome measured (after each batch of a replay);
        `Progress.total` is the budget in outcomes, or all pairs.

    Raises
    ------
    LabError
        For anything the user can mend; outcomes measured before stay in the store.

    """
    loaded, catalog = load_domain(domain), load_catalog(catalog_file)
    space = PathSpace.of(catalog)
    if replay is not None:
        space = PathSpace(tuple(map(read_path, Trace.load(replay).path_ids)))
    space = space.select(path_ids) if path_ids else space
    queries = loaded.split("train")
    if (budget_share is None) == (budget is None):
        raise LabError(
            "Give either a budget share (--budget-share) or a budget in outcomes, US dollars or"
            " seconds (--max-outcomes, --max-cost-usd, --seconds), and not both."
        )
    if budget is None:
        if budget_share is None or not 0 < budget_share <= 1:
            raise LabError(f"budget_share must be within (0, 1], got {budget_share}.")
        budget = Budget(outcomes=max(1, round(budget_share * len(queries) * len(space))))
    out = out or FilePath("build/emulated") / f"{loaded.name}.parquet"
    require_parquet(out)
    require_distinct({"--catalog": catalog_file, "--store": store_file, "--out": out})
    require_writable(out)
    encoder = default_encoder()
    emulator = Emulator(
        space, queries, encoder.encode([query.text for query in queries]), seed=seed
    )
    about = provenance(loaded, catalog, encoder.name)
    progress = Progress(total=budget.outcomes or len(queries) * len(space))
    with ExitStack() as stack:
        if replay is None:
            run = _live(
                stack,
                loaded,
                catalog,
                store_file,
                space,
                emulator,
                budget,
                progress,
                stop,
                on_progress,
            )
        else:
            trace = _recorded(replay, loaded, space)
            about = trace.provenance | {
                "replayed_from": trace.source_line
            }  # these outcomes are its, not of this machine and day
            look_up = replay_from(trace)
            run = lambda pairs: [] if stop and stop.is_set() else look_up(pairs)  # noqa: E731 - a name would say no more
        bar = stack.enter_context(
            tqdm(
                disable=not show_progress,
                unit=" outcomes",
                total=budget.outcomes,
                initial=emulator.n_told,
                delay=0.5,
            )
        )

        def show(row: dict[str, Any]) -> None:
            bar.set_postfix_str(
                f"{row['cost_usd']:.6f} USD, expected regret {row['expected_regret']:.3f}",
                refresh=False,
            )
            bar.update(row["outcomes"] - bar.n)
            if on_progress and replay is not None and emulator.outcomes:
                progress.done, progress.cost_usd, progress.latest = (
                    row["outcomes"],
                    row["cost_usd"],
                    emulator.outcomes[-1],
                )
                on_progress(progress)

        recalled = progress.reused = emulator.n_told
        progress.total -= recalled
        history = emulate(emulator, run, budget, stop_at_regret=stop_at_regret, on_batch=show)
    fronts = emulator.fronts()
    about["emulator"] = {
        "budget": vars(budget),
        "seed": seed,
        "pairs": len(queries) * len(space),
        "stopped": history["stopped"].iloc[-1],
    }
    Trace.from_outcomes(emulator.outcomes, queries_frame(queries), about).save(out)
    write(csv_text(fronts), out.with_suffix(".fronts.csv"))
    return _report(loaded.name, emulator, history, fronts, recalled, out)


def _recorded(file: FilePath, domain: Domain, space: PathSpace) -> Trace:
    """Load a trace to replay, and refuse one of another domain or without some of the pairs that may be asked."""
    trace = Trace.load(file)
    outcomes = trace.outcomes.assign(path_id=trace.outcomes["path_id"].map(full_id))
    trace = replace(trace, outcomes=outcomes)
    about = trace.provenance
    if about["source"] == "measured" and about.get("domain", domain.name) != domain.name:
        raise LabError(
            f"{file} was measured on the domain {about['domain']!r}, not on {domain.name!r}. Name"
            " that domain, or another trace."
        )
    if about.get("domain_digest", domain.digest) != domain.digest:
        raise LabError(
            f"{file} was measured on another edition of {domain.name!r}: passages, queries or"
            " grading differ. Sweep it anew."
        )
    known = trace.outcomes[trace.outcomes["quality"].notna()]
    there = set(zip(known["query_id"], known["path_id"], strict=True))
    missing = [
        (query.id, path.id)
        for query in domain.split("train")
        for path in space
        if (query.id, path.id) not in there
    ]
    if missing:
        raise LabError(
            f"{file} has no outcome of {len(missing)} pairs that may be asked, first query"
            f" {missing[0][0]} on path {missing[0][1]}. Explore only paths that it has for every"
            " training query, or name an exhaustive trace."
        )
    return trace


def _live(
    stack: ExitStack,
    domain: Domain,
    catalog: Catalog,
    store_file: FilePath,
    space: PathSpace,
    emulator: Emulator,
    budget: Budget,
    progress: Progress,
    stop: Event | None,
    on_progress: Callable[[Progress], None] | None,
) -> Callable[[list[tuple[str, str]]], list[Outcome]]:
    """Open store and models, let the emulator recall what the store holds, and return the `run` that measures pairs."""
    store, models = stack.enter_context(Store(store_file)), stack.enter_context(ModelPool(catalog))
    models.check(list(dict.fromkeys(name for path in space for name in called_on(catalog, path))))
    encoder = default_encoder()
    marks = fingerprints(domain, catalog, encoder.name, space)
    kept_under = list(dict.fromkeys(marks.values()))
    queries = domain.split("train")
    pipeline = Pipeline(domain, catalog, encoder, models)

    def stored(pairs: set[tuple[str, str]]) -> list[Outcome]:
        return [
            o
            for mark in kept_under
            for o in store.outcomes(mark)
            if (o.query_id, o.path_id) in pairs
        ]

    emulator.recall(stored({(query.id, path.id) for query in queries for path in space}))

    def run(pairs: list[tuple[str, str]]) -> list[Outcome]:
        before = progress.done, progress.cost_usd, progress.failed, progress.retried

        def show(batch: Progress) -> None:
            now = batch.done, batch.cost_usd, batch.failed, batch.retried
            done, progress.cost_usd, failed, retried = (
                a + b for a, b in zip(before, now, strict=True)
            )
            progress.done, progress.failed, progress.retried = int(done), int(failed), int(retried)
            progress.latest = batch.latest
            progress.ended, progress.stopped = batch.ended, batch.stopped
            if on_progress:
                on_progress(progress)

        try:
            sweep(
                pipeline,
                queries,
                space.paths,
                store,
                marks,
                SweepOptions(only=set(pairs), max_cost_usd=budget.cost_usd),
                stop=stop,
                on_progress=show,
            )
        except BudgetSpent:
            if not emulator.n_told:
                raise
        given_up = [
            f
            for mark in kept_under
            for f in store.failures(mark)
            if (f.query_id, f.path_id) in set(pairs)
        ]
        return stored(set(pairs)) + [
            Outcome(f.query_id, f.path_id, nan, nan, nan, 0, 0) for f in given_up
        ]

    return run


def _report(
    name: str,
    emulator: Emulator,
    history: pd.DataFrame,
    fronts: pd.DataFrame,
    recalled: int,
    out: FilePath,
) -> str:
    """Say what was spent, where, what was set aside and why, and how sure the front is."""
    last, pairs = history.iloc[-1], len(emulator.query_ids) * len(emulator.path_ids)
    whole = fronts[fronts["scope"] == "all"].sort_values("quality", ascending=False)
    front, aside = whole[whole["on_front"]], whole[whole["status"] == "set aside"]
    ended = last["stopped"]
    if ended == "budget spent" and emulator.n_told == recalled:
        ended += (
            f"; the store already held {recalled} of them, which count towards it; give a larger"
            " budget or another --store"
        )
    on_front = front["n"].sum() / max(whole["n"].sum(), 1)
    lines = [
        (
            f"{name}: {emulator.n_told} of {pairs} outcomes ({emulator.n_told / pairs:.1%};"
            f" {recalled} of them were there before), {last['cost_usd']:.6f} USD (declared prices),"
            f" {len(history)} batches. Deciding took {history['deciding_s'].sum():.1f} s, measuring"
            f" {history['running_s'].sum():.1f} s. Ended because: {ended}."
        ),
        (
            f"Expected regret {last['expected_regret']:.3f}: the quality that knowing every path"
            " exactly would still add, mean over 25 SLOs."
        ),
        (
            f"Estimated front over all {len(emulator.query_ids)} training queries, {len(front)}"
            f" paths, 90 % credible intervals; {on_front:.0%} of the outcomes went to them:"
        ),
        (
            f"  {'path':36} {'quality':>18} {'USD per 1,000':>30} {'seconds':>20} {'P(front)':>8}"
            f" {'n':>4}"
        ),
    ]
    lines += [
        f"  {row.path_id:36} {row.quality:.2f} [{row.quality_low:.2f}, {row.quality_high:.2f}]"
        f" {1000 * row.cost_usd:9.6f} [{1000 * row.cost_usd_low:.6f},"
        f" {1000 * row.cost_usd_high:.6f}] {row.latency_s:6.3f} [{row.latency_s_low:.3f},"
        f" {row.latency_s_high:.3f}] {row.front_probability:8.2f} {row.n:4d}"
        for row in front.itertuples()
    ]
    if len(aside):
        lines.append(
            f"Set aside, {len(aside)} of {len(whole)} paths: with a probability above 99 % one path"
            " or another beats each, overall and in every cluster. Which one is less sure; the"
            " likeliest, for example:"
        )
        lines += [f"  {row.path_id}: {row.because}" for row in aside.head(3).itertuples()]
    scopes = fronts[fronts["on_front"] & (fronts["scope"] != "all")].groupby("scope").size()
    if len(scopes):
        lines.append(
            "Paths on the front of each cluster of queries: "
            + ", ".join(f"{scope} {n}" for scope, n in scopes.items())
            + "."
        )
    lines.append(f"Partial trace: {out}. All estimates: {out.with_suffix('.fronts.csv')}.")
    return "\n".join(lines)
