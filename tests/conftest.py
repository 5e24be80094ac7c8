import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest

from ecollm_lab.models import load_catalog
from ecollm_lab.records import Passage, Query
from ecollm_lab.traces import Trace

ROOT = Path(__file__).parent.parent
MODELS = list(
    load_catalog(ROOT / "tests/data/models.toml").models
)  # the edge models by size, then the one that plays the cloud
SMALL, MEDIUM, LARGE = MODELS[0], MODELS[len(MODELS) // 2], MODELS[-1]


@pytest.fixture(autouse=True)
def _at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def domain():
    from ecollm_lab.domains import Domain

    passages = (
        Passage(
            "p1",
            "Halo bulb: specifications",
            "manual",
            "The weight of the Halo bulb is 90 grams. The warranty of the Halo bulb is 2 years.",
        ),
        Passage(
            "p2",
            "Lumo lamp: specifications",
            "manual",
            "The weight of the Lumo lamp is 250 grams. The noise level of the Lumo lamp is 20"
            " decibels.",
        ),
        Passage("p3", "Household notes: Mia", "notes", "The wake-up alarm for Mia is 6:45."),
    )
    queries = (
        Query(
            "q1",
            "how heavy is the Halo bulb?",
            "lookup",
            ("The weight of the Halo bulb is 90 grams.",),
            ("90 grams",),
            ("p1",),
            "train",
        ),
        Query(
            "q2",
            "what time is the wake-up for Mia?",
            "personal",
            ("The wake-up alarm for Mia is 6:45.",),
            ("6:45",),
            ("p3",),
            "heldout",
        ),
    )
    return Domain("tiny", passages, queries)


class LetterEncoder:
    """Counts letters: deterministic, instant, and similar texts are near each other."""

    name = "letters"

    def __init__(self):
        self.texts = 0

    def encode(self, texts):
        self.texts += len(texts)
        rows = np.array(
            [[t.lower().count(c) + 0.01 for c in "abcdefghijklmnopqrstuvwxyz"] for t in texts],
            dtype=np.float32,
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def encoder():
    return LetterEncoder()


def make_trace(quality, cost, latency, *, split="train", models=(SMALL, LARGE)):
    """A trace from (queries, paths) arrays; path j runs on model j % len(models)."""
    quality = np.asarray(quality, dtype=float)
    n, p = quality.shape
    cost, latency = np.broadcast_to(cost, (n, p)), np.broadcast_to(latency, (n, p))
    paths = [f"none/bm25-{j + 1}/none/{models[j % len(models)]}" for j in range(p)]
    rows = [
        {
            "query_id": f"q{i}",
            "path_id": paths[j],
            "quality": quality[i, j],
            "cost_usd": cost[i, j],
            "latency_s": latency[i, j],
        }
        for i in range(n)
        for j in range(p)
    ]
    queries = pd.DataFrame(
        {
            "query_id": [f"q{i}" for i in range(n)],
            "text": [f"text {i}" for i in range(n)],
            "kind": "lookup",
            "split": split,
        }
    )
    provenance = {
        "source": "recorded",
        "models": {SMALL: {"placement": "edge"}, LARGE: {"placement": "cloud"}},
    }
    return Trace.from_frame(pd.DataFrame(rows), queries, provenance)


@pytest.fixture(scope="session")
def measured():
    """The committed exhaustive trace of the smart home."""
    return Trace.load(ROOT / "data/benchmarks/pocket_smart_home.parquet")


def thinned(trace, n_queries, n_paths):
    """Return a part of a trace, some more than so many queries and paths evenly from the whole,
    each pipeline with all its models.
    """
    queries = np.zeros(len(trace.query_ids), dtype=bool)
    queries[:: max(1, len(queries) // n_queries)] = True
    pipelines = list(dict.fromkeys(path.rpartition("/")[0] for path in trace.path_ids))
    kept = pipelines[:: max(1, len(trace.path_ids) // n_paths)]
    part = trace.where(queries)
    inside = part.outcomes["path_id"].str.rpartition("/")[0].isin(kept)
    return replace(part, outcomes=part.outcomes[inside].reset_index(drop=True))
