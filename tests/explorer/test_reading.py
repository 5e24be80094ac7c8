"""What a reader of an offline page is told beside the pictures, without a browser; run in Node."""

from tests.explorer.support import needs_node, node

pytestmark = needs_node


def kind(name, share, *quality):
    return {"name": name, "share": share, "means": [list(quality), [], []]}


PATHS = {
    "paths": ["first", "second"],
    "queries": 8,
    "n": [8, 6],
    "kinds": [kind("easy", 0.5, 0.75, 0.9), kind("hard", 0.25, 0.5, 0.4), kind("odd", 0.25, 0.6)],
}


def test_the_quality_of_a_path_by_kind_comes_worst_first_with_the_number_of_queries():
    found = node([["kindsOf", PATHS, 0]])[0]
    assert found == [
        {"name": "hard", "queries": 2, "quality": 0.5},
        {"name": "odd", "queries": 2, "quality": 0.6},
        {"name": "easy", "queries": 4, "quality": 0.75},
    ]


def test_a_kind_on_which_a_path_has_no_outcome_is_left_out_and_missing_ones_are_said():
    script = """((p) => { p.kinds[2].means[0].push(NaN);
      return [kindsOf(p, 1).map((one) => one.name), kindsHtml(p, 1), kindsHtml(p, 0)]; })"""
    names, partial, whole = node([[script, PATHS]])[0]
    assert names == ["hard", "easy"]
    assert "It has outcomes on 6 of the 8 queries." in partial
    assert "It has outcomes" not in whole


def test_the_list_of_queries_says_how_many_of_them_it_holds():
    asked = [{"total": 667, "rows": [{}] * 12}, {"total": 3, "rows": [{}] * 3}, {"error": "no"}]
    assert node([["worstWords", one] for one in asked]) == [
        "the 12 worst of 667 queries, worst regret first",
        "3 queries, worst regret first",
        "0 queries, worst regret first",
    ]


def test_until_the_reader_sorts_what_keeps_the_limits_comes_first_and_the_winner_on_top():
    script = """((quality, decision) => {
      const n = Uint8Array.from(quality, () => 9), every = quality.map(() => "edge");
      const p = { n, quality, paths: every, placement: every, state: every, parts: [], stages: [] };
      const order = { sort: "quality", down: true, search: "", decision };
      return [tableRows(p, order), tableRows(p, { ...order, decision: null })]; })"""
    decision = {"chosen": 1, "within": [0, 1, 1, 0]}
    found = node([[script, [0.9, 0.5, 0.6, 0.95], decision]])[0]
    assert found == [[1, 2, 3, 0], [3, 0, 2, 1]]
