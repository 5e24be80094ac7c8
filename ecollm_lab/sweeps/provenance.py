"""Where a measured trace comes from."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path as FilePath
from typing import Any

import pandas as pd

from ecollm_lab.domains import Domain
from ecollm_lab.models import Catalog
from ecollm_lab.records import Query

ROOT = FilePath(__file__).resolve().parents[2]  # the folder of the package: its repository, if any


def queries_frame(
    queries: Sequence[Query], evidence: Sequence[Mapping[str, float | str]] = ()
) -> pd.DataFrame:
    """Return the queries table of a trace.

    Its columns are query_id, text, kind, split and reference; wording, where queries differ in it;
    and, where it is given, what retrieval says of each query: see `paths.compute_evidence`.
    """
    differ = len({query.wording for query in queries}) > 1
    found = evidence or [{}] * len(queries)
    return pd.DataFrame(
        [
            {
                "query_id": q.id,
                "text": q.text,
                "kind": q.kind,
                "split": q.split,
                **({"wording": q.wording} if differ else {}),
                "reference": q.references[0],
                **row,
            }
            for q, row in zip(queries, found, strict=True)
        ]
    )


def provenance(domain: Domain, catalog: Catalog, encoder_name: str) -> dict[str, Any]:
    """Say where a measured trace comes from.

    That is domain and characteristics, models, declared prices and delays, versions, machine,
    revision and date.
    """
    models = {
        name: {
            key: value
            for key, value in asdict(model).items()
            if key not in ("name", "file") and value is not None
        }
        for name, model in catalog.models.items()
    }
    return {
        "source": "measured",
        "domain": domain.name,
        "domain_digest": domain.digest,
        "grading": domain.grading.slug,
        "characteristics": dict(domain.characteristics),
        "measured_at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "encoder": encoder_name,
        "models": models,
        "hyde_model": catalog.hyde_model,
        "price_date": catalog.date,
        "price_source": catalog.source,
        "edge_price_usd_per_hour": catalog.edge_price_usd_per_hour,
        "seed": 0,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {
            "python": platform.python_version(),
            **{
                name: _version(name)
                for name in (
                    "ecollm_lab",
                    "llama_cpp_python",
                    "openai",
                    "sentence-transformers",
                    "bm25s",
                )
            },
        },
        "git_revision": git_revision(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def git_revision() -> str:
    """Return the lab's checked-out revision, or "unknown" outside a checkout.

    "+" is appended if its tree has uncommitted changes. A repository further up, such as the one of
    a project that the lab is installed for, is not the lab's.
    """
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": str(ROOT.parent)},
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
