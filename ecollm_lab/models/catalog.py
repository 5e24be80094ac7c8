"""The model catalog: where each model runs, what it costs, which delay is declared for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path as FilePath
from typing import Any, Literal

from ecollm_lab.files import resolved
from ecollm_lab.models.sources import Source
from ecollm_lab.records import LabError, Placement

MAX_TOKENS = 64  # of an answer, where the catalog declares no other limit
# What a model is called, costs or is declared to take changes none of its answers.
_NO_PART_OF_ANSWERS = {
    "name",
    "file",
    "sha256",
    "api_key_env",
    "network_delay_s",
    "requests_per_minute",
    "tokens_per_minute",
    "max_in_flight",
    "timeout_s",
    "price_usd_per_hour",
    "price_in_usd_per_mtok",
    "price_out_usd_per_mtok",
    "price_date",
    "price_source",
    "sources",
    "bytes",
    "licence",
    "headers_env",
    "start_timeout_s",
    "thinking_tokens",
}
# Keys younger than the first stored calls: at their defaults they are no part either.
_ADDED_LATER = {"extra_body", "headers", "max_tokens", "omit", "system", "tokens_key"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model, as the catalog declares it.

    A model with a `file`, a GGUF, runs in this process (edge) or is served on loopback (cloud); one
    with a `base_url` is a hosted endpoint.

    Prices are declared, never measured: edge time in US dollars per hour of compute, cloud tokens
    in US dollars per million. `price_date` (ISO) and `price_source` say where they come from.
    Limits of a cloud endpoint are declared only where it has them: requests and tokens (read and
    written) per minute, calls in flight at once; `timeout_s` is the whole time one attempt at a
    call may take.

    `chat_template` is Jinja text or the name of a format built into llama-cpp-python; None = the
    one inside the GGUF. `gpu_layers` of an edge model run on the GPU; -1 = all.

    `max_tokens` limits an answer; an endpoint gets it under the name `tokens_key`, and may write,
    and bill, `thinking_tokens` more while it thinks. `system` is a message sent before each prompt.
    An endpoint is not sent the parameters in `omit`, and is sent `extra_body` and `headers` on top;
    `headers_env` names the environment variable of each header that holds a secret. A served file
    may take `start_timeout_s` to start; None = by its size.

    A model with `sources` can be fetched: its file of so many `bytes`, under this `licence`, lies
    in the user's folder for models, and the sources are tried in order.
    """

    name: str
    placement: Placement
    remote_name: str
    price_usd_per_hour: float
    price_in_usd_per_mtok: float
    price_out_usd_per_mtok: float
    network_delay_s: float
    price_date: str = ""
    price_source: str = ""
    file: FilePath | None = None
    sha256: str | None = None
    context: int = 2048
    threads: int = 1
    gpu_layers: int = 0
    chat_template: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_in_flight: int | None = None
    timeout_s: float = 60.0
    start_timeout_s: float | None = None
    max_tokens: int = MAX_TOKENS
    tokens_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    thinking_tokens: int = 0
    system: str | None = None
    omit: tuple[str, ...] = ()
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False)
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    headers_env: Mapping[str, str] = field(default_factory=dict, hash=False)
    sources: tuple[Source, ...] = ()
    bytes: int | None = None
    licence: str | None = None

    @property
    def priced_by_tokens(self) -> bool:
        """Whether a token of its answers costs anything."""
        return bool(self.price_in_usd_per_mtok or self.price_out_usd_per_mtok)

    def cost_usd(self, compute_s: float, tokens_in: int, tokens_out: int) -> float:
        """Return the cost of a generation in US dollars: of its compute time or of its tokens."""
        if self.placement == "edge":
            return compute_s * self.price_usd_per_hour / 3600
        return (
            tokens_in * self.price_in_usd_per_mtok + tokens_out * self.price_out_usd_per_mtok
        ) / 1e6

    def identity(self) -> str:
        """Return a digest of all that determines the model's answers.

        That is the sha256 of its weights, or its endpoint and its name there, and how it is run.

        Raises
        ------
        LabError
            If the file's sha256 is not declared and the file cannot be read.

        """
        names = {column.name for column in fields(self)} - _NO_PART_OF_ANSWERS - _ADDED_LATER
        parts = {name: getattr(self, name) for name in names}
        parts |= {name: value for name in _ADDED_LATER if (value := self._changed(name))}
        if self.file is not None:
            try:
                parts["weights"] = self.sha256 or self.file_sha256()
            except OSError as error:
                raise LabError(
                    f"Model {self.name!r}: cannot read {self.file} ({error.strerror}), whose sha256"
                    " tells its outcomes from those of other files. Restore it or declare its"
                    " sha256 in the catalog."
                ) from error
        declared = {name: value for name, value in parts.items() if value is not None}
        text = json.dumps(declared, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _changed(self, name: str) -> Any:
        """Return the value of a field that is not at its default, else None."""
        (column,) = (column for column in fields(self) if column.name == name)
        value = getattr(self, name)
        return None if value in (column.default, {}) else value

    def file_sha256(self) -> str:
        """Return the sha256 of the file as it lies on disk."""
        if self.file is None:
            raise LabError(f"Model {self.name!r} has no file in the catalog.")
        return sha256_of(self.file)


def sha256_of(file: FilePath) -> str:
    """Return the sha256 of a file in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Catalog:
    """Every model by name, and the hourly price of the edge device, which also runs other stages.

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


def load_catalog(file: FilePath | str) -> Catalog:
    """Load a catalog; relative model files are looked up beside it, `~` is the home folder.

    With `lab_models = true` at its top, the lab's own models are in it too, at the lab's own
    prices.

    Raises
    ------
    LabError
        If the file cannot be read or parsed, a key is unknown or holds what it must not, or a price
        or delay is missing: an unknown price is never 0. All faults of the file are listed, each
        with its key.

    """
    from ecollm_lab.models.catalog_file import read_catalog  # pydantic is imported when needed

    try:
        path = resolved(file)
    except LabError as error:
        raise LabError(
            f"Cannot read the model catalog {str(file)!r}: {error} Name one with --catalog."
        ) from error
    return read_catalog(path)
