"""The command that finds the Pareto front from a part of the outcomes."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

import typer

from ecollm_lab.cli.shared import (
    CatalogFile,
    DomainName,
    PathIds,
    progress_bar,
    split_names,
    stop_on_interrupt,
)
from ecollm_lab.records import DATA


def emulate(
    domain: DomainName,
    budget_share: Annotated[
        float | None,
        typer.Option(
            help="Budget as a share of all (query, path) pairs, e.g. 0.05; what the store holds"
            " counts towards it."
        ),
    ] = None,
    max_outcomes: Annotated[
        int | None, typer.Option(help="Budget in outcomes, those already in the store included.")
    ] = None,
    max_cost_usd: Annotated[
        float | None,
        typer.Option(
            help="Budget in US dollars for all outcomes, of edge models and in the store too."
        ),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Budget in seconds of this run.")] = None,
    stop_at_regret: Annotated[
        float | None,
        typer.Option(help="Stop early once the expected regret is this small, e.g. 0.02."),
    ] = None,
    replay: Annotated[
        FilePath | None,
        typer.Option(help="Look outcomes up in this trace instead of measuring them."),
    ] = None,
    paths: PathIds = None,
    catalog: CatalogFile = DATA / "models.toml",
    store: Annotated[
        FilePath, typer.Option(help="SQLite store; what it holds counts and is not run again.")
    ] = FilePath("build/outcomes.sqlite"),
    out: Annotated[
        FilePath | None,
        typer.Option(help="Parquet trace; default: build/emulated/<domain>.parquet."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the exploration.")] = 0,
) -> None:
    """Find the Pareto front from a fraction of the outcomes.

    Measures, on the training queries, the pairs whose outcomes can still change the front.
    """
    from ecollm_lab.emulator import Budget, ExplorationOptions, emulate_domain

    options = ExplorationOptions(replay, split_names("--paths", paths), stop_at_regret, seed)
    with stop_on_interrupt(store) as stop, progress_bar() as show:
        report = emulate_domain(
            domain,
            Budget(max_outcomes, max_cost_usd, seconds, budget_share),
            catalog_file=catalog,
            store_file=store,
            out=out,
            options=options,
            stop=stop,
            on_progress=show,
        )
        typer.echo(report)  # inside: an exploration that was stopped has a report too
