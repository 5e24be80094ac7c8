"""The offline page in a real Chromium, set as a hand would set it: what is set is what holds."""

import json
import re

import numpy as np
import pytest

from ecollm_lab.explorer.decision import decide
from scripts.browser import SeenExplorer
from tests.explorer.browsing import agree, in_browser, pick, slo_on

pytestmark = in_browser
MOVES = 30  # random ones; set it to 100 or more for a longer walk


def test_a_drag_follows_the_hand_and_is_one_step(seen, view):
    seen.type("max_cost_usd", "")
    before = seen.drawn()
    seen.drag("max_latency_s", 0.75)
    agree(seen, view)
    limit = seen.state["max_latency_s"]
    assert len(f"{limit:.17g}".rstrip("0")) > 1
    assert float(f"{limit:.3g}") == limit  # what the box shows is what holds
    after = seen.drawn()
    assert (len(after["within"]) > len(before["within"]), after["zoom"]) == (True, before["zoom"])
    seen.click("undo")
    assert seen.drawn()["within"] == before["within"]
    for at, unlimited in ((0.5, False), (1.0, True)):
        seen.drag("max_cost_usd", at)
        assert (seen.state["max_cost_usd"] is None) == unlimited
        agree(seen, view)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_latency_s", "0.0512345678901 s", 0.0512345678901),
        ("max_latency_s", "50 ms", 0.05),
        ("max_cost_usd", "0.00012", 1.2e-7),
        ("min_quality", "61.5 %", 0.615),
    ],
)
def test_a_limit_is_what_was_typed(seen, view, name, text, value):
    seen.type(name, text)
    assert seen.state[name] == value
    agree(seen, view)
    seen.click("p95")
    assert seen.state[name] == value
    assert seen.state["statistic"] == "p95"
    agree(seen, view)


def test_what_cannot_be_read_is_said_and_changes_nothing(seen):
    before = seen.state
    seen.type("max_latency_s", "fast")
    assert "type for example 50 ms" in seen.root.inner_text()
    assert seen.state == before
    box = seen.root.locator("[data-limit=max_latency_s] .ecl-typed")
    assert box.get_attribute("aria-invalid") == "true"
    seen.click("start")
    assert box.get_attribute("aria-invalid") == "false"
    assert box.input_value() != "fast"
    assert "type for example 50 ms" not in seen.root.inner_text()


def test_arrow_keys_step_to_the_next_path_and_home_and_end_to_the_ends(seen, view):
    seen.type("max_cost_usd", "no limit")
    kept = len(seen.drawn()["within"])
    for key, by in (("ArrowRight", 1), ("ArrowRight", 1), ("ArrowLeft", -1)):
        limit = seen.state["max_latency_s"]
        seen.press("max_latency_s", key)
        assert (seen.state["max_latency_s"] > limit) == (by > 0)
        agree(seen, view)
        assert (len(seen.drawn()["within"]) - kept) * by >= 0
        kept = len(seen.drawn()["within"])
    spoken = seen.slider("max_latency_s").get_attribute("aria-valuetext")
    assert re.fullmatch(r"latency ≤ [\d.]+ ms", spoken)
    seen.press("max_latency_s", "End")
    assert seen.state["max_latency_s"] is None
    assert seen.slider("max_latency_s").get_attribute("aria-valuetext") == "no limit on latency"
    winner = seen.chosen
    seen.press("max_latency_s", "PageDown")
    assert seen.chosen != winner


def test_an_infeasible_slo_says_so_and_each_offer_leads_out(seen, view):
    for k in range(2):
        seen.type("max_latency_s", "1 ms")
        seen.type("min_quality", "0.7")
        seen.type("max_cost_usd", "0.0002")
        agree(seen, view)
        assert seen.drawn()["chosen"] == []
        offers = seen.root.locator("[data-offer]")
        if 0 < k >= offers.count():  # the first is always there
            break
        seen.click(offers.nth(k).inner_text())
        assert agree(seen, view).chosen is not None


def test_random_moves_land_where_they_say(seen, view):
    """Random limits by typing, then an offer or "wins with…" where there is one; then all of it
    undone and redone.
    """
    rng = np.random.default_rng(0)
    names, states, wins, offers = list(view.path_ids), [seen.state], 0, 0
    for k in range(MOVES):
        what = rng.integers(4)
        if what == 0:
            seen.type("max_latency_s", f"{10 ** rng.uniform(0.3, 2.2):.6g} ms")
        elif what == 1:
            seen.type("max_cost_usd", f"{10 ** rng.uniform(-5, -3):.6g}")
        elif what == 2:
            seen.type("min_quality", f"{rng.uniform(0.3, 0.75):.4g}")
        else:
            seen.click(str(rng.choice(["quality", "cost", "latency"])))
        if seen.root.locator("[data-offer]").count():
            offers += 1
            seen.root.locator("[data-offer]").first.click()
            seen.calm()
            assert agree(seen, view).chosen is not None, k
        elif rng.random() < 0.4:
            front = np.flatnonzero(view.state["mean"] == 0)
            path = names[int(rng.choice(front))]
            pick(seen, path)
            win = seen.root.locator(".ecl-win")
            if win.count():
                wins += 1
                win.click()
                seen.calm()
                assert seen.chosen == path, k
        agree(seen, view)
        states.append(seen.state)
    assert wins > MOVES / 20
    assert offers > MOVES / 20
    steps = seen.root.evaluate("(root) => root.explorer.journey().at")
    for _ in range(steps):
        seen.root.locator("[data-act=undo]").click()
    seen.calm()
    assert seen.state == {**states[0], "tab": seen.state["tab"]}
    for _ in range(steps):
        seen.root.locator("[data-act=redo]").click()
    seen.calm()
    assert seen.state == states[-1]


def test_why_not_this_one_and_the_change_that_lets_it_win(seen, view):
    seen.type("max_latency_s", "20 ms")
    best = int(view.quality.argmax())
    pick(seen, view.path_ids[best])
    card = seen.text("card")
    over = 1000 * (view.latency["mean"][best] - 0.02)
    assert "Why not this one?" in card
    assert "Breaks the latency limit" in card
    assert f"{over:.3g} ms over the limit" in card
    assert re.search(r"\d+ % of queries take longer than the limit", card)
    front = next(
        i for i in np.flatnonzero(view.state["mean"] == 0) if view.latency["mean"][i] > 0.02
    )
    pick(seen, view.path_ids[front])
    seen.root.locator(".ecl-win").click()
    seen.calm()
    assert seen.chosen == view.path_ids[front]
    agree(seen, view)


def test_pointing_lights_a_path_everywhere_a_click_selects_it_and_shows_its_queries(seen, explorer):
    view, measured = explorer.board.view(), explorer.trace
    seen.tab("queries behind the path")
    places = seen.places()
    names, xy = list(places), np.array(list(places.values()))
    apart = np.hypot(*(xy[:, None] - xy).transpose(2, 0, 1)) + 1e9 * np.eye(len(xy))
    beyond = view.latency["mean"][[view.path_ids.index(name) for name in names]] > 0.03
    front = [view.state["mean"][view.path_ids.index(name)] == 0 for name in names]
    path = names[int(np.where(front, apart.min(axis=1), 0).argmax())]
    assert beyond.any()
    x, y = places[path]
    seen.page.mouse.move(x - 2, y)
    seen.page.mouse.move(x, y, steps=4)
    seen.page.wait_for_timeout(300)
    assert seen.drawn()["lit"] == [path]
    quality = view.quality[view.path_ids.index(path)]
    assert f"quality {quality:.3f}" in seen.text("card")
    hover = seen.plot.locator(".hoverlayer").text_content()
    assert path.split("/")[-1] in hover
    assert "USD per 1,000 queries" in hover
    seen.page.mouse.click(x, y, delay=40)
    seen.page.mouse.move(0, 0)
    seen.page.wait_for_timeout(300)
    seen.calm()
    assert seen.state["selected"] == path
    assert seen.drawn()["lit"] == [path]
    panel = seen.text("panel")
    quality = measured.array("quality")
    i = measured.path_ids.index(path)
    regret = quality.max(axis=1) - quality[:, i]
    order = np.lexsort((-measured.array("latency_s")[:, i], -regret))
    first, fifth = (measured.queries["query_id"].iloc[order[k]] for k in (0, 4))
    assert first in panel
    assert fifth not in panel
    seen.click("next")
    assert fifth in seen.text("panel")
    for part in ("regret", "right:", "generate"):
        assert part in seen.text("panel")


def test_pins_are_numbered_compared_and_follow_undo(seen, view):
    for path in view.path_ids[:2]:
        pick(seen, path)
        seen.root.locator("[data-act=pin]").click()
        seen.calm()
    assert seen.drawn()["pins"] == list(view.path_ids[:2])
    assert "Against pin 1" in seen.text("card")
    assert re.search(r"Against pin 2.*(better|worse|not separable|same)", seen.text("sentence"))
    seen.click("undo")
    assert seen.drawn()["pins"] == list(view.path_ids[:1])


def test_components_show_what_it_costs_to_insist_and_dropping_rethresholds(seen, view):
    seen.type("max_latency_s", "50 ms")
    seen.type("max_cost_usd", "")
    seen.tab("components")
    kept = [i for i, path in enumerate(view.path_ids) if path.startswith("hyde/")]
    decision = decide(view, slo_on(seen))
    share = decision.within[kept].sum() / decision.within.sum()
    row = seen.root.locator("tr[data-slug=hyde]").inner_text()
    assert f"{round(100 * share)} %" in row
    dropped = {"0": [s for s in ("none", "keywords") if s != "hyde"]}
    best = decide(view, slo_on(seen), dropped=dropped).chosen
    gap = view.quality[best] - view.quality[decision.chosen]
    assert f"quality {'+' if gap > 0 else '−'}{abs(gap):.3f}" in row
    seen.root.locator("tr[data-stage='0'][data-slug=none] .ecl-keep").click()
    seen.calm()
    assert seen.state["dropped"] == {"0": ["none"]}
    agree(seen, view)
    assert not any(path.startswith("none/") for path in seen.drawn()["within"])
    seen.click("undo")
    agree(seen, view)


def test_the_table_sorts_searches_and_marks_the_winner(seen, view):
    rows = seen.root.locator("tr[data-path]")
    assert rows.count() == len(view.path_ids)
    seen.type("max_latency_s", "20 ms")
    assert seen.chosen in rows.first.inner_text()
    beyond = [
        name == "ecl-beyond" for name in rows.evaluate_all("(all) => all.map((r) => r.className)")
    ]
    assert any(beyond)
    assert beyond == sorted(beyond)
    seen.click("mean latency")
    fastest = view.path_ids[int(np.nanargmin(view.latency["mean"]))]
    assert fastest in rows.first.inner_text()
    seen.root.locator(".ecl-search").fill("hyde rerank")
    seen.calm()
    found = [path for path in view.path_ids if "hyde" in path and "rerank" in path]
    assert rows.count() == len(found)
    seen.root.locator(".ecl-search").fill(seen.chosen)
    seen.calm()
    assert "ecl-chosen" in rows.first.get_attribute("class")


def test_a_link_carries_the_state_and_the_page_says_what_needs_a_kernel(seen, file):
    state = {"max_latency_s": 0.0512345678901, "prefer": "cost", "tab": "journey"}
    seen.page.goto("about:blank")
    seen.page.goto(f"{file.as_uri()}#{json.dumps(state)}")
    again = SeenExplorer(seen.page)
    assert {key: again.state[key] for key in state} == state
    assert "from the link" in again.text("panel")
    kinds = again.root.locator("select[data-key=kind]")
    assert kinds.is_disabled()
    assert "needs a kernel" in kinds.get_attribute("title")
    seen.page.goto("about:blank")
    seen.page.goto(f"{file.as_uri()}#{json.dumps({**state, 'kind': 'lookup'})}")
    again = SeenExplorer(seen.page)
    again.calm()
    assert "no kernel runs to compute others" in again.text("sentence")
    again.root.locator("select[data-key=kind]").select_option("all")
    again.calm()
    assert "no kernel runs" not in again.text("sentence")
    assert again.root.locator("select[data-key=kind]").is_disabled()


def test_a_page_writes_code_and_csv_by_itself_and_says_why_it_writes_nothing_else(seen, tmp_path):
    seen.tab("take it with you")
    seen.click("copy as code")
    seen.page.wait_for_timeout(200)
    said = seen.root.locator(".ecl-said").inner_text()
    assert f'explorer.chosen == "{seen.chosen}"' in said
    with seen.page.expect_download() as caught:
        seen.click("CSV of the feasible paths")
    caught.value.save_as(tmp_path / "explorer.csv")
    rows = (tmp_path / "explorer.csv").read_text().splitlines()[1:]
    assert {row.split(",")[0] for row in rows} == set(seen.drawn()["within"])
    for what, why in (("toml", "where the numbers come from"), ("html", "This is the offline")):
        button = seen.root.locator(f"[data-take={what}]")
        assert button.is_disabled()
        assert why in button.get_attribute("title")
