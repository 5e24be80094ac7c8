"""Outcomes on demand from real models, on the training queries of a domain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path as FilePath
from typing import Any

from ecollm_lab.domains import load_domain
from ecollm_lab.emulator.emulator import Emulator
from ecollm_lab.emulator.live import LiveRun
from ecollm_lab.emulator.measuring import Measuring, Run
from ecollm_lab.models import Model, ModelPool, default_encoder, load_catalog
from ecollm_lab.paths import PathSpace, read_path
from ecollm_lab.paths.stages import HYDE
from ecollm_lab.records import LabError
from ecollm_lab.sweeps import Progress, Store, fingerprints
from ecollm_lab.sweeps.provenance import provenance, queries_frame
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import full_id

# Of a model in a trace's provenance, with what it is when left out: what outcomes depend on.
DECISIVE = {
    key.name: key.default
    for key in fields(Model)
    if key.name
    not in {
        "name",
        "file",
        "api_key_env",
        "requests_per_minute",
        "tokens_per_minute",
        "max_in_flight",
        "timeout_s",
        "start_timeout_s",
        "thinking_tokens",
        "price_date",
        "price_source",
        "headers_env",
        "sources",
        "bytes",
        "licence",
    }
}


def measuring_domain(
    trace: Trace,
    domain: str,
    *,
    catalog_file: FilePath,
    store_file: FilePath,
    max_cost_usd: float | None = None,
    seed: int = 0,
) -> Measuring:
    """Return what measures more outcomes of a trace with real models.

    It asks training queries of the domain, on the paths of the trace. Outcomes go to the store at
    once; what the store holds already is added to the trace and not measured again.

    Parameters
    ----------
    trace
        The trace that is to grow.
    domain, catalog_file, store_file
        As in `emulate_domain`.
    max_cost_usd
        Never owe endpoints more than this many US dollars, earlier runs on this store included.
    seed
        Same seed, same questions for the same answers.

    Raises
    ------
    LabError
        If the trace is of another domain, or was measured with other models, prices or delays than
        those of the catalog: then new outcomes would not be comparable with its own.

    """
    loaded, catalog = load_domain(domain), load_catalog(catalog_file)
    space = PathSpace(tuple(read_path(full_id(path)) for path in trace.path_ids))
    models = space.models(catalog, loaded.grading.judge_model)
    queries, encoder = loaded.split("train"), default_encoder()
    about = provenance(loaded, catalog, encoder.name)
    rewrites = any(path.components[0].name == HYDE for path in space)
    _require_same(trace, about, models, ["hyde_model"] if rewrites else [])
    embeddings = encoder.encode([query.text for query in queries])
    marks = fingerprints(loaded, catalog, encoder.name, space)
    with Store(store_file) as store:
        found = store.outcomes_of(marks)
    asked = {query.id for query in queries}

    @contextmanager
    def opened(progress: Progress) -> Iterator[Run]:
        with Store(store_file) as store, ModelPool(catalog) as pool:
            pool.check(models)
            live = LiveRun(loaded, space, store, pool, max_cost_usd)
            yield live.runner(progress, None, None)

    return Measuring(
        Emulator(space, queries, embeddings, seed=seed),
        opened=opened,
        queries=queries_frame(queries),
        stored=[one for one in found if one.query_id in asked],
        about={name: about[name] for name in ("source", "machine", "versions")},
    )


def _decisive(model: dict[str, Any]) -> dict[str, Any]:
    """Return what outcomes depend on and is not at its default, as a saved trace holds it."""
    told = json.loads(json.dumps(model))
    return {
        key: told[key]
        for key, default in DECISIVE.items()
        if key in told and told[key] not in ([], {}, default)
    }


def _require_same(trace: Trace, about: dict[str, Any], models: list[str], keys: list[str]) -> None:
    """Raise a `LabError` if outcomes measured now would not be comparable with a trace's own."""
    own = trace.provenance
    if own.get("domain_digest") != about["domain_digest"]:
        raise LabError(
            f"The trace was not measured on this edition of the domain {about['domain']!r}:"
            " passages, queries or grading differ. Sweep it anew, or name its own domain."
        )
    known, now = own.get("models", {}), about["models"]
    other = [name for name in models if _decisive(known.get(name, {})) != _decisive(now[name])]
    keys = ["edge_price_usd_per_hour", "encoder", *keys]
    other += [key for key in keys if own.get(key) != about[key]]
    if other:
        raise LabError(
            f"The catalog and the trace do not agree on {', '.join(other)}: files, settings, prices"
            " or delays differ, so new outcomes would not be comparable. Give the catalog that it"
            " was measured with."
        )
