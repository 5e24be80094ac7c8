"""The command that turns recorded outcomes into a trace."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecollm_lab.records import LabError

if TYPE_CHECKING:
    from ecollm_lab.traces import Trace

Format = Annotated[
    str,
    typer.Argument(
        help="homeassistant, routerbench, routellm, or long (one row per query and path)."
    ),
]
Source = Annotated[
    FilePath,
    typer.Argument(help="CSV or Parquet file, or the folder of a clone (homeassistant, routellm)."),
]


def import_recorded(
    format: Format,
    source: Source,
    out: Annotated[FilePath, typer.Argument(help="Parquet trace to write.")],
    column: Annotated[
        list[str] | None,
        typer.Option(help="long: a trace column and the file's, e.g. quality=score. Repeatable."),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(
            help="long: the unit of a trace column in the file, e.g. latency_s=ms, quality=percent,"
            " or a number: cost_usd=0.14. Repeatable."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Drop rows with this value, e.g. path_id=qwen3-4b. Repeatable."),
    ] = None,
    repeats: Annotated[
        str, typer.Option(help="What to do with a repeated query and path: error, or mean.")
    ] = "error",
    ids_from_text: Annotated[
        bool,
        typer.Option("--ids-from-text", help="Make query ids of texts; repeats are averaged."),
    ] = False,
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
    from ecollm_lab.files import require_distinct, require_parquet
    from ecollm_lab.traces import import_outcomes

    require_parquet(out)
    require_distinct({"SOURCE": source, "OUT": out})
    if prices is not None:
        require_distinct({"--prices": prices, "OUT": out})
    trace = import_outcomes(
        format,
        source,
        columns=_columns(column, unit),
        exclude=_split_pairs("--exclude", exclude),
        repeats="by_text" if ids_from_text else repeats,
        prices=prices,
        heldout_share=heldout_share,
        seed=seed,
    )
    trace.save(out)
    _report(trace, out)


def _report(trace: Trace, out: FilePath) -> None:
    """Print what came into the trace, and what was dropped, averaged or not recorded."""
    p = trace.provenance
    notes = [f"dropped {n} {reason.replace('_', ' ')}" for reason, n in p["dropped"].items()]
    failed = ", ".join(f"{path_id} {n}" for path_id, n in p["failed_runs"].items())
    notes += [f"failed runs of each path: {failed}"] * bool(failed)
    notes += [f"{p['rows_averaged']} rows averaged"] * bool(p["rows_averaged"])
    notes += [f"not recorded: {', '.join(p['not_recorded'])}"] * bool(p["not_recorded"])
    notes += [*p["notes"], f"split {p['split']}"]
    typer.echo(
        f"{trace.source_line}: {len(trace.outcomes)} outcomes ({'; '.join(notes)}), written to"
        f" {out}"
    )


def _columns(columns: list[str] | None, units: list[str] | None) -> dict[str, Any]:
    """Return the file's column of each of a trace's, with its unit where one is given."""
    named: dict[str, Any] = _named("--column", columns)
    for name, unit in _named("--unit", units).items():
        named[name] = (named.get(name, name), unit)
    return named


def _named(option: str, words: list[str] | None) -> dict[str, str]:
    """Return the value of each NAME=VALUE; raise if a name occurs twice."""
    named: dict[str, str] = {}
    for name, value in _split_pairs(option, words):
        if named.setdefault(name, value) != value:
            raise LabError(
                f"{option} must give {name} one value, got {named[name]!r} and {value!r}. Leave"
                " one out."
            )
    return named


def _split_pairs(option: str, words: list[str] | None) -> list[tuple[str, str]]:
    """Split each NAME=VALUE at its first "="."""
    pairs = []
    for word in words or []:
        name, sign, value = word.partition("=")
        if not sign:
            raise LabError(f"{option} must be NAME=VALUE, got {word!r}.")
        pairs.append((name, value))
    return pairs
