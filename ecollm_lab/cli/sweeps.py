"""The commands that measure a domain, and join what was measured in several places."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated

import typer

from ecollm_lab.cli.shared import (
    CatalogFile,
    DomainName,
    PathIds,
    progress_bar,
    split_names,
    stop_on_interrupt,
)
from ecollm_lab.records import DATA, LabError

if TYPE_CHECKING:
    from ecollm_lab.sweeps import Progress
    from ecollm_lab.traces import Trace


SpaceFile = Annotated[
    FilePath | None,
    typer.Option(help="TOML file with the components to cross; default: all there are."),
]
Limit = Annotated[
    int | None, typer.Option(help="Run at most this many new outcomes; 0: export what is stored.")
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        help="Most US dollars that endpoints may charge for the domain, over all runs on the store."
    ),
]
Repeats = Annotated[
    int,
    typer.Option(
        help="Measure each call of a sample N times, for a median latency; paid calls are paid each"
        " time."
    ),
]
Isolate = Annotated[
    bool,
    typer.Option(
        help="Run each edge model in a process of its own, so that its crash costs one call."
    ),
]
WholeQueries = Annotated[
    bool,
    typer.Option("--whole-queries", help="Export only queries that were measured on all paths."),
]

Dask = Annotated[
    str | None,
    typer.Option(
        help="Scheduler of a Dask cluster, such as tcp://host:8786; its workers run stages and edge"
        " models."
    ),
]


def sweep(
    domain: DomainName,
    paths: PathIds = None,
    space: SpaceFile = None,
    limit: Limit = None,
    max_cost_usd: MaxCost = None,
    repeats: Repeats = 1,
    repeat_share: Annotated[float, typer.Option(help="Share of the calls in that sample.")] = 0.05,
    isolate: Isolate = False,
    whole_queries: WholeQueries = False,
    dask: Dask = None,
    catalog: CatalogFile = DATA / "models.toml",
    store: Annotated[
        FilePath, typer.Option(help="SQLite store; a sweep resumes from what it holds.")
    ] = FilePath("build/outcomes.sqlite"),
    out: Annotated[
        FilePath | None, typer.Option(help="Parquet trace; default: build/traces/<domain>.parquet.")
    ] = None,
) -> None:
    """Measure paths on a domain's queries and export the trace. Stop and start it as you like."""
    from ecollm_lab.sweeps import DomainOptions, sweep_domain

    options = DomainOptions(
        limit=limit,
        max_cost_usd=max_cost_usd,
        repeats=repeats,
        repeat_share=repeat_share,
        space_file=space,
        path_ids=split_names("--paths", paths),
        isolate=isolate,
        whole_queries=whole_queries,
        dask=dask,
    )
    with stop_on_interrupt(store) as stop, progress_bar() as show:
        trace, file, progress = sweep_domain(
            domain,
            catalog_file=catalog,
            store_file=store,
            out=out,
            options=options,
            stop=stop,
            on_progress=show,
            on_estimate=_print_estimates,
        )
    _report(trace, file, progress)


def join(
    stores: Annotated[list[FilePath], typer.Argument(help="Stores to join; they are only read.")],
    store: Annotated[
        FilePath, typer.Option(help="Store that takes them in; created if it is not there.")
    ],
) -> None:
    """Join stores of several machines or processes into one, each outcome and call once.

    Where two hold different outcomes of one pair, the first one stays. Export the trace of what is
    joined with: ecollm-lab sweep --domain DOMAIN --store STORE --limit 0
    """
    from ecollm_lab.sweeps import Store

    with Store(store) as out:
        joined = out.join(stores)
    typer.echo(
        f"{store} took in {joined.outcomes} outcomes, {joined.calls} calls, {joined.failures}"
        f" failures and {joined.attempts} paid attempts from {len(stores)} stores."
    )
    if joined.conflicts:
        typer.echo(
            f"{joined.conflicts} pairs were measured more than once; the first outcome stays. In"
            f" {joined.other_answers} of them the answers differ, too."
        )


def _print_estimates(estimates: Iterable[object]) -> None:
    for one in estimates:
        typer.echo(f"Estimate: {one}", err=True)


def _report(trace: Trace, file: FilePath, progress: Progress) -> None:
    """Print what was measured, what it cost, what failed, and why the sweep ended early."""
    from ecollm_lab.sweeps import Ended

    counts = {
        "failed": trace.provenance["sweep"]["failed"],
        "retried": progress.retried,
        "quarantined": progress.quarantined,
    }
    words = [f"{progress.reused} reused", *(f"{n} {word}" for word, n in counts.items() if n)]
    typer.echo(
        f"{progress.done} outcomes measured, {', '.join(words)},"
        f" {progress.cost_usd:.6f} USD (declared prices). Trace of {len(trace.outcomes)} outcomes:"
        f" {file}"
    )
    if left_out := trace.provenance["sweep"]["queries_left_out"]:
        typer.echo(f"Left out: {left_out} queries that were not measured on all paths.")
    if progress.done + progress.failed:
        run = trace.provenance["runs"][-1]
        ran = sum(run["stage_executions"].values())
        asked = sum(run["stage_executions_without_sharing"].values())
        typer.echo(
            f"{run['seconds']:g} s; {ran} stage executions instead of {asked}, which is"
            f" {ran / asked:.2f}: paths with the same beginning share it, and the same prompt is"
            f" asked once. Log of all runs: {file.with_suffix('.log.jsonl')}"
        )
    if failures := trace.provenance["sweep"]["failures"]:
        one = failures[0]
        typer.echo(
            f"Failed, for example {one['query_id']} on {one['path_id']} after {one['attempts']}"
            f" attempts: {one['error']}",
            err=True,
        )
    if progress.ended is Ended.BUDGET:
        typer.echo(
            f"The sweep ended early, {progress.stopped}. Raise --max-cost-usd to go on.", err=True
        )
    elif progress.ended:
        raise LabError(f"The sweep ended early: {progress.stopped}")
