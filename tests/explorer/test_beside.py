"""What stands beside the paths, in a real Chromium: marks of policies with their trail, and the
other side of a comparison.
"""

import pytest

from ecollm_lab import explore, fit_policy
from ecollm_lab.records import SLO
from scripts.browser import SeenExplorer
from tests.conftest import thinned
from tests.explorer.browsing import in_browser
from tests.explorer.test_accessible import issues
from tests.explorer.test_marks import unit

pytestmark = in_browser


@pytest.fixture(scope="module")
def part(measured):
    return thinned(measured, 80, 40)


def opened(browser, explorer, file):
    browser.set_viewport_size({"width": 1440, "height": 1000})
    browser.goto("about:blank")
    browser.goto(explorer.to_html(file).as_uri())
    return SeenExplorer(browser)


def test_a_policy_is_marked_beside_its_competitors_and_leaves_a_trail(
    browser, part, tmp_path, monkeypatch
):
    monkeypatch.setattr("ecollm_lab.explorer.policy_marks.GRID", 4)  # replays of 12 take minutes
    embeddings = unit(len(part.query_ids))
    train = (part.queries["split"] == "train").to_numpy()
    policy = fit_policy(part.split("train"), "knn", embeddings=embeddings[train])
    explorer = explore(part, policy, embeddings=embeddings)
    explorer.apply(SLO(max_latency_s=0.02))
    seen = opened(browser, explorer, tmp_path / "page.html")
    found = explorer.policy_marks.at(explorer.view, explorer.slo)
    legend = seen.text("policies")
    for name, words in (("knn", "policy knn"), ("best_single", "best single path")):
        assert f"{words} {found[name]['quality']:.3f}" in " ".join(legend.split())
    for words in ("cloud only", "router", "oracle", "held-out queries"):
        assert words in legend
    assert "nearest" not in legend  # the SLO that is set was replayed
    seen.type("max_latency_s", "0.07 s")
    assert "the nearest SLO that was replayed" in seen.text("policies")
    trail = "(root) => root.explorer.scene().policies.trail.length"
    before = seen.root.evaluate(trail)
    assert before >= 2
    seen.drag("max_latency_s", 0.05)
    seen.drag("max_latency_s", 0.95)
    assert seen.root.evaluate(trail) > before
    spots = seen.root.evaluate("(root) => root.explorer.scene().c.places.spots[1]")
    assert {"knn", "oracle", "cloud_only"} <= {spot["name"] for spot in spots}
    x, y = next(spot["at"] for spot in spots if spot["name"] == "cloud_only")
    box = seen.plot.bounding_box()
    seen.page.mouse.move(box["x"] + x - 3, box["y"] + y)
    seen.page.mouse.move(box["x"] + x, box["y"] + y, steps=3)
    tip = seen.root.locator(".ecl-tip").inner_text()
    for words in ("cloud only", "quality", "USD per 1,000 queries", "latency", "under"):
        assert words in tip
    seen.slider("max_latency_s").evaluate("(node) => node.focus({ preventScroll: true })")
    seen.page.keyboard.press("Home")  # the mouse rests; what it points at has other numbers now
    seen.calm()
    due = seen.root.evaluate(
        "(root) => { const { c, policies } = root.explorer.scene();"
        " const spot = c.places.spots[1].find(({ name }) => name === policies.pointed);"
        " return spot ? [spot.card().join('\\n')] : []; }"
    )
    assert seen.root.locator(".ecl-tip").all_text_contents() == due
    seen.page.mouse.move(0, 0)
    assert seen.root.locator(".ecl-tip").count() == 0
    assert issues(seen.page) == []


def test_the_other_side_is_decided_under_the_same_slo_and_drawn_hollow(browser, part, tmp_path):
    other = thinned(part, 40, 40)
    explorer = explore(part, other)
    seen = opened(browser, explorer, tmp_path / "page.html")
    for text in ("15 ms", "60 ms", "1 ms"):
        seen.type("max_latency_s", text)
        explorer.state = seen.state
        a, b = explorer.comparison.to_dict("records")
        said = seen.text("versus")
        if not b["n_feasible"]:
            assert "no path keeps it there" in said
        elif a["path_id"] == b["path_id"]:
            assert "The same path wins in B" in said
        else:
            assert f"B's best, {b['path_id']}," in said
        drawn = seen.root.evaluate(
            "(root) => { const { other, c } = root.explorer.scene();"
            " return [other.q.paths[other.decision.chosen] ?? null,"
            " c.places.spots[0].map((spot) => spot.name)]; }"
        )
        assert drawn[0] == (b["path_id"] if b["n_feasible"] else None)
        assert all(name.startswith("B|") for name in drawn[1])
        assert len(drawn[1]) > 2
    assert "In B: quality" in seen.text("card") or seen.chosen == ""
    assert issues(seen.page) == []
