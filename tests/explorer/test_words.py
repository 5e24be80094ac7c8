"""What the screen says: numbers with units, typed limits, reasons, the one sentence; run in
Node.
"""

import numpy as np
import pytest

from ecollm_lab.explorer import page
from ecollm_lab.explorer.decision import decide
from ecollm_lab.explorer.resampling import FEW
from ecollm_lab.explorer.views import Board
from ecollm_lab.records import SLO
from ecollm_lab.traces import Trace
from tests.conftest import make_trace
from tests.explorer.support import (
    as_json,
    needs_node,
    node,
    noisy,
    on_easy_queries,
    problem_of,
    some,
    without,
)

pytestmark = needs_node
PER = "USD per 1,000 queries"


def test_numbers_are_short_and_have_units():
    calls = [["seconds", v] for v in (0.00652, 0.9994, 0.9999, 12.34, 12345.6)]
    calls += [["usd", v] for v in (5.41e-8, 0.0123, 1.2345)]
    calls += [["ordinal", n] for n in (1, 2, 3, 4, 11, 12, 13, 21, 22, 103, 111)]
    calls += [
        ["ratio", *pair]
        for pair in ((1500, 1), (3, 1), (1.35, 1), (0.9, 1), (0.2, 1), (0.01, 1), (1, 0))
    ]
    calls += [["ratio", 1.0001, 1], ["ratio", 0.9999, 1]]
    assert node(calls) == [
        *("6.52 ms", "999 ms", "1 s", "12.3 s", "12,346 s"),
        *(f"0.0000541 {PER}", f"12.3 {PER}", f"1,235 {PER}"),
        *("best", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "103rd", "111th"),
        *("× 1,500", "× 3", "+35 %", "−10 %", "−80 %", "÷ 100", ""),
        *("under 1 % more", "under 1 % less"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_latency_s", "50 ms", 0.05),
        ("max_latency_s", "50", 0.05),
        ("max_latency_s", "28.6", 0.0286),
        ("max_latency_s", "1.5 s", 1.5),
        ("max_latency_s", "≤ 1,5 s", 1.5),
        ("max_latency_s", "2 min", 120),
        ("max_latency_s", "", None),
        ("max_latency_s", "no limit", None),
        ("max_cost_usd", "0.2", 0.0002),
        ("max_cost_usd", "0.2 USD per 1,000 queries", 0.0002),
        ("max_cost_usd", "$3/1k", 0.003),
        ("max_cost_usd", "7 usd per million queries", 7e-6),
        ("min_quality", "0.6", 0.6),
        ("max_cost_usd", "1,235 USD per 1,000 queries", 1.235),
        ("max_latency_s", "12,346 s", 12346),
        ("max_latency_s", "1,234.5 ms", 1.2345),
        ("max_latency_s", "0,235 s", 0.235),
        ("max_latency_s", "1,2345 s", 1.2345),
        ("min_quality", "60 %", 0.6),
        ("min_quality", "0", None),
    ],
)
def test_what_is_typed_is_read_exactly(name, text, value):
    assert node([["typed", name, text]]) == [value]


def test_what_cannot_be_read_says_what_can():
    said = node(
        [
            ["typed", "max_latency_s", "fast"],
            ["typed", "max_latency_s", "-3"],
            ["typed", "max_latency_s", "0"],
            ["typed", "max_cost_usd", "3 euro"],
            ["typed", "min_quality", "7"],
        ]
    )
    for sentence, example in zip(
        said, ("50 ms", "50 ms", "larger than 0", "0.2", "between 0 and 1"), strict=True
    ):
        assert example in sentence


def test_a_limit_shown_in_its_box_is_read_back_to_the_last_bit():
    values = [
        float(f"{v:.{d}g}") for d in range(1, 15) for v in (0.0286123456789012, 1.0641e-7, 3.3)
    ]
    script = f"(() => {values}.map((v) => typed('max_latency_s', asTyped('max_latency_s', v))))"
    assert node([[script]])[0] == values


def test_python_and_the_screen_spell_an_slo_alike_and_exactly():
    rng = np.random.default_rng(0)
    drawn = [(10 ** rng.uniform(-6, 3), 10 ** rng.uniform(-12, 1), rng.random()) for _ in range(50)]
    slos = [SLO(), SLO(0.0512345678901, 3.3e-7, 0.41), SLO(1.0, 1e-9), SLO(12345.678, 1.5e-10)]
    slos += [SLO(0.9999, 1e300, 1.0), *(SLO(*map(float, one)) for one in drawn)]
    assert node([["spell", as_json(slo)] for slo in slos]) == [page.spell(slo) for slo in slos]
    said = page.spell(slos[1])
    assert said == f"latency ≤ 51.2345678901 ms, cost ≤ 0.00033 {PER}, quality ≥ 0.41"


def why(view, slo, i, share=None, statistic="mean"):
    call = [
        "whyNot",
        {"problem": 0},
        as_json(slo),
        {"decide": [{"problem": 0}, as_json(slo)]},
        i,
        share,
    ]
    return node([call], [problem_of(view, statistic)])[0]


def test_every_reason_is_given_in_turn():
    latency = np.repeat([[0.1, 0.1, 0.5, 0.1, 0.1, 0.1]], 400, axis=0)
    latency[:100, 2] = 0.05
    cost = [2e-6, 3e-6, 1e-6, 9e-6, 1e-7, 1e-6]
    trace = noisy([0.8, 0.5, 0.9, 0.95, 0.1, 0.79], cost=cost, latency=latency[0])
    outcomes = trace.outcomes.assign(latency_s=latency.ravel())
    view = Board(Trace.from_frame(outcomes, trace.queries, trace.provenance)).view()
    slo = SLO(max_latency_s=0.2, max_cost_usd=5e-6, min_quality=0.2)
    told = [why(view, slo, i, share=0.75) for i in range(6)]
    assert [reason for reason, _ in told][:5] == [
        "chosen",
        "dominated",
        "breaks the latency limit",
        "breaks the cost limit",
        "below the quality floor",
    ]
    assert told[5][0] in ("not separable", "lower quality")
    assert "75 % of queries take longer" in told[2][1]
    assert "188 ms over the limit" in told[2][1]
    assert f"0.009 {PER}, 0.004 over the limit" in told[3][1]
    assert view.path_ids[0] in told[1][1]


def test_what_was_not_recorded_or_has_few_queries_is_said():
    trace = some(60, 4)
    outcomes = trace.outcomes.copy()
    outcomes.loc[outcomes["path_id"] == trace.path_ids[0], "latency_s"] = np.nan
    trace = Trace.from_frame(outcomes, trace.queries, trace.provenance)
    view = Board(without(trace, [(q, 1) for q in range(FEW - 1, 60)])).view()
    assert why(view, SLO(max_latency_s=10), 0)[0] == "no latency recorded"
    assert why(view, SLO(), 1)[0] == "too few queries"
    assert "19 of 60 queries" in why(view, SLO(), 1)[1]
    said = sentence(Board(make_trace(np.eye(30), 1e-6, np.nan)).view(), SLO())
    assert ", latency not recorded; " in said


def test_easier_queries_are_not_taken_for_higher_quality():
    view = Board(on_easy_queries()).view()
    assert view.quality[1] > view.quality[0]  # the raw means say the opposite
    assert np.median(view.replicates[:, 1] - view.replicates[:, 0]) < 0
    reason, because = why(view, SLO(), 0)
    assert reason == "not separable"
    assert "Not every query was tried on both" in because


def sentence(view, slo, over=None, pins=()):
    decision = {"decide": [{"problem": 0}, as_json(slo)]}
    call = ["sentence", {"problem": 0}, as_json(slo), decision, over, list(pins)]
    return node([call], [problem_of(view)])[0]


def test_the_sentence_calls_a_tie_a_tie_and_infeasible_infeasible():
    view = Board(noisy([0.5, 0.52, 0.1], cost=[1e-6, 2e-6, 1e-7], latency=[0.1, 0.2, 0.01])).view()
    slo, over = SLO(max_latency_s=0.3), {"share": 0.25, "n": 105, "where": "held-out "}
    said = sentence(view, slo, over, [0])
    assert view.path_ids[1] in said
    assert f"quality {view.quality[1]:.3f} [{view.low[1]:.3f}, {view.high[1]:.3f}]" in said
    assert f"0.002 {PER}" in said
    assert "p95 latency 200 ms" in said
    assert "25 % of 105 held-out queries over the SLO" in said
    assert ("tied" in said) == bool(decide(view, slo).tied.any())
    assert "Against pin 1" in said
    assert "× 2 (worse)" in said
    assert "Against pin" not in sentence(view, slo, over, [0, 1])  # the last pin is the winner
    nothing = sentence(view, SLO(max_latency_s=0.001))
    assert "Infeasible" in nothing
    assert "latency ≤ 1 ms" in nothing
    floor = {"share": 0.0, "n": 105, "where": "held-out "}
    assert "over the SLO" not in sentence(view, SLO(min_quality=0.3), floor)
    few = Board(make_trace([[1.0, 0.0]] * 5, 1e-6, 0.1)).view()
    assert "on 5 queries no path can be told from another" in sentence(few, SLO())


def test_the_share_over_the_slo_is_that_of_what_was_recorded():
    numbers = "((v) => v.map((one) => (one === null ? NaN : one)))"
    script = f"""((cost, latency, slo, which) => {{ const numbers = {numbers};
      const outcomes = {{ cost: numbers(cost), latency: numbers(latency) }};
      return overAmong(outcomes, [0, 1, 2, 3], slo, which); }})"""
    cost, latency = [1, 3, None, None], [0.1, 0.1, 0.9, None]
    slo = as_json(SLO(max_latency_s=0.5, max_cost_usd=2))
    found = node(
        [
            [script, cost, latency, slo, "both"],
            [script, cost, latency, slo, "latency"],
            [script, [None] * 4, [None] * 4, slo, "both"],
        ]
    )
    assert found == [
        {"share": 0.5, "n": 2, "all": 4},
        {"share": pytest.approx(1 / 3), "n": 3, "all": 4},
        {"share": None, "n": 0, "all": 4},
    ]
    held = {"where": "held-out "}
    assert node([["overWords", {**one, **held}] for one in (found[0], found[2])]) == [
        "50 % of 2 recorded of 4 held-out queries over the SLO",
        "the share of held-out queries over the SLO was not recorded",
    ]


def test_a_limit_that_every_call_costs_exactly_is_kept():
    script = """((limit) => overAmong({ cost: Float32Array.from([0.003]), latency: [0.1] }, [0],
      { max_latency_s: null, max_cost_usd: limit }, "both").share)"""
    assert node([[script, 0.003], [script, 0.0029]]) == [0, 1]


def test_a_band_without_a_number_above_zero_says_of_what():
    zeros = Board(make_trace(np.zeros((30, 2)), 0.0, 0.1)).view()
    band = "((p, slo, name) => bandHtml(p, slo, name, () => 0)[1])"
    names = ("max_cost_usd", "min_quality")
    calls = [[band, {"problem": 0}, as_json(SLO()), name] for name in names]
    assert node(calls, [problem_of(zeros)]) == ["every path is free", "every quality is 0"]


def test_the_winner_is_described_by_the_statistic_that_the_limit_is_on():
    view = Board(some(60, 3)).view()
    decision = {"decide": [{"problem": 0}, as_json(SLO())]}
    call = ["sentence", {"problem": 0}, as_json(SLO()), decision, None, []]
    said = node([call], [problem_of(view, "p95")])[0]
    assert "p95 cost" in said
    assert "mean latency" not in said


def test_the_hover_card_has_six_lines_units_and_rank(measured):
    view = Board(measured).view()
    best, n = int(view.quality.argmax()), len(measured.query_ids)
    script = (
        "((p) => { const ranks = [p.quality.map((q) => -q), p.costs.mean, p.latencies.mean];"
        f" return hoverCard(p, {best}, ranks.map(ranksOf), 'measured here'); }})"
    )
    card = node([[script, {"problem": 0}]], [problem_of(view)])[0]
    assert card.count("<br>") == 5
    for part in (f"best of {len(view.path_ids)}", PER, "p95", f"{n} of {n} queries", "measured"):
        assert part in card


def test_hostile_text_is_escaped_and_cut():
    hostile = "<img src=x onerror=alert(1)>" + "long " * 5000
    shown = node([["cut", hostile]])[0]
    assert "<" not in shown
    assert len(shown) < 500
