"""Reads a catalog file: all its faults are told at once, each with its key."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ecollm_lab.files import decoded, lines, own_data_advice, read_text
from ecollm_lab.models.catalog import Catalog, Model
from ecollm_lab.models.catalog_keys import (
    NEVER_QUOTED,
    CatalogFile,
    CloudTable,
    EdgeTable,
    HubTable,
    PricesTable,
    Table,
    WheelsTable,
)
from ecollm_lab.models.sources import HubSource, Source, WheelSource, models_folder
from ecollm_lab.records import DATA, LabError

T = TypeVar("T", bound=Table)


def read_catalog(file: FilePath) -> Catalog:
    """Read a catalog file and everything it names beside it; see `load_catalog`."""
    data = _bytes(file)
    table = _parsed(file, data)
    top, faults = _checked(CatalogFile, table, "")
    shown, rows = table.get("models"), {}
    if isinstance(shown, dict) and all(isinstance(row, dict) for row in shown.values()):
        rows = shown
    own = load_own_models() if table.get("lab_models") is True else {}
    models = dict(own)
    for name, row in rows.items():
        model, wrong = _model(name, row, file, top)
        faults += wrong
        if name in own:
            faults.append(
                f"[models.{name}] has the name of one of the lab's models; rename it or drop"
                " 'lab_models'"
            )
        if model:
            models[name] = model
    if not rows and not own and not faults:
        faults.append("no [models.NAME] table; declare at least one model")
    faults += _hyde_faults(table, own | rows)
    if faults or top is None:
        raise LabError(_message(file, faults))
    return Catalog(
        models,
        top.prices.edge_usd_per_hour,
        top.prices.date,
        top.prices.source,
        hashlib.sha256(data).hexdigest()[:16],
        top.hyde_model,
    )


def load_own_models() -> dict[str, Model]:
    """Return the models of the lab's own catalog, at the lab's own prices."""
    return read_catalog(DATA / "models.toml").models


def _bytes(file: FilePath) -> bytes:
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or error
        raise LabError(
            f"Cannot read the model catalog {str(file)!r}: {why}. Name one with --catalog."
            f"{own_data_advice(file)}"
        ) from error


def _parsed(file: FilePath, data: bytes) -> dict[str, Any]:
    text = decoded(data, f"The model catalog {file}")
    try:
        return tomllib.loads("\n".join(lines(text)))
    except (ValueError, RecursionError) as error:  # ValueError: also a number of 5,000 digits
        raise LabError(f"The model catalog {file} is not valid TOML: {error}.") from error


def _message(file: FilePath, faults: list[str]) -> str:
    if len(faults) == 1:
        return f"{file}: {faults[0]}."
    return "\n".join([f"{file} has {len(faults)} faults:", *(f"- {fault}." for fault in faults)])


def _checked(schema: type[T], table: Any, where: str) -> tuple[T | None, list[str]]:
    """Return a table in the shape of its schema, or None and its faults."""
    try:
        return schema.model_validate(table), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    return None, [_told(schema, detail, where) for detail in details]


def _told(schema: type[Table], detail: ErrorDetails, where: str) -> str:
    """Say one fault in the catalog's own terms."""
    schema, where, key = _place(schema, detail["loc"], where)
    named = " ".join(part for part in (where, key) if part)
    if detail["type"] == "extra_forbidden":
        allowed = ", ".join(sorted(schema.model_fields))
        what = f"{where} key" if where else "top-level key"
        return f"{what} must be one of {allowed}; got {key!r}"
    if detail["type"] == "missing" and schema in (PricesTable, CatalogFile):
        lacks = f"lacks {key!r}" if schema is PricesTable else "is missing"
        return (
            f"[prices] {lacks}; prices are declared with a date and a source, and none is assumed"
        )
    if detail["type"] == "missing":
        price = schema is CloudTable and "placement" not in key
        never = ". An unknown price or delay is an error, never 0" if price else ""
        return f"{where}: missing {key!r}{never}"
    if key == "models":
        return "models must be tables, [models.NAME]"
    text = detail["msg"].replace("Input should be", "must be")
    quoted = "" if key in NEVER_QUOTED else f", got {detail['input']!r:.80}"
    return f"{named} {text}{quoted}"


def _place(
    schema: type[Table], loc: tuple[int | str, ...], where: str
) -> tuple[type[Table], str, str]:
    """Return the schema of the table that a fault lies in, the table's name, and the key."""
    match loc:
        case ("prices", str(key)):
            return PricesTable, "[prices]", key
        case ("sources", int(i), "hub" | "wheels" as kind, *rest):
            inner = HubTable if kind == "hub" else WheelsTable
            return inner, f"{where} source {i + 1}", str(rest[0]) if rest else "as a whole"
        case _:
            return schema, where, str(loc[0])


def _model(
    name: str, row: dict[str, Any], file: FilePath, top: CatalogFile | None
) -> tuple[Model | None, list[str]]:
    """Return one model of a catalog, or None and the faults of its table."""
    where = f"[models.{name}]"
    edge = row.get("placement") == "edge" or not {"placement", "base_url"} & row.keys()
    checked, faults = _checked(EdgeTable if edge else CloudTable, row, where)
    faults += [f"{where}{fault}" for fault in _conflicts(name, row)]
    template = None
    if isinstance(row.get("chat_template"), str):
        template, fault = _template(row["chat_template"], file)
        faults += [f"{where} chat_template: {fault}"] if fault else []
        if row.get("placement") == "cloud" and "{" in (template or ""):
            faults.append(
                f"{where} chat_template: a served GGUF takes a format built into"
                " llama-cpp-python, such as 'chatml', not a file"
            )
    path, fault = _file(name, row, file)
    faults += [f"{where} file: {fault}"] if fault else []
    if checked is None or faults or top is None:
        return None, faults
    assumed: dict[str, Any] = {
        "remote_name": name,
        "price_in_usd_per_mtok": 0.0,  # of an edge model; a cloud model declares its own
        "price_out_usd_per_mtok": 0.0,
        "network_delay_s": 0.0,
        "price_usd_per_hour": top.prices.edge_usd_per_hour if checked.placement == "edge" else 0.0,
        "price_date": top.prices.date,
        "price_source": top.prices.source,
    }
    declared = {key: value for key, value in checked if value is not None}
    if limit := declared.pop("max_completion_tokens", None):
        declared |= {"max_tokens": limit, "tokens_key": "max_completion_tokens"}
    own = {
        "name": name,
        "file": path,
        "chat_template": template,
        "omit": tuple(declared.get("omit", ())),
        "sources": tuple(map(_source, declared.get("sources", ()))),
    }
    return Model(**(assumed | declared | own)), []


def _source(table: HubTable | WheelsTable) -> Source:
    if isinstance(table, HubTable):
        return HubSource(table.hub, table.file)
    return WheelSource(tuple(table.wheels), table.member)


def _file(name: str, row: dict[str, Any], file: FilePath) -> tuple[FilePath | None, str]:
    """Return where a model's file lies: beside the catalog, or, with sources, where it is put."""
    given = row.get("file", f"{name}.gguf" if "sources" in row else None)
    if not isinstance(given, str):
        return None, ""
    if "sources" not in row:
        return _beside(file, given)
    if FilePath(given).name != given:
        return None, f"{given!r} must be a plain name; a file with sources lies in ECOLLM_MODELS"
    try:
        return _beside(models_folder() / "models.toml", given)
    except RuntimeError as error:
        return None, f"ECOLLM_MODELS names no usable folder ({error})"


def _conflicts(name: str, row: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong between the keys of a model's table, whatever they hold."""
    if "/" in name or not name.isprintable() or not name.strip():
        yield ": a model name must be printable and not contain '/', which separates stages"
    if "base_url" in row and {"file", "sources"} & row.keys():
        yield ": give either 'file' (a GGUF), 'sources' of one, or 'base_url', not both"
    if not {"file", "sources", "base_url"} & row.keys():
        yield (
            ": give 'file' (a GGUF), 'sources' of one, or, for a cloud model, 'base_url'; got"
            " neither"
        )
    if lacking := {"sha256", "bytes", "licence"} - row.keys() if "sources" in row else ():
        yield (
            f": a file with sources needs {', '.join(sorted(lacking))}, which tell the right file"
            " and the terms it comes under"
        )
    if {"max_tokens", "max_completion_tokens"} <= row.keys():
        yield ": max_tokens and max_completion_tokens are one limit; give the one it takes"
    unused = {
        "sha256",
        "context",
        "threads",
        "gpu_layers",
        "chat_template",
        "start_timeout_s",
    } & row.keys()
    if "base_url" in row and unused:
        yield (
            f": {', '.join(sorted(unused))} would do nothing with a base_url, whose endpoint"
            " decides that; leave it out"
        )
    if ("price_date" in row) != ("price_source" in row):
        yield (
            ": price_date and price_source go together; leave both out to take those of [prices]"
        )


def _hyde_faults(table: dict[str, Any], models: dict[str, Any]) -> list[str]:
    if "hyde_model" not in table:
        return []
    edge = [
        name
        for name, model in models.items()
        if (model.get("placement") if isinstance(model, dict) else model.placement) == "edge"
    ]
    if table["hyde_model"] in edge:
        return []
    return [
        f"hyde_model must name an edge model of this catalog ({', '.join(edge) or 'it has none'}),"
        f" got {table['hyde_model']!r:.80}"
    ]


def _beside(file: FilePath, name: str) -> tuple[FilePath | None, str]:
    """Return a path that stands in a catalog, looked up beside it, or None and what is wrong."""
    try:
        return (file.parent / FilePath(name).expanduser()).resolve(), ""
    except (OSError, RuntimeError, ValueError) as error:  # no such user; a NUL
        return None, f"{name!r:.80} is no usable path ({error})"


def _template(name: str, file: FilePath) -> tuple[str | None, str]:
    """Return the text of a template file, or the name of a built-in format as it is."""
    path, fault = _beside(file, name)
    if path is None:
        return None, fault
    try:
        if re.fullmatch(r"[\w-]+(\.\d+)?", name) and not path.is_file():
            return name, ""
        return read_text(path), ""
    except (OSError, LabError) as error:
        return None, (
            f"cannot read the template file {name}: {error}. Name a Jinja file or a built-in format"
        )
