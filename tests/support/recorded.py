"""Small tables of recorded outcomes for tests of importers."""

from pathlib import Path

import pandas as pd

DATA = Path("tests/data")
SAMPLE = {
    "query_id": "id",
    "path_id": "model",
    "quality": "score",
    "cost_usd": "usd",
    "latency_s": "seconds",
    "kind": "topic",
    "text": "prompt",
    "split": "fold",
}


def outcome(trace, query, path):
    rows = trace.outcomes
    return rows[(rows["query_id"] == query) & (rows["path_id"] == path)].iloc[0]


def write(folder, frame, name="t.csv"):
    (frame.to_parquet if name.endswith("parquet") else frame.to_csv)(folder / name, index=False)
    return folder / name


def frame(**changes):
    plain = {
        "query_id": ["a", "a", "b", "b"],
        "path_id": ["x", "y", "x", "y"],
        "quality": [1, 0.5, 0, 1],
        "text": ["t", "t", "u", "u"],
    }
    return pd.DataFrame({**plain, **changes})


def where_present(file):
    """Keep a test where a shared input is at hand; elsewhere there is no such test."""
    return (lambda test: test) if Path(file).exists() else lambda test: None
