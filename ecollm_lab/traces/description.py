"""What a trace's file says of itself: the queries and the provenance in its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import pandas as pd
import pyarrow as pa

from ecollm_lab.files import parse_json
from ecollm_lab.records import LabError, require_choice

_METADATA = b"ecollm_lab"


def checked_provenance(provenance: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a copy of a provenance, "recorded" if there is none; raise for another source."""
    checked = dict(provenance or {"source": "recorded"})
    require_choice("provenance source", checked.get("source"), ("measured", "recorded"))
    return checked


def metadata_of(
    queries: pd.DataFrame, provenance: Mapping[str, Any], file: FilePath | str
) -> dict[bytes, bytes]:
    """Return the metadata of a trace's file; raise a `LabError` for what JSON cannot hold."""
    about = {"provenance": provenance, "queries": queries.to_dict("records")}
    try:
        return {_METADATA: json.dumps(about).encode()}
    except (TypeError, ValueError, RecursionError) as error:
        raise LabError(
            f"Cannot write the trace {file}: its queries or its provenance do not fit into JSON:"
            f" {error}. Give texts, Python's own numbers, lists and dicts of them."
        ) from error


def described(
    schema: pa.Schema, file: FilePath | str
) -> tuple[pd.DataFrame | None, dict[str, Any] | None]:
    """Return the queries and the provenance in the metadata of a trace's file."""
    raw = (schema.metadata or {}).get(_METADATA)
    if not raw:
        return None, None
    try:
        meta = parse_json(raw.decode(), f"{file}: its description")
        queries = pd.DataFrame(meta["queries"]) if meta.get("queries") else None
        provenance = meta.get("provenance")
        if provenance is not None and not isinstance(provenance, dict):
            raise ValueError("the provenance is no table")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LabError(
            f"Cannot read the trace {file}: its description is damaged ({error}). Import or"
            " measure it again."
        ) from error
    return queries, provenance
