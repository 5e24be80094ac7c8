"""Components, table and snapshots of the screen, without a browser; run in Node."""

import ast
import csv
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ecollm_lab import explore
from ecollm_lab.explorer import states
from ecollm_lab.explorer.decision import decide
from ecollm_lab.explorer.views import OTHER_COLUMNS, USUAL_COLUMNS, Board
from ecollm_lab.files import csv_text
from ecollm_lab.records import SLO
from ecollm_lab.traces import Trace
from tests.conftest import make_trace
from tests.explorer.support import as_json, needs_node, node, noisy, problem_of, without
from tests.explorer.test_decision import random_slo

IDS = ["hyde/bm25-1/none/m", "none/bm25-1/none/m", "none/none/none/m"]


def three_paths(n=40):
    """The first is the best and dearest, the second costs and takes half, the third a quarter."""
    quality = np.tile([0.9, 0.6, 0.1], (n, 1))
    trace = make_trace(quality, [[4e-6, 2e-6, 1e-6]], [[0.4, 0.2, 0.1]])
    names = dict(zip(trace.path_ids, IDS, strict=True))
    outcomes = trace.outcomes.assign(path_id=trace.outcomes["path_id"].astype(str).map(names))
    return Trace.from_frame(outcomes, trace.queries, trace.provenance)


def dropping(trace, slo, dropped):
    view = Board(trace).view()
    problem = problem_of(view, dropped=dropped)
    call = ["dropping", {"problem": 0}, as_json(slo), {"decide": [{"problem": 0}, as_json(slo)]}]
    return node([call], [problem])[0]


@needs_node
@pytest.mark.parametrize(
    ("slo", "dropped", "said"),
    [
        (SLO(), {}, ""),
        (
            SLO(),
            {"0": ["hyde"]},
            "Without hyde (stage 0) hyde/bm25-1/none/m no longer wins; against it: quality −0.300;"
            " cost −50 %; latency −50 %.",
        ),
        (SLO(0.3), {"0": ["hyde"]}, "Without hyde (stage 0): the same path wins as with it."),
        (
            SLO(min_quality=0.5),
            {"1": ["bm25-1"]},
            "Without bm25-1 (stage 1) no path is left; with it hyde/bm25-1/none/m would win.",
        ),
        (
            SLO(),
            {"0": ["hyde"], "1": ["bm25-1"]},
            "Without hyde (stage 0) and bm25-1 (stage 1) hyde/bm25-1/none/m no longer wins; against"
            " it: quality −0.800; cost −75 %; latency −75 %.",
        ),
    ],
)
def test_what_dropped_components_cost_is_said_in_a_sentence(slo, dropped, said):
    assert dropping(three_paths(), slo, dropped) == said


@needs_node
def test_insisting_names_the_other_stages_at_which_the_path_differs():
    script = """((p, slo) => { const decision = decide(p, slo);
      return componentsOf(p, slo, decision).flatMap(({ stage, list }) =>
        list.map((one) => [stage, one.slug, insisting(p, decision, stage, one)])); })"""
    problem = problem_of(Board(three_paths()).view())
    found = node([[script, {"problem": 0}, as_json(SLO())]], [problem])[0]
    assert {(stage, slug): said for stage, slug, said in found} == {
        (0, "hyde"): "the winner has it",
        (0, "none"): "quality −0.300; cost −50 %; latency −50 %",
        (1, "bm25-1"): "the winner has it",
        (1, "none"): "quality −0.800; cost −75 %; latency −75 %; that path also has none (stage 0)",
    }


@needs_node
def test_the_mean_of_a_group_of_paths_has_the_interval_of_the_resampled_means():
    rng = np.random.default_rng(0)
    view = Board(make_trace(rng.random((60, 6)), 1e-6, 0.1)).view()
    paths = [0, 2, 5]
    found = node([["meanOver", {"problem": 0}, paths]], [problem_of(view)])[0]
    drawn = np.sort(view.replicates[:, paths].mean(axis=1) / 32767)
    mean = view.quality[paths].mean()
    assert found["mean"] == pytest.approx(mean)
    assert found["low"] == pytest.approx(mean + drawn[5] - drawn.mean())
    assert found["high"] == pytest.approx(mean + drawn[194] - drawn.mean())
    assert node([["meanOver", {"problem": 0}, []]], [problem_of(view)])[0]["mean"] is None


@needs_node
def test_one_missing_outcome_does_not_make_the_interval_of_a_component_narrower():
    trace = noisy([0.5, 0.52, 0.3], n=400)
    views = [Board(one).view() for one in (trace, without(trace, [(5, 0)]))]
    calls = [["meanOver", {"problem": k}, [0, 1]] for k in range(2)]
    whole, partial = node(calls, [problem_of(view) for view in views])
    width = [one["high"] - one["low"] for one in (whole, partial)]
    assert width[1] == pytest.approx(width[0], rel=0.05)


@needs_node
@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ((0.0, 0.0), (3e-6, 0.2), "cost +0.003 USD per 1,000 queries; latency +200 ms"),
        ((3e-6, 0.2), (0.0, 0.0), "cost −0.003 USD per 1,000 queries; latency −200 ms"),
        ((1e-6, 0.1), (2e-6, 0.1), "cost × 2"),
        ((np.nan, 0.1), (2e-6, np.nan), ""),
    ],
)
def test_a_change_from_or_to_what_is_free_is_said(start, end, said):
    (cost, latency), (dearer, slower) = start, end
    trace = make_trace([[1.0, 0.0]] * 30, [[cost, dearer]], [[latency, slower]])
    told = node([["trade", {"problem": 0}, 0, 1]], [problem_of(Board(trace).view())])[0]
    assert told == "; ".join(filter(None, ["quality −1.000", said]))


@needs_node
def test_the_table_leaves_as_csv_with_the_rows_and_columns_that_are_shown():
    view = Board(three_paths()).view()
    order = {"sort": "mean latency", "down": False, "search": "bm25"}
    columns = ["mean latency", "p95 USD per 1,000", "stage 0", "state"]
    text = node([["tableCsv", {"problem": 0}, order, columns]], [problem_of(view)])[0]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["path"] for row in rows] == [IDS[1], IDS[0]]
    assert [float(row["mean latency (s)"]) for row in rows] == [0.2, 0.4]
    assert [float(row["p95 USD per 1,000"]) for row in rows] == pytest.approx([0.002, 0.004])
    assert [row["stage 0"] for row in rows] == ["none", "hyde"]
    assert {row["state"] for row in rows} == {"on the front"}


@needs_node
@pytest.mark.parametrize("statistic", ["mean", "p95"])
def test_the_feasible_paths_are_the_same_csv_with_and_without_a_kernel(measured, statistic):
    explorer = explore(measured)
    explorer.apply(SLO(0.05, 3e-7, prefer="cost"))
    explorer.state = {**explorer.state, "statistic": statistic}
    slo = as_json(explorer.slo)
    call = ["selectionCsv", {"problem": 0}, {"decide": [{"problem": 0}, slo]}]
    text = node([call], [problem_of(explorer.view, statistic)])[0]
    own, other = (pd.read_csv(io.StringIO(one)) for one in (csv_text(explorer.selection), text))
    assert own["chosen"].sum() == 1
    pd.testing.assert_frame_equal(other, own, rtol=1e-6)  # ends of intervals have single precision


@needs_node
def test_no_cell_of_the_csv_is_a_formula_as_in_python():
    names = ['=HYPERLINK("x")', "a\rb", "-1"]
    view = replace(Board(three_paths()).view(), path_ids=names)
    order = {"sort": "quality", "down": True, "search": ""}
    text = node([["tableCsv", {"problem": 0}, order, ["quality"]]], [problem_of(view)])[0]
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    python = list(csv.DictReader(io.StringIO(csv_text(pd.DataFrame({"path": names})), newline="")))
    assert [row["path"] for row in rows] == [row["path"] for row in python]
    assert rows[0]["path"].startswith("'=")
    assert float(rows[0]["quality"]) == pytest.approx(0.9)


@needs_node
def test_every_column_sorts_the_table():
    view = Board(three_paths()).view()
    columns = ["path", *USUAL_COLUMNS, *OTHER_COLUMNS, "stage 0"]
    orders = [{"sort": name, "down": False, "search": ""} for name in columns]
    found = node([["tableRows", {"problem": 0}, order] for order in orders], [problem_of(view)])
    of = dict(zip(columns, found, strict=True))
    assert of["quality"] == of["USD per 1,000"] == of["p95 latency"] == [2, 1, 0]
    assert of["path"] == of["stage 0"] == [0, 1, 2]
    assert of["queries"] == of["state"] == [0, 1, 2]  # all alike: in the trace's order


@needs_node
def test_a_state_as_a_line_of_code_is_read_back_by_python(measured):
    state = {
        **explore(measured).state,
        "max_latency_s": 0.0512345678901,
        "selected": "a\"b'c\\ü😀",
        "show": [],
    }
    assert ast.literal_eval(node([["pythonic", state]])[0]) == state
    assert node([["pythonic", [True, False, None]]]) == ["[True, False, None]"]


@needs_node
@pytest.mark.parametrize("slo", [SLO(0.05, 1e-4, 0.1, prefer="cost"), SLO(1e-9), SLO()])
def test_the_screen_writes_the_code_that_python_writes(measured, slo):
    explorer = explore(measured)
    explorer.apply(slo)
    call = ["codeOf", as_json(slo), explorer.state, explorer.chosen]
    written = node([call])[0]
    exec(compile(written, "copied", "exec"), {"trace": measured})
    assert ast.dump(ast.parse(written)) == ast.dump(ast.parse(explorer.code))


@needs_node
def test_a_snapshot_keeps_what_is_decided_and_nothing_else(measured):
    explorer = explore(measured)
    explorer.apply(SLO(0.05, prefer="cost"))
    state = {**explorer.state, "tab": "journey", "query_page": 3}
    kept = node([["withSnapshot", state, "  cheap  "]])[0]
    assert list(kept) == ["cheap"]
    assert kept["cheap"]["max_latency_s"] == 0.05
    assert set(kept["cheap"]) == set(states.Snapshot.model_fields)
    again = explore(measured, state={**state, "snapshots": kept})
    assert again.state["snapshots"] == kept
    again.reset()
    assert again.state["snapshots"] == kept  # no step of the journey
    assert node([["withoutSnapshot", again.state, "cheap"]]) == [{}]
    gone = {"cheap": {**kept["cheap"], "pins": ["gone/path"]}}
    lost = explore(measured, state={"snapshots": gone, "columns": ["quality", "mood"]})
    assert lost.forgotten == ["column 'mood'", "path 'gone/path' in the snapshot 'cheap'"]
    assert lost.state["snapshots"]["cheap"]["pins"] == []
    by_hand = explore(measured, state={"snapshots": {"quick": {"max_latency_s": 0.05}}})
    assert by_hand.state["snapshots"]["quick"] == states.Snapshot(max_latency_s=0.05).model_dump()
    assert lost.state["columns"] == ["quality"]


@needs_node
def test_a_hundred_random_states_are_restored_undone_and_redone_exactly(measured):
    """The screen's journey and Python's go through the same states; each is restored exactly."""
    rng = np.random.default_rng(0)
    explorer = explore(measured)
    view, board = explorer.view, explorer.board
    steps = [explorer.state]
    for k in range(100):
        slo = as_json(random_slo(rng, view))
        path = board.path_ids[int(rng.integers(len(board.path_ids)))]
        more = {
            "statistic": str(rng.choice(["mean", "p95"])),
            "dropped": {"0": ["hyde"]} if k % 3 else {},
            "selected": path if k % 2 else None,
            "pins": [path] if k % 5 == 0 else [],
        }
        explorer.state = {**explorer.state, **slo, **more}
        explorer.journey = states.add_step(explorer.journey, explorer.state, f"step {k}")
        steps.append(explorer.state)
    script = """((start, steps) => {
        let j = { at: 0, steps: [["start", start]] };
        steps.forEach((state, k) => { j = addStep(j, state, `step ${k}`); });
        return [j, steps.map((_, k) => back(steps.at(-1), stateAt(j, k)))];
    })"""
    journey, seen = node([[script, steps[0], steps[1:]]])[0]
    assert journey == explorer.journey
    assert seen == steps[:-1]
    for state in reversed(steps[:-1]):
        explorer.undo()
        assert explorer.state == state
    for state in steps[1:]:
        explorer.redo()
        assert explorer.state == state
    for state in steps[::10]:
        again = explore(measured, state=state)
        assert (again.state, again.slo) == (state, states.slo_of(state))
        decision = decide(view, again.slo, state["statistic"], state["dropped"])
        chosen = None if decision.chosen is None else board.path_ids[decision.chosen]
        assert again.chosen == chosen
