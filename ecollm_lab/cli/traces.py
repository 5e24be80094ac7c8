"""The command that turns recorded outcomes into a trace."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

import typer

from ecollm_lab.records import LabError


def import_recorded(
    format: Annotated[
        str,
        typer.Argument(
            help="homeassistant, routerbench, routellm, or long (one row per query and path)."
        ),
    ],
    source: Annotated[
        FilePath,
        typer.Argument(
            help="CSV or Parquet file, or the folder of a clone (homeassistant, routellm)."
        ),
    ],
    out: Annotated[FilePath, typer.Argument(help="Parquet trace to write.")],
    column: Annotated[
        list[str] | None,
        typer.Option(help="long: a trace column and the file's, e.g. quality=score. Repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Drop rows with this value, e.g. path_id=qwen3-4b. Repeatable."),
    ] = None,
    repeats: Annotated[
        str, typer.Option(help="A repeated query and path: error, or mean.")
    ] = "error",
    prices: Annotated[
        FilePath | None,
        typer.Option(help="CSV: path_id, price_in_usd_per_mtok, price_out_usd_per_mtok."),
    ] = None,
    heldout_share: Annotated[
        float, typer.Option(help="Share of texts held out where no split is recorded.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of that split.")] = 0,
) -> None:
    """Turn recorded outcomes of real systems into a trace; what is not recorded stays unknown."""
    from ecollm_lab.files import require_parquet
    from ecollm_lab.traces import import_outcomes

    require_parquet(out)
    trace = import_outcomes(
        format,
        source,
        columns=dict(_split_pairs("--column", column)),
        exclude=_split_pairs("--exclude", exclude),
        repeats=repeats,
        prices=prices,
        heldout_share=heldout_share,
        seed=seed,
    )
    trace.save(out)
    p = trace.provenance
    notes = [f"dropped {n} {reason.replace('_', ' ')}" for reason, n in p["dropped"].items()]
    notes += [f"{p['rows_averaged']} rows averaged"] * bool(p["rows_averaged"])
    notes += [f"not recorded: {', '.join(p['not_recorded'])}"] * bool(p["not_recorded"])
    notes.append(f"split {p['split']}")
    typer.echo(
        f"{trace.source_line}: {len(trace.outcomes)} outcomes ({'; '.join(notes)}), written to"
        f" {out}"
    )


def _split_pairs(option: str, words: list[str] | None) -> list[tuple[str, str]]:
    """Split each NAME=VALUE at its first "="."""
    pairs = []
    for word in words or []:
        name, sign, value = word.partition("=")
        if not sign:
            raise LabError(f"{option} must be NAME=VALUE, got {word!r}.")
        pairs.append((name, value))
    return pairs
