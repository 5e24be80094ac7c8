"""The command that runs the study."""

import json
import re
from pathlib import Path

import numpy as np

from ecollm_lab.models import load_catalog
from ecollm_lab.records import DATA
from ecollm_lab.traces import Trace
from tests.support.commands import call


def test_the_study_writes_the_promised_summary(tmp_path, monkeypatch):
    monkeypatch.setenv("ECOLLM_MODELS", str(tmp_path))  # a machine without the models
    (traces := tmp_path / "traces").mkdir()
    n_whole = {}
    for name in ("smart_home", "automotive"):  # a third of the queries; the whole takes minutes
        trace = Trace.load(f"data/traces/{name}.parquet")
        part = trace.where(np.arange(len(trace.queries)) % 3 == 0)
        last = np.flatnonzero(part.outcomes["query_id"] == part.query_ids[-1])
        measured = np.delete(np.arange(len(part.outcomes)), last[3:])  # on three paths alone
        outcomes = part.outcomes.iloc[measured]
        Trace(outcomes, part.queries, part.provenance).save(traces / f"{name}.parquet")
        n_whole[name] = len(part.query_ids) - 1
    text = call("study", "--traces", traces, "--figures", tmp_path / "f", code=0)
    summary = json.loads((tmp_path / "f/summary.json").read_text())["domains"]
    for name in ("smart_home", "automotive"):
        one = summary[name]
        assert one["source"] == "measured"
        assert one["n_queries"] == n_whole[name]
        assert one["n_passages"] >= 110
        assert one["n_domain"] >= 320
        assert one["n_paths"] >= 36
        assert one["n_clusters"] >= 1
        assert one["live_check"] is None
        assert one["models_not_here"] == list(load_catalog("data/models.toml").models)
        assert {"oracle", "best_single", "cloud_only", "ours"} <= set(one["seen"])
        for prefer in ("prefer_cost", "prefer_latency", "prefer_quality"):
            row = one["heldout"][prefer]["ours"]
            assert {
                "quality",
                "cost_usd",
                "latency_s",
                "latency_p95_s",
                "slo_violation_rate",
                "regret",
            } <= set(row)
            assert one["heldout"][prefer]["oracle"]["regret"] == 0
            every, some = (one[part][prefer]["ours"] for part in ("every_query", "heldout"))
            widths = [row["quality_high"] - row["quality_low"] for row in (every, some)]
            assert widths[0] < widths[1]  # all queries say more than the held-out ones
        assert name in text
    assert text.count("not here; ecollm-lab models fetch brings them") == 2
    drawn = {f.name for f in (tmp_path / "f").iterdir()}
    named = re.findall(r"^\| `(\w+)` \|", Path("docs/figures.md").read_text(), re.MULTILINE)
    assert {
        f"{domain}_{name}.html" for domain in ("smart_home", "automotive") for name in named
    } <= drawn
    assert {"emulator_slo_loss.html", "index.html", "summary.json"} <= drawn
    assert len(drawn) == 2 * len(named) + 6
    assert '"showSendToCloud": false' in (tmp_path / "f/smart_home_front.html").read_text()


def test_the_study_says_how_to_measure_a_trace_of_another_edition_again(tmp_path):
    trace, file = Trace.load("data/traces/smart_home.parquet"), tmp_path / "smart_home.parquet"
    part = trace.where(np.arange(len(trace.queries)) < 3)
    Trace(part.outcomes, part.queries, {**part.provenance, "domain_digest": "old"}).save(file)
    said = call("study", "--traces", tmp_path, "--figures", tmp_path / "f", code=1)
    words = f"--domain smart_home --space {DATA / 'space.toml'} --out {file}"
    assert f"run: ecollm-lab sweep {words}" in said


def test_the_study_refuses_an_unwritable_place_and_missing_traces(tmp_path):
    (tmp_path / "taken").write_text("")
    assert "Cannot create" in call("study", "--figures", tmp_path / "taken", code=1)
    assert "Cannot read the trace" in call(
        "study", "--traces", tmp_path, "--figures", tmp_path / "f", code=1
    )
