"""The command that finds the Pareto front from a part of the outcomes."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

import typer

from ecollm_lab.cli.shared import CatalogFile, DomainName, PathIds, split_names, stop_on_interrupt
from ecollm_lab.records import DATA


def emulate(
    domain: DomainName,
    budget_share: Annotated[
        float | None,
        typer.Option(
            help="Budget as a share of all (query, path) pairs, e.g. 0.05; the store counts."
        ),
    ] = None,
    max_outcomes: Annotated[
        int | None, typer.Option(help="Budget in outcomes, those already in the store included.")
    ] = None,
    max_cost_usd: Annotated[
        float | None,
        typer.Option(help="Budget in US dollars, for outcomes already in the store too."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Budget in seconds of this run.")] = None,
    stop_at_regret: Annotated[
        float | None,
        typer.Option(help="Stop early once the expected regret is this small, e.g. 0.02."),
    ] = None,
    replay: Annotated[
        FilePath | None,
        typer.Option(help="Look outcomes up in this exhaustive trace instead of measuring them."),
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
    seed: Annotated[int, typer.Option(help="Seed of the exploration.")] = 0,
) -> None:
    """Find the Pareto front from a fraction of the outcomes.

    Measures, on the training queries, the pairs whose outcomes can still change the front.
    """
    from ecollm_lab.emulator import Budget
    from ecollm_lab.emulator import domains as exploring

    limits = (max_outcomes, max_cost_usd, seconds)
    with stop_on_interrupt(store) as stop:
        report = exploring.emulate_domain(
            domain,
            budget_share=budget_share,
            budget=None if limits == (None, None, None) else Budget(*limits),
            catalog_file=catalog,
            store_file=store,
            replay=replay,
            out=out,
            path_ids=split_names("--paths", paths),
            stop_at_regret=stop_at_regret,
            seed=seed,
            stop=stop,
            show_progress=True,
        )
    typer.echo(report)
