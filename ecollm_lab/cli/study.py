"""The command that runs the whole study."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

import typer

from ecollm_lab.cli.shared import CatalogFile
from ecollm_lab.records import DATA


def run_study(
    traces: Annotated[
        FilePath,
        typer.Option(help="Folder with the traces <domain>.parquet.", show_default="the lab's"),
    ] = DATA / "traces",
    figures: Annotated[
        FilePath, typer.Option(help="Where figures and summary.json go.")
    ] = FilePath("figures"),
    catalog: CatalogFile = DATA / "models.toml",
    live_outcomes: Annotated[
        int, typer.Option(help="Outcomes to measure anew per domain; 0 = none.")
    ] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the live sample.")] = 0,
) -> None:
    """Run the study: live check, clusters, fronts, and policies; print the table, write figures.

    A sample of the recorded outcomes is measured again on this machine.
    """
    from ecollm_lab import study

    typer.echo(study.run(traces, figures, catalog, live_outcomes=live_outcomes, seed=seed))
