"""The policy in the picture: what it and its competitors deliver under an SLO, and what the screen
makes of that.
"""

import json

import numpy as np
import pytest

from ecollm_lab import explore, fit_policy, replay
from ecollm_lab.explorer import answers, policy_marks
from ecollm_lab.explorer.policy_marks import PolicyMarks
from ecollm_lab.explorer.views import Board
from ecollm_lab.records import SLO
from tests.conftest import make_trace, thinned
from tests.explorer.support import as_json, needs_node, node, without

WHERE = "all|all|all"


def unit(n, seed=0):
    rows = np.random.default_rng(seed).standard_normal((n, 8)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def part(measured):
    """A part of the trace, embeddings of its queries, and a policy fitted to the training ones."""
    trace = thinned(measured, 80, 40)
    embeddings = unit(len(trace.query_ids))
    train = (trace.queries["split"] == "train").to_numpy()
    return trace, embeddings, fit_policy(trace.split("train"), "knn", embeddings=embeddings[train])


@pytest.mark.filterwarnings("ignore:No path meets")
@pytest.mark.parametrize("slo", [SLO(0.05, 3e-7), SLO(1e-6), SLO(prefer="cost")])
def test_each_mark_lies_where_a_replay_on_held_out_queries_says(part, slo):
    trace, embeddings, policy = part
    board = Board(trace)
    marks = PolicyMarks(board, policy, embeddings)
    found = marks.at(board.view(), slo)
    assert list(found) == ["knn", "best_single", "cloud_only", "threshold", "oracle"]
    unseen = (trace.queries["split"] == "heldout").to_numpy()
    heldout, seen = trace.split("heldout"), embeddings[unseen]
    for name, own in {**marks.competitors, "knn": policy, "oracle": "oracle"}.items():
        expected = replay(own, heldout, slo, embeddings=seen, infeasible="least_violating")
        one = found[name]
        delivered = (
            one["quality"],
            one["cost"]["mean"],
            one["latency"]["mean"],
            one["latency"]["p95"],
            one["over"],
        )
        assert delivered == pytest.approx(expected.summary["value"].to_numpy()[:5]), name
    assert json.dumps(found, allow_nan=False)


def test_a_mark_that_sends_every_query_down_one_path_names_it_and_how_it_was_chosen(part):
    trace, embeddings, policy = part
    marks = PolicyMarks(Board(trace), policy, embeddings)
    found = marks.at(marks.board.view(), SLO())
    train = trace.split("train").array("quality").mean(axis=0)
    assert train[trace.path_ids.index(found["best_single"]["path"])] == train.max()
    assert "path" not in found["oracle"]
    assert {name for name, look in marks.looks().items() if "how" in look} == {
        "best_single",
        "cloud_only",
    }


def test_competitors_learn_from_training_queries_and_a_router_varies_the_model_alone(part):
    trace, embeddings, policy = part
    marks = PolicyMarks(Board(trace), policy, embeddings)
    n_train = (trace.queries["split"] == "train").sum()
    for one in marks.competitors.values():
        assert len(one.left_out) == n_train
    router = marks.competitors["threshold"]
    pipelines = {path.rpartition("/")[0] for path in router.path_ids[router.allowed]}
    assert len(pipelines) == 1


def test_what_cannot_be_fitted_is_left_out(part):
    trace, embeddings, policy = part
    edge = {name: {"placement": "edge"} for name in trace.provenance["models"]}
    without = type(trace)(trace.outcomes, trace.queries, {**trace.provenance, "models": edge})
    assert "cloud_only" not in PolicyMarks(Board(without), policy, embeddings).competitors
    one_split = make_trace(np.eye(4), 1e-6, 0.1)
    alone = fit_policy(one_split, "best_single")
    marks = PolicyMarks(Board(one_split), alone, unit(4))
    assert list(marks.at(marks.board.view(), SLO())) == ["best_single", "oracle"]
    assert marks.rows(marks.board.view())[1] == "4 queries"


def test_the_table_of_replays_keeps_the_newest_and_one_entry_for_an_slo(monkeypatch):
    monkeypatch.setattr(policy_marks, "MOST_SLOS", 3)
    table = {}
    for limit in (1, 2, 3, 1, 4):
        table = policy_marks.add(table, WHERE, "4 queries", [[{"max_latency_s": limit}, {}]])
    assert [asked["max_latency_s"] for asked, _ in table[WHERE]["table"]] == [3, 1, 4]
    assert table[WHERE]["what"] == "4 queries"


def test_the_screen_gets_what_it_asks_for_and_a_page_takes_a_course_along(part, tmp_path):
    trace, embeddings, policy = part
    explorer = explore(trace, policy, embeddings=embeddings)
    slo = as_json(SLO(0.05))
    explorer._answer(f"marks|{json.dumps(slo)}|{WHERE}")
    [[asked, found]] = explorer.marks[WHERE]["table"]
    assert asked == slo
    assert found["knn"]["quality"] <= found["oracle"]["quality"]
    page = explorer.to_html(tmp_path / "page.html").read_text()
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    table = data["marks"][WHERE]["table"]
    now = as_json(explorer.slo)
    assert now in [one for one, _ in table]
    changed = [sum(now[name] != one[name] for name in now) for one, _ in table[1:]]
    assert sorted(set(changed)) == [0, 1]
    assert changed.count(1) >= 2 * 5
    bare = explore(trace)
    bare._answer(f"marks|{json.dumps(slo)}|{WHERE}")
    assert "explore(trace, policy)" in bare.answers[f"marks|{json.dumps(slo)}|{WHERE}"]["error"]


# --- what the screen makes of it


def point(quality, cost=1e-6, latency=0.1, over=0.0):
    tails = {"mean": cost, "p95": 2 * cost}, {"mean": latency, "p95": 3 * latency}
    return {"quality": quality, "cost": tails[0], "latency": tails[1], "over": over}


def table_of(*slos):
    entries = [[as_json(slo), {"ours": point(0.1 * k)}] for k, slo in enumerate(slos)]
    return {"what": "30 held-out queries", "table": entries}


@needs_node
def test_the_own_entry_is_shown_else_the_nearest_with_the_same_preference():
    table = table_of(SLO(0.1), SLO(0.2), SLO(0.2, 1e-6), SLO(0.11, prefer="cost"))
    asked = [SLO(0.2), SLO(0.17), SLO(0.11), SLO(0.3, 1e-6), SLO(0.3, prefer="latency")]
    found = node([["nearestMarks", table, as_json(slo)] for slo in asked])
    assert [one and one["exact"] for one in found] == [True, False, False, False, None]
    assert [one and one["asked"]["max_latency_s"] for one in found] == [0.2, 0.2, 0.1, 0.2, None]
    assert found[3]["asked"]["max_cost_usd"] == 1e-6
    assert node([["nearestMarks", None, as_json(SLO())]]) == [None]


LOOKS = {
    "ours": {"words": "policy ours", "colour": "#CC79A7", "symbol": "star"},
    "oracle": {"words": "oracle", "colour": "#009E73", "symbol": "star-diamond"},
}


@needs_node
def test_marks_are_described_by_the_statistic_that_the_limit_is_on():
    found = {
        "asked": as_json(SLO(0.2)),
        "what": "30 held-out queries",
        "exact": False,
        "points": {"ours": point(0.5, over=0.25), "oracle": point(0.75), "other": point(1)},
    }
    mean, tail = node([["marksOf", found, LOOKS, statistic] for statistic in ("mean", "p95")])
    assert [(one["name"], one["cost"], one["latency"]) for one in mean] == [
        ("ours", 1e-6, 0.1),
        ("oracle", 1e-6, 0.1),
    ]
    assert tail[0]["latency"] == pytest.approx(0.3)
    card, line = node(
        [
            ["markCard", tail[0], found, "p95"],
            ["marksHtml", found, mean, as_json(SLO(0.3)), "mean", None],
        ]
    )
    for part in ("policy ours", "p95 latency 300 ms", "25 % of these queries", "latency ≤ 200 ms"):
        assert part in "\n".join(card)
    assert "policy ours 0.500" in line.replace("</span>", "")
    assert "quality on 30 held-out queries" in line
    assert "at latency limit 200 ms, the nearest SLO that was replayed" in line


@needs_node
def test_the_best_single_path_is_named_in_the_legend_and_its_choice_explained_to_who_points():
    looks = {"best_single": {**LOOKS["ours"], "words": "best single path", "how": "best mean"}}
    points = {"best_single": {**point(0.5), "path": "none/bm25/m"}}
    found = {"asked": as_json(SLO(0.2)), "what": "30 queries", "exact": True, "points": points}
    marks = node([["marksOf", found, looks, "mean"]])[0]
    card, line = node(
        [["markCard", marks[0], found, "mean"], ["marksHtml", found, marks, {}, "mean", None]]
    )
    assert card[:3] == ["best single path", "every query takes none/bm25/m:", "best mean"]
    assert "best single path 0.500 (none/bm25/m)" in line


@needs_node
def test_no_label_of_a_path_stands_over_a_mark_or_its_words():
    boxes = [[0, 0, 50, 13], [0, 20, 50, 33], [0, 40, 50, 53], [0, 60, 50, 73]]
    labels = [[i, f"path {i}", box] for i, box in enumerate(boxes)]
    spots = [{"at": [40, 26]}, {"at": [200, 46], "label": [45, 40, 190, 54]}]
    within = [True, True, True, False]
    (shown,) = node([["clearOfMarks", labels, within, spots]])
    assert [text for _, text, _ in shown] == ["path 0"]
    (shown,) = node([["clearOfMarks", labels, [True] * 4, []]])
    assert len(shown) == 4


@needs_node
def test_a_mark_that_does_not_keep_the_limits_that_are_set_says_so():
    points = {"ours": point(0.5, latency=0.15), "oracle": point(0.75, latency=0.1)}
    found = {"asked": as_json(SLO(0.2)), "what": "30 queries", "exact": False, "points": points}
    marks = node([["marksOf", found, LOOKS, "mean"]])[0]
    line = node([["marksHtml", found, marks, as_json(SLO(0.1)), "mean", None]])[0]
    ours, oracle = line.split('data-mark="')[1:]
    assert "beyond a limit" in ours
    assert "beyond a limit" not in oracle
    outside = node([["outside", marks[0], as_json(slo)] for slo in (SLO(), SLO(None, 1e-7))])
    assert outside == [False, True]
    assert node([["outside", marks[0], as_json(SLO(min_quality=0.6))]]) == [True]


def test_a_mark_is_the_mean_of_what_was_recorded_and_says_of_how_many_queries():
    part = without(make_trace(np.eye(4), 1e-6, 0.1), [(1, 0), (2, 0)])
    alone = fit_policy(make_trace(np.eye(4), 1e-6, 0.1), "best_single")
    marks = PolicyMarks(Board(part), alone, unit(4))
    path = marks.at(marks.board.view(), SLO(0.2))["best_single"]
    assert path["path"] == part.path_ids[0]
    assert (path["quality"], path["recorded"], path["over"]) == (0.5, 2, 0.0)
    rows = answers.replay(marks.board.view(), marks, SLO(0.2))["rows"]
    told = next(row for row in rows if row["name"] == "all")
    assert (told["quality"], told["recorded"], told["over"], told["n"]) == (0.5, 2, 0.0, 4)


@needs_node
def test_a_replay_of_nothing_recorded_says_so():
    row = {"name": "all", "n": 4, "recorded": 0, "placement": {}, "path": "", "often": 1}
    row |= {"quality": None, "cost": None, "latency": None, "over": None}
    given = ["replayHtml", {"looks": {}}, {"what": "ours", "rows": [row]}]
    limited, floor = node([[*given, as_json(slo)] for slo in (SLO(0.2), SLO(min_quality=0.5))])
    assert "0 recorded of 4" in limited
    assert limited.count("<td>not recorded</td>") == 2
    assert "over the SLO" in limited
    assert floor.count("<td>not recorded</td>") == 1  # a floor is no limit that a query can break
    assert "over the SLO" not in floor


@needs_node
def test_a_card_says_how_many_outcomes_were_recorded():
    points = {"ours": {**point(0.5), "recorded": 12}}
    found = {"asked": as_json(SLO(0.2)), "what": "30 queries", "exact": True, "points": points}
    marks = node([["marksOf", found, LOOKS, "mean"]])[0]
    card = node([["markCard", marks[0], found, "mean"]])[0]
    assert "quality 0.500 on 12 recorded of 30 queries" in card


@needs_node
def test_what_was_not_recorded_is_not_drawn():
    free = {**point(0.5), "cost": {"mean": None, "p95": None}}
    found = {"points": {"ours": free}, "what": "1 query", "asked": as_json(SLO())}
    marks, line = node(
        [
            ["marksOf", found, LOOKS, "mean"],
            ["marksHtml", found, [], as_json(SLO()), "mean", None],
        ]
    )
    assert marks == []
    assert "no mark, as quality, cost or latency was not recorded for 1 query" in line


@needs_node
def test_one_question_is_open_at_a_time_and_then_the_newest_slo_is_asked_for():
    script = """(() => {
      const asked = [], known = new Set(); let time = 0;
      const ask = asker((key) => asked.push(key), () => time);
      const at = (key) => ask(key, (one) => known.has(one));
      for (const key of ["a", "b", "c"]) at(key);   // "a" is open
      known.add("a"); at("d");                      // answered: the newest goes out
      at("e"); time = 6000; at("e");                // no answer for long: the kernel was busy
      known.add("e"); at("e");
      return asked; })"""
    assert node([[script]]) == [["a", "d", "e"]]


@needs_node
def test_a_mark_beyond_the_axes_stays_at_their_edge_with_an_arrow():
    box = [100, 50, 400, 200]
    places = [[300, 120], [300, 20], [300, 400], [20, 120], [900, 120]]
    found = node([["pinned", place, box] for place in places])
    assert [one["out"] for one in found] == ["", "↑", "↓", "←", "→"]
    assert [one["at"] for one in found][:2] == [[300, 120], [300, 59]]
