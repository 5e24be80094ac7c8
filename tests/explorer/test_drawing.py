"""What is drawn in the plots and beside them: names, colours, legends, sliders; run in Node."""

import base64
import gzip

import numpy as np
import pytest

from ecollm_lab.explorer import page, states
from ecollm_lab.explorer.views import Board
from ecollm_lab.figures import style
from ecollm_lab.records import SLO
from tests.conftest import make_trace
from tests.explorer.support import as_json, needs_node, node, problem_of, some

pytestmark = needs_node
PALETTE = [colour for colour in style.PALETTE if colour != style.CHOSEN]


def over(one, other):
    """Whether two boxes [left, top, right, bottom] lie over each other."""
    return one[0] < other[2] and one[2] > other[0] and one[1] < other[3] and one[3] > other[1]


@pytest.mark.parametrize("seed", range(5))
def test_the_name_of_a_mark_stands_over_no_mark_and_no_other_name(seed):
    rng = np.random.default_rng(seed)
    places = [[100, 100], [150, 100], [140, 118], *rng.integers(40, 360, (6, 2)).tolist()]
    names = ["policy ours (beyond a limit)", "router", "best single path", *["cloud only"] * 6]
    marks = [{"at": at, "text": name} for at, name in zip(places, names, strict=True)]
    labels = node([["placeNames", marks, [0, 0, 400, 400]]])[0]
    shown = [box for box in labels if box]
    assert len(shown) >= 4
    for k, box in enumerate(shown):
        assert not any(over(box, [x - 9, y - 9, x + 9, y + 9]) for x, y in places)
        assert not any(over(box, other) for other in shown[:k])
        assert box[0] >= 0
        assert box[2] <= 400


def test_paths_bear_no_names_where_groups_have_theirs():
    script = """((groups) => { const said = [], context = { fillText: (text) => said.push(text) };
      const labels = [[[0, "a path", [0, 0, 40, 13]]]];
      paintLabels(context, { decision: { within: [1] }, theme: {}, groups }, { labels }, 0, []);
      return said; })"""
    assert node([[script, []], [script, [{}]]], also=("overlay.js",)) == [["a path"], []]


def test_the_name_of_a_group_stands_over_no_name_of_a_mark():
    script = """((label) => { const axis = { _offset: 0, d2p: (v) => v };
      const places = { axes: [axis], yaxis: axis, boxes: [[0, 0, 400, 400]], spots: [[{ label }]] };
      const group = { name: "hyde", x: [100], mean: 50, low: 40, high: 60 };
      const context = { measureText: (text) => ({ width: 6 * text.length }) };
      return groupLabels(context, { c: {}, groups: [group] }, places, 0)[0]; })"""
    calls = [[script, label] for label in (None, [120, 45, 160, 59])]
    assert node(calls, also=("groups.js",)) == [["hyde", 112, 50], ["hyde", 112, 76]]


def test_the_number_of_a_pin_stands_in_its_middle():
    script = """(() => { const said = [], context = { fillRect: () => {},
        fillText(text) { said.push([text, this.textAlign, this.textBaseline]); } };
      const scene = { decision: { chosen: null }, pins: [0], lit: [], theme: {},
        policies: { marks: [], trail: [] } };
      const places = { x: [[5]], y: [5], boxes: [[0, 0, 9, 9]], axes: [{}], yaxis: {} };
      paintAbove(context, scene, places, 0, () => true, () => {});
      return said; })"""
    assert node([[script]], also=("overlay.js",)) == [[["1", "center", "middle"]]]


@pytest.mark.parametrize(("dark", "ground"), [(False, [255] * 3), (True, [17] * 3)])
def test_twenty_components_of_a_stage_have_twenty_colours(dark, ground):
    script = "((...given) => readable(colourAt(...given.slice(0, 3)), given[3], 3.1))"
    calls = [[script, PALETTE, at, dark, ground] for at in range(20)]
    found = node(calls, also=("store.js",))
    assert len(set(found)) == 20
    first = node([["colourAt", PALETTE, at, dark] for at in range(9)], also=("store.js",))
    assert first == PALETTE


def test_a_legend_says_how_many_components_it_leaves_out():
    looks = [[f"component {k}", "#0072B2", "■"] for k in range(15)]
    whole, cut = node([["legendHtml", {}, looks[:12]], ["legendHtml", {}, looks]])
    assert whole.count("component") == 12
    assert "more" not in whole
    assert '<span title="component 12, component 13, component 14">and 3 more</span>' in cut


def test_the_winner_of_a_kind_has_its_whole_name_and_further_kinds_are_in_reach():
    view = Board(some(30, 2)).view()
    script = """((p, slo, kinds, open) => {
      const means = [p.quality, p.cost, p.latency], look = { colour: "#0072B2", mark: "●" };
      p.kinds = Array.from({ length: kinds }, (_, k) => ({ name: `k${k}`, share: 0.1, means }));
      p.looks = Object.fromEntries(p.placement.map((place) => [place, look]));
      return mixHtml(p, slo, [0, 1], open); })"""
    calls = [[script, {"problem": 0}, as_json(SLO()), *given] for given in ((9, False), (10, True))]
    one, two = node(calls, [problem_of(view)], also=("store.js",))
    best = view.path_ids[int(view.quality.argmax())]
    assert one.count(f'<span class="ecl-kind" title="{best}">') == 9
    assert "<summary>and 1 more kind</summary>" in one
    assert "<summary>and 2 more kinds</summary>" in two
    assert ("<details open>" in one, "<details open>" in two) == (False, True)


SCALES = """((fixed, state, steps) => { const kept = {};
  const screen = { fixed, local: {}, state: () => state, theme: { seen: (colour) => colour },
    store: { get: (name) => kept[name], ask: () => {} } };
  const made = problemsOf(screen), name = "max_latency_s";
  return steps.map((views) => {
    kept.views = views;
    made.problem();
    return [Math.exp(made.scales[name].low), Math.exp(made.scales[name].high),
      made.place(name)(made.valueAt(name, 0.5))];
  }); })"""


def test_the_sliders_reach_over_every_selection_that_is_known_and_over_the_other_side():
    quality = [[1.0, 0.5]] * 30
    boards = [Board(make_trace(quality, 1e-6, [seconds])) for seconds in ([0.1, 0.2], [1.0, 4.0])]
    first, second = (board.view().tables() for board in boards)
    fixed = {**boards[0].fixed(), **page.constants()}
    whole = "all|all|all"
    steps = [
        {whole: first},
        {whole: first, "heldout|all|all": second},
        {whole: {**first, "other": second}},
        {whole: first},
    ]
    given = [page._text(one) for one in (fixed, states.State().model_dump(), steps)]
    files = ("picture.js", "store.js", "problem.js")
    found = node([[SCALES, *given]], also=files)[0]
    narrow, wide = (pytest.approx([0.97 * 0.1, 1.03 * most]) for most in (0.2, 4.0))
    assert [one[:2] for one in found] == [narrow, wide, wide, narrow]
    assert all(one[2] == pytest.approx(0.5, abs=0.01) for one in found)


def test_plots_that_could_not_be_read_are_read_again():
    script = """(async (bad, good) => { let failed = false;
      const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
      try { await loadPlotly(bytes(bad)); } catch { failed = true; }
      return [failed, (await loadPlotly(bytes(good))).name, (await loadPlotly(bytes(bad))).name];
    })"""
    sources = (b"throw new Error('half a file');", b"module.exports = { name: 'plotly' };")
    given = [base64.b64encode(gzip.compress(one)).decode() for one in sources]
    assert node([[script, *given]], also=("store.js",)) == [[True, "plotly", "plotly"]]
