"""The explorer in a real JupyterLab, in a real browser, by real keys and clicks; what it must show is computed here, apart from it."""

import os
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecollm_lab import explore
from scripts.browser import ROOT, find_chromium, open_explorer

pytest.importorskip(
    "playwright", reason="the browser test needs playwright: pip install playwright"
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not find_chromium(), reason="the browser test needs Chromium: apt-get install chromium"
    ),
]
SHOTS = Path(os.environ.get("ECOLLM_SCREENSHOTS", ROOT / "build/screenshots"))


TRACES = """(plot, names) => plot.data.filter((trace) => names.includes(trace.name)).map((trace) => {
    const size = (trace.marker || {}).size;
    return [trace.name, trace.xaxis || 'x', [...trace.x, ...trace.y, ...(size === undefined ? [] : size.length ? size : [size])]];
})"""


@pytest.fixture(scope="module")
def seen():
    with open_explorer() as seen:
        yield seen


def eventually(get, expected, seconds=60):
    """Read again until what is read is what is expected; the last reading is compared in any case."""
    until = time.monotonic() + seconds
    while (got := get()) != expected and time.monotonic() < until:
        time.sleep(0.1)
    assert got == expected


def means(trace):
    """Means per path straight from the outcomes."""
    table = trace.outcomes.groupby("path_id")[["quality", "cost_usd", "latency_s"]].mean()
    return table.assign(usd_per_1k=1000 * table["cost_usd"])


def within_limits(seen, frame):
    """Wait until the plot shows the paths that keep both limits, and return them; a limit is known as rounded as it is shown."""

    def kept(slack):
        return set(
            frame.index[
                (frame["latency_s"] <= latency * slack) & (frame["usd_per_1k"] <= cost * slack)
            ]
        )

    latency, cost = seen.limit("latency"), seen.limit("cost")
    eventually(lambda: kept(1 - 1e-3) <= set(seen.drawn()["shown"]) <= kept(1 + 1e-3), True)
    shown = seen.drawn()["shown"]
    assert len(shown) == len(set(shown))
    return frame.loc[shown]


def test_the_latency_slider_moved_by_keyboard_changes_path_numbers_and_points(seen, measured):
    frame, before = means(measured), seen.limit("latency")
    within_limits(seen, frame)
    seen.shot(SHOTS / "explorer_start.png")
    zoom = seen.drawn()["zoom"]
    told = set()
    for name, key, times in (
        ("cost", "End", 1),
        ("latency", "ArrowRight", 30),
        ("latency", "ArrowLeft", 35),
    ):
        seen.press(name, key, times)
        within = within_limits(seen, frame)
        top, sentence = (
            within[within["quality"] > within["quality"].max() - 1e-9],
            seen.text("sentence"),
        )
        best = next(row for path_id, row in top.iterrows() if f"{path_id} wins: " in sentence)
        assert best.name in seen.drawn()["chosen"]
        assert f"{best.name} wins: quality {best['quality']:.3f}" in sentence
        assert f"{1000 * best['cost_usd']:.3g} USD/1k" in sentence
        told.add(best.name)
    assert seen.limit("latency") < before < frame["latency_s"].max()
    assert 0 < len(within) < len(frame)
    assert len(told) > 1
    assert seen.drawn()["zoom"] == zoom
    seen.shot(SHOTS / "explorer_tight.png")


def test_a_click_on_a_point_shows_its_detail_and_its_queries(seen, measured):
    frame = means(measured)
    places = pd.DataFrame(seen.places(), columns=["path_id", "x", "y"]).set_index("path_id")
    apart = np.hypot(
        *(places[c].to_numpy()[:, None] - places[c].to_numpy() for c in "xy")
    ) + 1e9 * np.eye(len(places))
    beyond = frame.loc[places.index, "latency_s"].to_numpy() > seen.limit("latency")
    path_id = places.index[
        np.where(beyond, apart.min(axis=1), 0).argmax()
    ]  # alone where it lies, and over the limit
    x, y = places.loc[path_id]
    seen.page.mouse.move(x - 3, y)
    seen.page.mouse.move(x, y, steps=3)
    row = frame.loc[path_id]
    eventually(
        lambda: f"quality {row['quality']:.3f}" in seen.text("card"), True
    )  # pointed at, it is shown
    seen.page.wait_for_timeout(500)  # as long as it takes to read
    seen.page.mouse.click(x, y, delay=50)
    eventually(lambda: path_id in seen.root.locator("select").last.input_value(), True)
    seen.page.mouse.move(0, 0)
    seen.page.wait_for_timeout(1000)  # and clicked, it stays
    why = re.search(r"Why not this one\?.*latency is ([\d.]+) s over", seen.text("card"))
    assert float(why[1]) == pytest.approx(row["latency_s"] - seen.limit("latency"), rel=0.02)
    seen.root.get_by_role("tab", name="queries behind the path").click()
    best = measured.outcomes.groupby("query_id")["quality"].max()
    mine = measured.outcomes[measured.outcomes["path_id"] == path_id].set_index("query_id")
    worst = (
        mine.assign(regret=best - mine["quality"])
        .sort_values(["regret", "latency_s"], ascending=False)
        .index[0]
    )
    eventually(lambda: worst in seen.text("queries"), True)
    assert measured.queries.set_index("query_id").loc[worst, "text"] in seen.text("queries")
    seen.shot(SHOTS / "explorer_why_not.png")


def test_a_filter_redraws_everything_and_deletes_nothing(seen, measured):
    twin = explore(measured, state={"kind": "lookup", "min_quality": 0.1})
    seen.root.locator(".ecl-min_quality input").fill("0.1")
    seen.page.keyboard.press("Tab")
    seen.root.locator("select").nth(1).select_option("kind: lookup")
    moving = (
        "stairs",
        "within",
        "lit",
        "chosen",
        "labels",
        "pins",
        "bars",
    )  # follow the limits; the others the selected queries alone
    still = [trace for trace in twin.figure.data if not trace.name.startswith(moving)]
    expected = {
        (trace.name, trace.xaxis or "x"): [
            round(float(v), 9)
            for v in (
                *trace.x,
                *trace.y,
                *np.ravel([] if trace.marker.size is None else trace.marker.size),
            )
        ]
        for trace in still
        if trace.name != "density"
    }
    names = sorted({name for name, _ in expected})

    def drawn():
        got = seen.plot.evaluate(TRACES, names)
        return {(name, axis): [round(v, 9) for v in values] for name, axis, values in got}

    eventually(drawn, expected)
    seen.root.locator("select").nth(1).select_option("kind: all")
    seen.root.locator(".ecl-min_quality input").fill("0")
    seen.page.keyboard.press("Tab")
    seen.page.wait_for_timeout(1000)


def test_an_infeasible_slo_is_called_so_and_a_button_leads_out(seen):
    seen.press("latency", "Home", 1)
    seen.press("cost", "Home", 1)
    eventually(lambda: "Infeasible" in seen.text("sentence"), True)
    eventually(lambda: (seen.drawn()["shown"], seen.drawn()["chosen"]), ([], []))
    seen.shot(SHOTS / "explorer_infeasible.png")
    seen.root.get_by_role("button").filter(has_text="→").first.click()
    eventually(lambda: " wins: " in seen.text("sentence"), True)
    assert seen.drawn()["chosen"]
