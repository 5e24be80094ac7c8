"""The commands that list a catalog's models and fetch their files."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

import typer

from ecollm_lab.cli.shared import CatalogFile, show_errors
from ecollm_lab.records import DATA

models = typer.Typer(pretty_exceptions_enable=False)


@models.callback(invoke_without_command=True)
@show_errors
def show_models(context: typer.Context, catalog: CatalogFile = DATA / "models.toml") -> None:
    """List the catalog's models: role, size, licence, source, and whether the file is here."""
    from ecollm_lab.models import load_catalog
    from ecollm_lab.models.fetching import list_models

    context.obj = catalog
    if context.invoked_subcommand is None:
        loaded = load_catalog(catalog)
        typer.echo(f"Catalog {catalog}\n{list_models(loaded.models.values())}")


@models.command()
@show_errors
def fetch(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Models to fetch; default: all that have sources.", metavar="NAME"),
    ] = None,
    catalog: Annotated[
        FilePath | None,
        typer.Option(help="The model catalog.", show_default="the lab's own, or ECOLLM_CATALOG"),
    ] = None,
) -> None:
    """Bring the files of models that are not here, check them, and say where they lie.

    An interrupted fetch goes on where it ended when the same command is given again.
    """
    from ecollm_lab.models import load_catalog
    from ecollm_lab.models.fetching import Download, fetch_models

    loaded = load_catalog(catalog or context.obj)
    chosen = (
        [loaded[name] for name in dict.fromkeys(names)]
        if names
        else [model for model in loaded.models.values() if model.sources]
    )
    downloads = [Download.of(model) for model in chosen]
    if not downloads:
        typer.echo("No model of this catalog has 'sources' to fetch it from.")
    try:
        fetched = fetch_models(downloads, show_progress=True)
    except KeyboardInterrupt:
        typer.echo("\nStopped. The same command goes on with what has arrived.", err=True)
        raise typer.Exit(130) from None
    for one in fetched:
        how = f"fetched from {one.source}" if one.source else "here already"
        typer.echo(f"{one.name}: {how}, sha256 as declared\n  {one.file}")
