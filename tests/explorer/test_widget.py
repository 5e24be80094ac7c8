"""The explorer as code uses it: state, steps, selection, exports, what the screen asks for; no
browser.
"""

import json
import re
import tomllib

import numpy as np
import pandas as pd
import pytest

from ecollm_lab import explore, fit_policy
from ecollm_lab.explorer import answering, answers, exports
from ecollm_lab.explorer.views import Board
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace
from tests.conftest import SMALL, make_trace
from tests.explorer.support import needs_node, node, some, without


@pytest.fixture(scope="module")
def explorer(measured):
    return explore(measured)


@pytest.fixture(autouse=True)
def _from_the_start(request):
    if "explorer" in request.fixturenames:
        request.getfixturevalue("explorer").reset()


def test_it_starts_at_short_limits_that_most_of_the_front_keeps(explorer, measured):
    slo, front = explorer.slo, explorer.frame[explorer.frame["on_front"]]
    for name, limit in (("latency_s", slo.max_latency_s), ("cost_usd", slo.max_cost_usd)):
        assert 0.75 <= (front[name] <= limit).mean() < 1
    assert len(f"{slo.max_latency_s:.6g}") <= 7
    assert explorer.chosen in measured.path_ids


def test_limits_are_kept_to_the_last_bit(explorer):
    slo = SLO(0.0512345678901, 3.3e-7, 0.41, "latency")
    explorer.apply(slo)
    assert explorer.slo == slo
    explorer.apply(SLO())
    assert explorer.slo == SLO()
    assert (explorer.selection["quality"] <= explorer.frame["quality"].max()).all()


def test_undo_redo_and_start_name_their_steps(explorer):
    start = explorer.state
    explorer.apply(SLO(0.02))
    explorer.apply(SLO(0.05, prefer="cost"))
    explorer.state = {**explorer.state, "tab": "journey"}
    last = explorer.state
    assert [name for name, _ in explorer.journey["steps"]][-1] == "latency ≤ 50 ms"
    explorer.undo()
    assert explorer.slo == SLO(0.02)
    explorer.undo()
    assert {**explorer.state, "tab": "paths"} == start
    for _ in range(5):
        explorer.redo()
    assert explorer.state == last
    explorer.reset()
    assert {**explorer.state, "tab": "paths"} == start  # where one looks stays
    explorer.undo()
    assert explorer.slo == SLO(0.05, prefer="cost")


def test_a_state_is_small_json_and_restores_exactly(explorer, measured):
    explorer.apply(SLO(0.0512345678901, 3.3e-7, 0.41, "latency"))
    explorer.state = {**explorer.state, "statistic": "p95", "split": "heldout", "kind": "lookup"}
    explorer.state = {**explorer.state, "dropped": {"0": ["hyde"]}, "show": ["beyond"]}
    explorer.select(measured.path_ids[9])
    explorer.pin()
    text = json.dumps(explorer.state)
    assert len(text) < 900
    again = explore(measured, state=json.loads(text))
    assert again.forgotten == []
    assert again.state == explorer.state
    assert (again.slo, again.chosen) == (explorer.slo, explorer.chosen)
    assert again.selection.equals(explorer.selection)
    assert not again.selection["path_id"].str.startswith("hyde/").any()
    again.undo()
    assert again.slo != explorer.slo  # the step before a restored state is the start


def test_what_of_a_state_no_longer_fits_is_named(measured):
    known = measured.path_ids[9]
    state = {
        "selected": "gone/path",
        "pins": ["gone/too", known],
        "kind": "song",
        "dropped": {"9": ["hyde"], "0": ["hyde", "no-such"]},
        "prefer": "cost",
        "tab": "measure",
    }
    explorer = explore(measured, state=state)
    said = "; ".join(explorer.forgotten)
    lost = ("gone/path", "gone/too", "kind 'song'", "stage 9", "'no-such' dropped at stage 0")
    for part in (*lost, "tab 'measure'"):
        assert part in said
    assert (explorer.state["dropped"], explorer.state["tab"]) == ({"0": ["hyde"]}, "paths")
    assert (explorer.state["pins"], explorer.state["selected"]) == ([known], None)
    assert explorer.slo.prefer == "cost"
    with pytest.raises(LabError, match="volume"):
        explore(measured, state={"volume": 1})
    with pytest.raises(LabError, match="max_latency_s"):
        explorer.state = {"max_latency_s": -1}
    for value, how in ((measured.outcomes, "from_frame"), ("t.parquet", "load")):
        with pytest.raises(LabError, match=rf"trace must be a Trace.*Trace\.{how}"):
            explore(value)


def test_up_to_three_pins_of_four_the_oldest_goes(explorer, measured):
    ids = measured.path_ids[:4]
    for path in ids:
        explorer.pin(path)
    assert explorer.state["pins"] == ids[1:]
    explorer.pin(ids[2])
    assert explorer.state["pins"] == [ids[1], ids[3]]
    with pytest.raises(LabError, match="no path 'x'"):
        explorer.pin("x")
    explorer.apply(SLO(1e-9))
    with pytest.raises(LabError, match="nothing to pin"):
        explorer.pin()


def test_the_selection_leaves_as_frame_code_csv_and_toml(explorer, measured, tmp_path):
    explorer.apply(SLO(0.05, 3.3e-7, prefer="cost"))
    frame = explorer.frame
    kept = frame[(frame["latency_s"] <= 0.05) & (frame["cost_usd"] <= 3.3e-7)]
    assert set(explorer.selection["path_id"]) == set(kept["path_id"])
    chosen = explorer.selection.loc[explorer.selection["chosen"], "path_id"]
    assert chosen.tolist() == [explorer.chosen]
    exec(compile(explorer.code, "copied", "exec"), {"trace": measured})
    read = pd.read_csv(explorer.to_csv(tmp_path / "a.csv"))
    assert read["path_id"].tolist() == explorer.selection["path_id"].tolist()
    toml = tomllib.loads(explorer.to_toml(tmp_path / "a.toml").read_text())
    assert SLO(**toml["slo"]) == explorer.slo
    assert toml["choice"]["path_id"] == explorer.chosen
    assert toml["choice"]["quality"] == chosen_row(explorer)["quality"]
    assert toml["provenance"]["domain"] == "pocket_smart_home"
    with pytest.raises(LabError, match="Cannot write"):
        explorer.to_csv("/dev/null/a.csv")
    explorer.apply(SLO(1e-9))
    with pytest.raises(LabError, match="nothing to serve"):
        explorer.to_toml(tmp_path / "b.toml")


def test_the_screen_is_sent_a_file_or_why_there_is_none(explorer, monkeypatch):
    sent = []
    monkeypatch.setattr(explorer, "send", sent.append)
    explorer.apply(SLO(1e-9))
    for what in ("toml#1", "code#2"):
        explorer._hear({"file": what})
    assert (sent[0]["file"], sent[1]["file"]) == ("toml#1", "code#2")
    assert "nothing to serve" in sent[0]["error"]
    assert "text" not in sent[0]
    assert sent[1]["text"] == explorer.code


def chosen_row(explorer):
    return explorer.frame.set_index("path_id").loc[explorer.chosen]


def test_the_stored_output_has_picture_table_and_source(explorer, measured):
    bundle = explorer._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    page = data["text/html"]
    assert "<svg" in page
    assert "<script" not in page
    assert explorer.chosen in page
    assert measured.source_line in page
    front = explorer.frame[explorer.frame["on_front"]]["path_id"]
    assert all(path in page for path in front)
    explorer.apply(SLO(1e-9))
    assert "Infeasible" in explorer.fallback()


# --- what the screen asks for


def test_queries_behind_a_path_come_with_worst_regret_first(explorer, measured):
    path = measured.path_ids[3]
    explorer._answer(f"queries|{path}|all|all|all")
    found = explorer.answers[f"queries|{path}|all|all|all"]
    quality = measured.array("quality")
    regret = quality.max(axis=1) - quality[:, 3]
    assert found["total"] == len(measured.query_ids)
    assert [one["regret"] for one in found["rows"]] == sorted(regret, reverse=True)[:60]
    first = found["rows"][0]
    row = measured.queries.set_index("query_id").loc[first["id"]]
    assert (first["text"], first["kind"]) == (row["text"], row["kind"])
    assert {"rewrite", "retrieve", "refine", "generate"} <= set(first["stages"])
    assert json.dumps(explorer.answers, allow_nan=False)


def test_queries_of_a_partial_path_are_those_it_has():
    trace = without(some(30, 3), [(q, 1) for q in range(10)])
    board = Board(trace)
    partial = int(board.view().n.argmin())
    rows, regret = answers.behind(board, board.view(), partial)
    assert sorted(rows) == list(range(10, 30))  # the last 20 of 30
    assert (np.diff(regret) <= 0).all()


def test_other_queries_are_computed_when_asked_for_and_kept(explorer):
    explorer._answer("view|heldout|lookup|all")
    assert "heldout|lookup|all" in explorer.views
    assert (
        explorer.views["heldout|lookup|all"]["queries"] < explorer.views["all|all|all"]["queries"]
    )
    explorer._answer("view|heldout|song|all")
    assert "kind must be one of" in explorer.answers["view|heldout|song|all"]["error"]


@needs_node
def test_a_name_with_the_sign_between_names_is_found():
    trace = some(30, 3)
    trace.queries["kind"] = ["yes|no", "5 %"] * 15
    explorer = explore(trace)
    states = [{"split": "all", "kind": kind, "cluster": "all"} for kind in ("yes|no", "5 %")]
    for key in node([["keyOf", state] for state in states]):
        explorer._answer(f"view|{key}")
        assert explorer.views[key]["queries"] == 15
        explorer._answer(f"queries|{trace.path_ids[0]}|{key}")
        assert explorer.answers[f"queries|{trace.path_ids[0]}|{key}"]["total"] == 15
    explorer.state = {**explorer.state, "kind": "yes|no"}
    assert '"all|yes%7Cno|all"' in exports.html(explorer)


def test_of_large_tables_only_all_queries_and_the_newest_are_kept(measured, monkeypatch):
    explorer = explore(measured)
    monkeypatch.setattr(answering, "MOST_BYTES", 1)
    for split in ("train", "heldout"):
        explorer._answer(f"view|{split}|all|all")
    assert list(explorer.views) == ["all|all|all", "heldout|all|all"]


def test_a_policy_is_replayed_on_held_out_queries_beside_the_oracle(measured):
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((len(measured.query_ids), 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    train = (measured.queries["split"] == "train").to_numpy()
    policy = fit_policy(measured.split("train"), "cluster", embeddings=embeddings[train])
    explorer = explore(measured, policy, embeddings=embeddings)
    slo = json.dumps(
        {"max_latency_s": 0.05, "max_cost_usd": None, "min_quality": None, "prefer": "quality"}
    )
    explorer._answer(f"replay|{slo}|all|all|all")
    found = explorer.answers[f"replay|{slo}|all|all|all"]
    assert f"{(~train).sum()} held-out queries" in found["what"]
    rows = {row["name"]: row for row in found["rows"]}
    assert (
        rows["all"]["n"]
        == (~train).sum()
        == sum(row["n"] for name, row in rows.items() if not name.startswith("all"))
    )
    assert rows["all"]["quality"] <= rows["all, by oracle"]["quality"]
    assert {"all, by best single path", "all, by cloud only", "all, by router"} <= set(rows)
    assert len(explorer.board.choices["cluster"]) > 1


# --- traces that lack something


def test_one_path_is_enough():
    explorer = explore(make_trace([[1.0], [0.0]], 1e-6, 0.1))
    assert explorer.chosen == f"none/bm25-1/none/{SMALL}"


@pytest.mark.parametrize("column", ["latency_s", "cost_usd", "quality"])
def test_a_column_that_was_not_recorded_breaks_nothing(column, tmp_path):
    trace = some(30, 5)
    outcomes = trace.outcomes.assign(**{column: np.nan})
    explorer = explore(Trace.from_frame(outcomes, trace.queries, trace.provenance))
    assert (explorer.chosen is None) == (column == "quality")
    assert json.dumps(explorer.state, allow_nan=False)
    assert explorer.to_html(tmp_path / "page.html").stat().st_size > 1_000_000
    assert not re.search(r"\bnan\b", explorer.fallback())


def test_the_page_is_one_offline_file_and_hostile_text_does_not_run_in_it(tmp_path):
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    trace = some(30, 4)
    trace.queries["text"] = trace.queries["kind"] = hostile
    provenance = {"source": "recorded", "domain": hostile}
    page = explore(Trace.from_frame(trace.outcomes, trace.queries, provenance))
    text = page.to_html(tmp_path / "page.html").read_text()
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", text)
    assert text.count("<script") == 2
    assert '"showSendToCloud": false' in text
