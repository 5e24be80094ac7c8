"""The command that checks a catalog's models."""

from __future__ import annotations

from typing import Annotated

import typer

from ecollm_lab.cli.shared import CatalogFile, split_names
from ecollm_lab.records import DATA


def doctor(
    catalog: CatalogFile = DATA / "models.toml",
    models: Annotated[
        str | None,
        typer.Option(help="Model names separated by commas; default: all of the catalog."),
    ] = None,
) -> None:
    """Check each model with a few small calls, an endpoint with one.

    Prints what would be used and at what price, or what is wrong and how to mend it.
    """
    from datetime import UTC, datetime

    from ecollm_lab.models import ModelPool, load_catalog
    from ecollm_lab.sweeps.doctor import diagnose, report

    loaded = load_catalog(catalog)
    names = split_names("--models", models) or list(loaded.models)
    with ModelPool(loaded) as pool:
        found = diagnose(loaded, names, pool, datetime.now(UTC).date())
    typer.echo(f"Catalog {catalog}\n{report(found)}")
    if not all(one.ok for one in found):
        raise typer.Exit(1)
