"""Measuring from an explorer: where to, at what cost, and how the picture tightens."""

from dataclasses import replace
from threading import Event, Thread

import numpy as np
import pytest

from ecollm_lab import explore, fit_policy
from ecollm_lab.emulator import Measuring, replay_from
from ecollm_lab.explorer.decision import decide
from ecollm_lab.explorer.resampling import AMBIGUOUS, UNKNOWN
from ecollm_lab.explorer.views import Board
from ecollm_lab.explorer.widget import Explorer
from ecollm_lab.records import SLO, LabError
from tests.explorer.support import as_json, needs_node, node, noisy, problem_of, some, without
from tests.explorer.test_marks import unit
from tests.support.exploration import breaking_down, emulator_of

N = 60


@pytest.fixture
def whole():
    return noisy([0.5, 0.6, 0.4], cost=[1e-6, 2e-6, 3e-6], latency=[0.1, 0.2, 0.3], n=N)


def opened(trace, run=None, known=25):
    """An explorer that knows the outcomes of the first queries; the rest can be measured."""
    part = without(trace, [(q, p) for q in range(known, N) for p in range(len(trace.path_ids))])
    run = run or replay_from(trace)
    return explore(part, measure=Measuring(emulator_of(trace), run, queries=trace.queries))


@pytest.mark.parametrize("every_s", [0.0, 60.0], ids=["drawn_as_they_come", "drawn_at_the_end"])
def test_the_picture_tightens_as_outcomes_come(whole, monkeypatch, every_s):
    monkeypatch.setattr("ecollm_lab.sweeps.job.EVERY_S", every_s)
    monkeypatch.setattr("ecollm_lab.explorer.growth.PATIENCE", 0)
    explorer = opened(whole)
    explorer.apply(SLO())
    explorer.answers = {"queries|x|all|all|all": {"rows": []}, "replay|y": {}, "other|z": {}}
    explorer.marks = {"all|all|all": {"what": "60 queries", "table": []}}
    before, width = explorer.view, explorer.view.high - explorer.view.low
    shown = explorer.views["all|all|all"]["outcomes"]
    job = explorer.measure(60)
    assert job.result(60).done == 60
    after = explorer.view
    assert after.n.sum() == before.n.sum() + 60 == explorer.views["all|all|all"]["outcomes"]
    assert shown == before.n.sum()
    assert (after.high - after.low).sum() < width.sum()
    # queries behind a path, and what a policy delivers on them, may be others now
    assert list(explorer.answers) == ["other|z"]
    assert explorer.marks == {}
    told = explorer.measuring["job"]
    assert (told["state"], told["done"], told["total"]) == ("done", 60, 60)
    board = Board(explorer.trace)
    assert board.path_ids == explorer.board.path_ids
    assert decide(board.view(), SLO()).chosen == explorer.decision.chosen
    np.testing.assert_array_equal(board.view().quality, after.quality)
    outcomes = np.frombuffer(explorer.fixed["outcomes"]["cost32"], dtype=np.float32)
    assert (~np.isnan(outcomes)).sum() == after.n.sum()


def test_the_screen_asks_what_it_would_cost_then_starts(whole):
    explorer = opened(whole)
    ask = explorer._hear
    ask({"measure": {"do": "offer", "n": 7, "scope": "emulator"}})
    offer = explorer.measuring["offer"]
    assert offer["pairs"] == 7
    assert 7e-6 <= offer["cost_usd"] <= 21e-6
    assert explorer.view.n.sum() == 75
    ask({"measure": {"do": "offer", "n": 5, "scope": "emulator"}})  # another one replaces it
    ask({"measure": {"do": "start"}})
    explorer.growth.job.result(60)
    assert explorer.view.n.sum() == 80
    assert explorer.measuring["offer"] is None
    ask({"measure": {"do": "start"}})
    assert "Nothing was offered" in explorer.measuring["error"]
    ask({"measure": {"do": "offer", "n": 0, "scope": "emulator"}})
    assert "must be a whole number within 1 and 1000, got 0" in explorer.measuring["error"]
    for n in (None, 2.5):  # typed by hand; the screen sends null for what is no number
        ask({"measure": {"do": "offer", "n": n, "scope": "emulator"}})
        assert f"got {n}" in explorer.measuring["error"]
    ask({"measure": {"do": "offer", "n": 300, "scope": "emulator"}})
    assert explorer.measuring["offer"]["pairs"] == 3 * N - 80
    assert explorer.measuring["error"] == ""


def test_a_place_is_what_the_picture_shows(whole):
    explorer = opened(whole)
    explorer.apply(SLO(max_cost_usd=2.5e-6))
    ids, growth = explorer.board.path_ids, explorer.growth
    unsure = np.isin(explorer.view.state["mean"], (AMBIGUOUS, UNKNOWN))
    assert growth.among("unsure") == [ids[i] for i in np.flatnonzero(unsure)]
    tied = explorer.selection.query("tied or chosen")["path_id"]
    assert set(growth.among("tied")) == set(tied)
    assert growth.among("selected") == [explorer.chosen]
    explorer.select(ids[2])
    offer = growth.offer(4, "selected")
    assert {path for _, path in offer.pairs} == {ids[2]}
    assert growth.among("emulator") is None
    explorer.select(None)
    explorer.apply(SLO(max_latency_s=1e-9))
    with pytest.raises(LabError, match="nothing left to measure there"):
        growth.offer(4, "selected")
    with pytest.raises(LabError, match="Nothing measures for this explorer"):
        explore(whole).measure()


@needs_node
@pytest.mark.parametrize(
    ("scope", "change", "stale"),
    [
        ("selected", {"selected": 1}, True),
        ("selected", {"max_latency_s": 0.25}, False),  # the path that is selected is still meant
        ("tied", {"max_latency_s": 0.15}, True),
        ("tied", {"tab": "measure", "selected": 1}, False),
        ("emulator", {"max_latency_s": 0.15}, False),
    ],
)
def test_an_offer_that_is_no_longer_meant_is_not_started(whole, scope, change, stale):
    explorer = opened(whole)
    explorer.apply(SLO())
    explorer.select(explorer.board.path_ids[0])
    explorer._hear({"measure": {"do": "offer", "n": 5, "scope": scope}})
    offer, before = explorer.measuring["offer"], explorer.view.n.sum()
    change = {k: explorer.board.path_ids[v] if k == "selected" else v for k, v in change.items()}
    explorer.state = {**explorer.state, **change}
    assert node([["standing", offer, explorer.state]]) == [not stale]
    explorer._hear({"measure": {"do": "start"}})
    if stale:
        assert "ask again" in explorer.measuring["error"]
        assert (explorer.measuring["offer"], explorer.growth.job) == (None, None)
        assert explorer.growth.offer(300, scope).pairs  # what was offered may be asked again
    else:
        explorer.growth.job.result(60)
        assert explorer.view.n.sum() == before + offer["pairs"]


def test_a_stop_loses_nothing_and_one_can_go_on(whole):
    look_up, reached, go = replay_from(whole), Event(), Event()

    def run(pairs):
        reached.set()
        assert go.wait(60)
        return look_up(pairs)

    explorer = opened(whole, run)
    job = explorer.measure(30)
    assert reached.wait(60)
    with pytest.raises(LabError, match="being measured"):
        explorer.measure(5)
    explorer._hear({"measure": {"do": "stop"}})
    assert explorer.measuring["job"]["state"] == "stopping"
    go.set()
    done = job.result(60).done
    assert 0 < done < 30
    assert explorer.measuring["job"]["state"] == "stopped"
    assert explorer.view.n.sum() == 75 + done == explorer.trace.outcomes["quality"].notna().sum()
    assert explorer.measure(30).result(60).done == 30


def test_competitors_are_fitted_anew_once_a_measurement_ends(whole):
    split = np.where(np.arange(N) % 3 == 0, "heldout", "train")
    trace = replace(whole, queries=whole.queries.assign(split=split))
    part = without(trace, [(q, p) for q in range(25, N) for p in range(3)])
    policy = fit_policy(part.split("train"), "best_single")
    measure = Measuring(emulator_of(trace), replay_from(trace), queries=trace.queries)
    explorer = explore(part, policy, measure=measure, embeddings=unit(N))
    before = explorer.policy_marks.competitors["cloud_only"]
    explorer.measure(20).result(60)
    assert explorer.policy_marks.competitors["cloud_only"] is not before


def test_a_question_does_not_bring_back_what_was_before_an_outcome(whole, monkeypatch):
    explorer, tables, threads = opened(whole), Explorer.tables, []
    outcomes = replay_from(whole)([(whole.query_ids[30], whole.path_ids[0])])

    def slow(self, key):
        found = tables(self, key)
        if not threads:  # an outcome comes while the answer is on its way
            threads.append(
                Thread(target=explorer.growth.grow, args=[outcomes], kwargs={"whole": True})
            )
            threads[0].start()
            threads[0].join(0.5)
        return found

    monkeypatch.setattr(Explorer, "tables", slow)
    explorer._answer("view|all|all|all")
    threads[0].join(60)
    assert explorer.views["all|all|all"]["outcomes"] == explorer.view.n.sum() == 76


def test_an_error_is_said_and_what_was_measured_is_kept(whole):
    run, calls = breaking_down(replay_from(whole))
    explorer = opened(whole, run)
    job = explorer.measure(30)
    job.join(60)
    assert explorer.measuring["error"] == "the endpoint is gone"
    assert explorer.measuring["job"]["state"] == "failed"
    assert explorer.view.n.sum() == 75 + len(calls[0]) + len(calls[1])


def test_paths_never_measured_are_there_and_get_their_first_outcomes(whole):
    trace = without(whole, [(q, 2) for q in range(N)])
    explorer = explore(trace, measure=Measuring(emulator_of(whole), replay_from(whole)))
    assert explorer.view.n.tolist() == [N, N, 0]
    explorer.measure(10).result(60)
    assert explorer.view.n.tolist() == [N, N, 1]
    explorer.measure(10, "unsure").result(60)
    assert explorer.view.n[2] == 11


# --- in words


@needs_node
def test_an_offer_is_a_sentence_with_cost_and_time():
    offer = {"pairs": 20, "paths": 6, "asked": 20, "cost_usd": 0.00412, "seconds": 9.34}
    rest = {"pairs": 1, "paths": 1, "asked": 20, "cost_usd": None, "seconds": None}
    full, part = node([["offerWords", offer], ["offerWords", rest]])
    assert full.startswith("20 outcomes on 6 paths: about 0.00412 USD at declared prices, about")
    assert "about 9.34 s of model time" in full
    assert "1 outcome on 1 path (only so many are left or due; 20 were asked for)" in part
    assert "their cost is not known, for an unknown time" in part
    named = node([["offerWords", {**offer, "paths": 2, "names": ["a/b", "c/d"]}]])[0]
    assert named.startswith("20 outcomes on a/b and c/d: about")


@needs_node
def test_the_panel_says_how_far_it_is_and_what_can_be_pressed():
    job = {"state": "running", "done": 7, "failed": 1, "total": 20, "cost_usd": 0.001, "left_s": 4}
    sizes, wanted = {"emulator": None, "unsure": 3, "tied": 0, "selected": 1}, {"n": 20}
    offer = {"pairs": 20, "paths": 6, "asked": 20, "cost_usd": 0.0, "seconds": 1}
    busy, ready, away, ended, spent = node(
        [
            ["measureHtml", {"job": job}, {**wanted, "scope": "unsure"}, sizes, None],
            ["measureHtml", {"offer": offer}, {**wanted, "scope": "emulator"}, sizes, None],
            ["measureHtml", {"offer": offer}, {**wanted, "scope": "emulator"}, sizes, "no kernel"],
            ["jobWords", {**job, "state": "stopped"}],
            ["jobWords", {**job, "state": "done", "why": "budget spent: 2 of 2 USD"}],
        ]
    )
    for part in ("7 of 20 outcomes, 0.001 USD, 1 failed, about 4 s left", 'value="8"', ">stop<"):
        assert part in busy
    assert "measure these" not in busy
    old = {"offer": {**offer, "meant": {"selected": "a"}}}
    given = [old, {**wanted, "scope": "selected"}, sizes, None]
    same, asks = node([["measureHtml", *given, {"selected": path}] for path in "ab"])
    assert "measure these 20" in same
    assert "measure these" not in asks
    assert '<button data-measure="offer">ask again</button>' in asks
    assert "measure these 20" in ready
    assert "measure these" not in away
    assert "no kernel" in away
    assert "free" in ready
    assert 'data-scope="tied" aria-pressed="false" disabled' in ready
    assert "open rings (3)" in ready
    assert ended.startswith("Stopped; what was measured is kept: 7 of 20")
    assert spent.startswith("Ended early: 7 of 20 outcomes")
    assert spent.endswith("; budget spent: 2 of 2 USD.")


@needs_node
def test_the_places_are_counted_as_python_counts_them():
    view = Board(some(60, 8)).view()
    script = "((p, slo) => scopeSizes(p, decide(p, slo), null))"
    found = node([[script, {"problem": 0}, as_json(SLO())]], [problem_of(view)])[0]
    decision = decide(view, SLO())
    assert found["tied"] == 1 + decision.tied.sum()
    assert found["unsure"] == np.isin(view.state["mean"], (AMBIGUOUS, UNKNOWN)).sum()
