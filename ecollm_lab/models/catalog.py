"""The model catalog, `models.toml`: where each model runs, what it costs, what delay is declared for it."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path as FilePath
from typing import Any

from ecollm_lab.records import DATA, LabError, Placement, require_choice


@dataclass(frozen=True, slots=True)
class Model:
    """One model: `file` is a GGUF run in-process (edge) or served on loopback (cloud); `base_url` a hosted endpoint.

    Prices are declared, never measured: edge time in US dollars per hour of compute, cloud tokens
    in US dollars per million. Limits of a cloud endpoint are declared only where it has them:
    requests and tokens (read and written) per minute, calls in flight at once; `timeout_s` is the
    whole time one attempt at a call may take.

    `chat_template` is Jinja text or the name of a format built into llama-cpp-python; None = the
    one inside the GGUF. `gpu_layers` of an edge model run on the GPU; -1 = all. `price_date` (ISO)
    and `price_source` say where its prices come from.
    """

    name: str
    placement: Placement
    file: FilePath | None
    sha256: str | None
    base_url: str | None
    remote_name: str
    api_key_env: str | None
    context: int
    threads: int
    price_usd_per_hour: float
    price_in_usd_per_mtok: float
    price_out_usd_per_mtok: float
    network_delay_s: float
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_in_flight: int | None = None
    timeout_s: float = 60.0
    gpu_layers: int = 0
    chat_template: str | None = None
    price_date: str = ""
    price_source: str = ""

    def cost_usd(self, compute_s: float, tokens_in: int, tokens_out: int) -> float:
        """Cost of a generation in US dollars, from its compute time (edge) or tokens (cloud)."""
        if self.placement == "edge":
            return compute_s * self.price_usd_per_hour / 3600
        return (
            tokens_in * self.price_in_usd_per_mtok + tokens_out * self.price_out_usd_per_mtok
        ) / 1e6


@dataclass(frozen=True)
class Catalog:
    """Every model by name, the hourly price of the edge device for the stages before generation, and the table's date.

    `hyde_model` names the edge model that rewrites on paths with hyde; None = there are no such
    paths.
    """

    models: dict[str, Model]
    edge_price_usd_per_hour: float
    date: str
    source: str
    digest: str
    hyde_model: str | None = None

    def __getitem__(self, name: str) -> Model:
        if name not in self.models:
            raise LabError(f"Unknown model {name!r}; the catalog has: {', '.join(self.models)}.")
        return self.models[name]


KEYS = {
    "edge": {"placement", "file", "sha256", "context", "threads", "gpu_layers", "chat_template"},
    "cloud": {
        "placement",
        "file",
        "sha256",
        "context",
        "threads",
        "gpu_layers",
        "chat_template",
        "base_url",
        "remote_name",
        "api_key_env",
        "price_in_usd_per_mtok",
        "price_out_usd_per_mtok",
        "price_date",
        "price_source",
        "network_delay_s",
        "requests_per_minute",
        "tokens_per_minute",
        "max_in_flight",
        "timeout_s",
    },
}


def load_catalog(file: FilePath | str) -> Catalog:
    """Load a catalog; relative model files are looked up beside it, `~` is the home folder.

    With `pocket_models = true` at its top, the lab's own models are in it too, at the lab's own
    prices.

    Raises
    ------
    LabError
        If the file cannot be read or parsed, a key is unknown, or a price or delay is missing: an
        unknown price is never 0.

    """
    file = FilePath(file)
    try:
        data = file.read_bytes()
        table = tomllib.loads(data.decode())
    except OSError as error:
        raise LabError(
            f"Cannot read the model catalog {file}: {error.strerror}. Name one with --catalog."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"The model catalog {file} is not valid TOML: {error}.") from error
    for key in table:
        require_choice(
            f"{file}: top-level key", key, ("pocket_models", "hyde_model", "prices", "models")
        )
    prices = table.get("prices", {})
    for key in prices:
        require_choice(f"{file}: [prices] key", key, ("date", "source", "edge_usd_per_hour"))
    for key in ("date", "source", "edge_usd_per_hour"):
        if key not in prices:
            raise LabError(
                f"{file}: [prices] lacks {key!r}; prices are declared with a date and a source, and"
                " none is assumed."
            )
    prices |= {
        "date": _date(prices["date"], f"{file}: [prices] date"),
        "source": _text(prices["source"], f"{file}: [prices] source"),
    }
    edge_price = _price(prices["edge_usd_per_hour"], f"{file}: [prices] edge_usd_per_hour")
    require_choice(f"{file}: pocket_models", table.get("pocket_models", False), (True, False))
    models = dict(load_catalog(DATA / "models.toml").models) if table.get("pocket_models") else {}
    rows = table.get("models") or {}
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise LabError(f"{file}: models must be tables, [models.NAME], got {rows!r:.80}.")
    for name in models.keys() & rows:
        raise LabError(
            f"{file}: [models.{name}] has the name of a pocket model; rename it or drop"
            " 'pocket_models'."
        )
    models |= {name: _model(name, row, file, prices) for name, row in rows.items()}
    if not models:
        raise LabError(f"{file}: no [models.NAME] table; declare at least one model.")
    hyde_model = _hyde_model(table["hyde_model"], models, file) if "hyde_model" in table else None
    return Catalog(
        models,
        edge_price,
        prices["date"],
        prices["source"],
        hashlib.sha256(data).hexdigest()[:16],
        hyde_model,
    )


def _hyde_model(name: object, models: dict[str, Model], file: FilePath) -> str:
    edge = [model.name for model in models.values() if model.placement == "edge"]
    if not isinstance(name, str) or name not in edge:
        raise LabError(
            f"{file}: hyde_model must name an edge model of this catalog"
            f" ({', '.join(edge) or 'it has none'}), got {name!r}."
        )
    return name


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise LabError(f"{what} must be a text in quotes, got {value!r}.")
    return value


def _date(value: object, what: str) -> str:
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise LabError(f"{what} must be a date such as 2026-11-23, got {value!r}.") from error


def _price(value: object, what: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 <= value < float("inf")
    ):
        raise LabError(f"{what} must be a number of US dollars or seconds >= 0, got {value!r}.")
    return float(value)


def _count(value: object, what: str, least: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise LabError(f"{what} must be a whole number >= {least}, got {value!r}.")
    return value


def _endpoint(value: object, what: str) -> str:
    """Check a base URL. What may hold a key is refused and not shown: a key belongs in the environment."""
    if not re.fullmatch(r"https?://[^/@?#\s]+(/[^@?#\s]*)?", str(value)):
        raise LabError(
            f"{what} must be http(s)://host[:port]/path without user, password, '?' or '#'; a key"
            " goes into api_key_env."
        )
    return str(value)


def _variable(value: object, what: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(value)):
        raise LabError(
            f"{what} must be the name of an environment variable, such as OPENAI_API_KEY, never the"
            " key itself."
        )
    return str(value)


def _template(value: object, file: FilePath, what: str) -> str:
    """Return the text of a template file, or the name of a built-in format as it is."""
    name = _text(value, what)
    if re.fullmatch(r"[\w-]+(\.\d+)?", name) and not (file.parent / name).is_file():
        return name
    try:
        return (file.parent / FilePath(name).expanduser()).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(
            f"{what}: cannot read the template file {name}: {error}. Name a Jinja file or a"
            " built-in format."
        ) from error


def _model(name: str, row: dict[str, Any], file: FilePath, prices: dict[str, Any]) -> Model:
    where = f"{file}: [models.{name}]"
    if "/" in name:
        raise LabError(
            f"{where}: a model name must not contain '/', which separates the stages of a path id."
        )
    for key in row:
        require_choice(
            f"{where} key", key, sorted(KEYS["edge" if row.get("placement") == "edge" else "cloud"])
        )
    require_choice(f"{where} placement", row.get("placement"), ("edge", "cloud"))
    placement: Placement = row["placement"]
    if ("file" in row) == ("base_url" in row):
        raise LabError(
            f"{where}: give either 'file' (a GGUF) or, for a cloud model, 'base_url', not both or"
            " neither."
        )
    if unused := (
        {"sha256", "gpu_layers", "chat_template", "threads"} & row.keys()
        if "base_url" in row
        else ()
    ):
        raise LabError(
            f"{where}: {', '.join(sorted(unused))} would do nothing with a base_url, whose endpoint"
            " decides that. Leave it out."
        )
    template = (
        _template(row["chat_template"], file, f"{where} chat_template")
        if "chat_template" in row
        else None
    )
    if placement == "cloud" and "{" in (template or ""):
        raise LabError(
            f"{where} chat_template: a served GGUF takes a format built into llama-cpp-python, such"
            " as 'chatml', not a file."
        )
    if ("price_date" in row) != ("price_source" in row):
        raise LabError(
            f"{where}: price_date and price_source go together; leave both out to take those of"
            " [prices]."
        )
    declared = {}
    for key in ("price_in_usd_per_mtok", "price_out_usd_per_mtok", "network_delay_s"):
        if placement == "cloud" and key not in row:
            raise LabError(
                f"{where}: missing {key!r}. An unknown price or delay is an error, never 0:"
                " declare it."
            )
        declared[key] = _price(row.get(key, 0.0), f"{where} {key}")
    limits = ("requests_per_minute", "tokens_per_minute", "max_in_flight")
    timeout = _price(row.get("timeout_s", 60.0), f"{where} timeout_s")
    if not timeout:
        raise LabError(f"{where} timeout_s must be more than 0 seconds, got {row['timeout_s']!r}.")
    named = {
        key: _text(row[key], f"{where} {key}")
        for key in ("file", "sha256", "remote_name", "price_source")
        if key in row
    }
    return Model(
        name=name,
        placement=placement,
        file=(
            (file.parent / FilePath(named["file"]).expanduser()).resolve()
            if "file" in row
            else None
        ),
        sha256=named.get("sha256"),
        base_url=_endpoint(row["base_url"], f"{where} base_url") if "base_url" in row else None,
        remote_name=named.get("remote_name", name),
        api_key_env=(
            _variable(row["api_key_env"], f"{where} api_key_env") if "api_key_env" in row else None
        ),
        context=_count(row.get("context", 2048), f"{where} context"),
        threads=_count(row.get("threads", 1), f"{where} threads"),
        price_usd_per_hour=float(prices["edge_usd_per_hour"]) if placement == "edge" else 0.0,
        price_in_usd_per_mtok=declared["price_in_usd_per_mtok"],
        price_out_usd_per_mtok=declared["price_out_usd_per_mtok"],
        network_delay_s=declared["network_delay_s"],
        **{key: _count(row[key], f"{where} {key}") for key in limits if key in row},
        timeout_s=timeout,
        gpu_layers=_count(row.get("gpu_layers", 0), f"{where} gpu_layers", -1),
        chat_template=template,
        price_date=(
            _date(row["price_date"], f"{where} price_date")
            if "price_date" in row
            else prices["date"]
        ),
        price_source=named.get("price_source", prices["source"]),
    )
