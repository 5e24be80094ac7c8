"""How fast the explorer answers a hand: from a key to the painted figure, and during a drag."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from plotly.offline import get_plotlyjs

from scripts.browser import SeenExplorer

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

_STAMPS = """(plot) => {
    const stamps = window.paintStamps = {key: 0, painted: 0, count: 0};
    const paint = () => requestAnimationFrame(() => setTimeout(() => {
      stamps.painted = performance.now(); stamps.count++; }));
    plot.addEventListener('painted', paint);
    if (plot.on) plot.on('plotly_afterplot', paint);
    document.addEventListener('keydown', () => { stamps.key = performance.now(); }, true);
}"""
_QUIET = (
    "() => performance.now() - Math.max(window.paintStamps.key, window.paintStamps.painted) > 300"
)


def key_to_paint_ms(page: Page, plot: Locator, slider: Locator, presses: int = 40) -> list[float]:
    """Press an arrow key on a slider and measure the milliseconds until the figure has changed.

    The clock starts in the page's own keydown event and stops after the last changed frame. A press
    counts as answered once nothing has changed for 300 ms. Lower is better. A quarter as many
    presses before warm up and do not count.
    """
    plot.evaluate(_STAMPS)
    slider.focus()
    times = []
    for press in range(-(presses // 4), presses):
        page.keyboard.press("ArrowLeft" if press % 20 < 10 else "ArrowRight")
        page.wait_for_function(_QUIET)
        if press >= 0:
            times.append(page.evaluate("() => window.paintStamps.painted - window.paintStamps.key"))
    return times


def drag_repaints(
    seen: SeenExplorer, name: str = "max_latency_s", seconds: float = 3.0
) -> tuple[float, float]:
    """Drag a slider to and fro as fast as the browser takes it.

    Returns repaints a second, and moves of the mouse a second: where both are equal, every move was
    painted, and the hand was the slower.
    """
    seen.plot.evaluate(_STAMPS)
    box = seen.slider(name).bounding_box()
    assert box
    height, start, width = box["y"] + box["height"] / 2, box["x"] + 10, box["width"] - 20
    at = float(seen.slider(name).input_value())
    seen.page.mouse.move(start + at * width, height)
    seen.page.mouse.down()
    began, turns, steps = time.monotonic(), 0, 30
    while time.monotonic() - began < seconds:
        turns += 1
        seen.page.mouse.move(start + width * (0.1 if turns % 2 else 0.9), height, steps=steps)
    painted = seen.page.evaluate("() => window.paintStamps.count")
    took = time.monotonic() - began
    seen.page.mouse.up()
    return float(painted / took), turns * steps / took


def floor_ms(page: Page, drawn: dict[str, Any], presses: int = 40) -> list[float]:
    """Measure the same for a bare range input that moves one shape of the figure: Plotly alone.

    `drawn` is the figure's data and layout as the page had them.
    """
    page.set_content(
        "<main><div id='plot'></div><input type=range min=0.01 max=1 step=0.01 value=0.5></main>"
    )
    page.add_script_tag(content=get_plotlyjs())
    page.evaluate(_BARE, drawn)
    return key_to_paint_ms(page, page.locator("#plot"), page.locator("input"), presses)


_BARE = """async ({data, layout}) => {
    const plot = document.getElementById('plot'), slider = document.querySelector('input');
    await Plotly.newPlot(plot, data, layout);
    slider.oninput = () => Plotly.update(plot, {opacity: slider.value},
        {'shapes[0].visible': true, 'shapes[0].x0': slider.value, 'shapes[0].x1': slider.value});
}"""
