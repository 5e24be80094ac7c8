"""The model catalog, `models.toml`: where each model runs, what it costs, what delay is declared for it."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from ecollm_lab.records import LabError, Placement, require_choice


@dataclass(frozen=True, slots=True)
class Model:
    """One model: `file` is a GGUF run in-process (edge) or served on loopback (cloud); `base_url` a hosted endpoint.

    Prices are declared, never measured: edge time in US dollars per hour of compute, cloud tokens in US dollars per million.
    Limits of a cloud endpoint are declared only where it has them: requests and tokens (read and written) per minute, calls in
    flight at once; `timeout_s` is the whole time one attempt at a call may take.
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

    def cost_usd(self, compute_s: float, tokens_in: int, tokens_out: int) -> float:
        """Cost of a generation in US dollars, from its compute time (edge) or tokens (cloud)."""
        if self.placement == "edge":
            return compute_s * self.price_usd_per_hour / 3600
        return (tokens_in * self.price_in_usd_per_mtok + tokens_out * self.price_out_usd_per_mtok) / 1e6


@dataclass(frozen=True)
class Catalog:
    """Every model by name, the hourly price of the edge device for the stages before generation, and the table's date."""

    models: dict[str, Model]
    edge_price_usd_per_hour: float
    date: str
    source: str
    digest: str

    def __getitem__(self, name: str) -> Model:
        if name not in self.models:
            raise LabError(f"Unknown model {name!r}; the catalog has: {', '.join(self.models)}.")
        return self.models[name]


KEYS = {
    "edge": {"placement", "file", "sha256", "context", "threads"},
    "cloud": {
        "placement",
        "file",
        "sha256",
        "context",
        "threads",
        "base_url",
        "remote_name",
        "api_key_env",
        "price_in_usd_per_mtok",
        "price_out_usd_per_mtok",
        "network_delay_s",
        "requests_per_minute",
        "tokens_per_minute",
        "max_in_flight",
        "timeout_s",
    },
}


def load_catalog(file: FilePath | str) -> Catalog:
    """Load a catalog; relative model files are looked up beside it.

    Raises
    ------
    LabError
        If the file cannot be read or parsed, a key is unknown, or a price or delay is missing: an unknown price is never 0.

    """
    file = FilePath(file)
    try:
        data = file.read_bytes()
        table = tomllib.loads(data.decode())
    except OSError as error:
        raise LabError(f"Cannot read the model catalog {file}: {error.strerror}. Name one with --catalog.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"The model catalog {file} is not valid TOML: {error}.") from error
    prices = table.get("prices", {})
    for key in ("date", "source", "edge_usd_per_hour"):
        if key not in prices:
            raise LabError(f"{file}: [prices] lacks {key!r}; prices are declared with a date and a source, and none is assumed.")
    edge_price = _price(prices["edge_usd_per_hour"], f"{file}: [prices] edge_usd_per_hour")
    rows = table.get("models") or {}
    if not rows:
        raise LabError(f"{file}: no [models.NAME] table; declare at least one model.")
    models = {name: _model(name, row, file, edge_price) for name, row in rows.items()}
    return Catalog(models, edge_price, str(prices["date"]), str(prices["source"]), hashlib.sha256(data).hexdigest()[:16])


def _price(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise LabError(f"{what} must be a number of US dollars or seconds >= 0, got {value!r}.")
    return float(value)


def _count(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise LabError(f"{what} must be a whole number >= 1, got {value!r}.")
    return value


def _model(name: str, row: dict[str, Any], file: FilePath, edge_price: float) -> Model:
    where = f"{file}: [models.{name}]"
    if "/" in name:
        raise LabError(f"{where}: a model name must not contain '/', which separates the stages of a path id.")
    require_choice(f"{where} placement", row.get("placement"), ("edge", "cloud"))
    placement: Placement = row["placement"]
    for key in row:
        require_choice(f"{where} key", key, sorted(KEYS[placement]))
    if ("file" in row) == ("base_url" in row):
        raise LabError(f"{where}: give either 'file' (a GGUF) or, for a cloud model, 'base_url', not both or neither.")
    declared = {}
    for key in ("price_in_usd_per_mtok", "price_out_usd_per_mtok", "network_delay_s"):
        if placement == "cloud" and key not in row:
            raise LabError(f"{where}: missing {key!r}. An unknown price or delay is an error, never 0: declare it.")
        declared[key] = _price(row.get(key, 0.0), f"{where} {key}")
    limits = ("requests_per_minute", "tokens_per_minute", "max_in_flight")
    timeout = _price(row.get("timeout_s", 60.0), f"{where} timeout_s")
    if not timeout:
        raise LabError(f"{where} timeout_s must be more than 0 seconds, got {row['timeout_s']!r}.")
    return Model(
        name=name,
        placement=placement,
        file=(file.parent / row["file"]).resolve() if "file" in row else None,
        sha256=row.get("sha256"),
        base_url=row.get("base_url"),
        remote_name=row.get("remote_name", name),
        api_key_env=row.get("api_key_env"),
        context=_count(row.get("context", 2048), f"{where} context"),
        threads=_count(row.get("threads", 1), f"{where} threads"),
        price_usd_per_hour=edge_price if placement == "edge" else 0.0,
        price_in_usd_per_mtok=declared["price_in_usd_per_mtok"],
        price_out_usd_per_mtok=declared["price_out_usd_per_mtok"],
        network_delay_s=declared["network_delay_s"],
        **{key: _count(row[key], f"{where} {key}") for key in limits if key in row},
        timeout_s=timeout,
    )
