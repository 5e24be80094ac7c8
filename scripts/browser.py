"""A real JupyterLab driven by a headless Chromium: for the browser test, the screenshots and the benchmark of the explorer."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import jupytext
from plotly.offline import get_plotlyjs

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ROOT = Path(__file__).parent.parent
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # a container's shared memory is small
)
NO_NEWS = '{"fetchNews": "false", "checkForUpdates": false}'


def find_chromium() -> str | None:
    """Return the path of an installed Chromium or Chrome, or None."""
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


@contextmanager
def jupyter_lab(root: Path) -> Iterator[str]:
    """Serve `root` with JupyterLab on a free loopback port, apart from the user's settings; yield the address with its token.

    Raises
    ------
    RuntimeError
        If the server ends or does not answer within two minutes; its log is part of the message.

    """
    token = secrets.token_hex(16)
    direct = build_opener(ProxyHandler({}))  # a proxy does not know this machine's own address
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        settings = Path(
            home,
            "settings",
            "@jupyterlab",
            "apputils-extension",
            "notification.jupyterlab-settings",
        )
        settings.parent.mkdir(parents=True)
        settings.write_text(NO_NEWS)
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }
        env = os.environ | {name: str(Path(home, place)) for name, place in places.items()}
        env |= {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        with Path(home, "log").open("w+") as log:
            server = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jupyterlab",
                    "--no-browser",
                    "--allow-root",
                    f"--ServerApp.root_dir={root}",
                    "--ServerApp.ip=127.0.0.1",
                    f"--ServerApp.port={port}",
                    "--ServerApp.port_retries=0",
                    f"--IdentityProvider.token={token}",
                ],
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                for _ in range(240):
                    try:
                        direct.open(
                            f"http://127.0.0.1:{port}/api/status?token={token}", timeout=5
                        ).close()
                        break
                    except (URLError, OSError):
                        if server.poll() is not None:
                            break
                        time.sleep(0.5)
                else:
                    server.kill()
                if server.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(f"JupyterLab did not start:\n{log.read()[-4000:]}")
                yield f"http://127.0.0.1:{port}/doc/tree/{{}}?token={token}"
            finally:
                server.terminate()  # takes its kernels with it
                try:
                    server.wait(30)
                except subprocess.TimeoutExpired:
                    server.kill()


@contextmanager
def chromium_page(width: int = 1440, height: int = 1100) -> Iterator[Page]:
    """Yield a page of a headless Chromium, which ends with the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(60_000)
        try:
            yield page
        finally:
            browser.close()


_DONE = """() => {
    const broken = document.querySelector("[data-mime-type='application/vnd.jupyter.error']");
    if (broken) return broken.textContent;
    const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')].map((cell) => cell.textContent);
    const idle = document.querySelector(".jp-Notebook-ExecutionIndicator[data-status='idle']");
    return idle !== null && cells.length > 0 && cells.every((prompt) => /\\[\\d+\\]/.test(prompt));
}"""


def run_all_cells(page: Page, address: str) -> None:
    """Open a notebook and run all of its cells through the menu, as a person would; return once the kernel is idle again."""
    page.goto(address)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.locator(
        ".jp-StatusBar-TextItem", has_text="| Idle"
    ).wait_for()  # not before the kernel has been chosen, started and heard from
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    done = page.wait_for_function(_DONE, timeout=300_000).json_value()
    if done is not True:
        raise RuntimeError(f"A cell of {address} failed:\n{done}")


@contextmanager
def open_explorer(
    notebook: str = "notebooks/03_pareto_slo_explorer.ipynb",
) -> Iterator[SeenExplorer]:
    """Run a notebook in a copy of notebooks/ and data/, as a person would, and yield the first explorer in it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        for folder in ("notebooks", "data"):
            shutil.copytree(ROOT / folder, Path(root, folder))
        text = Path(root, notebook).with_suffix(".py")  # the .ipynb is not committed
        jupytext.write(jupytext.read(text), Path(root, notebook))
        with jupyter_lab(Path(root)) as address, chromium_page() as page:
            run_all_cells(page, address.format(notebook))
            yield SeenExplorer(page)


_DRAWN = """(plot) => {
    const traces = (name) => plot.data.filter((trace) => trace.name.startsWith(name) && (trace.xaxis || 'x') === 'x');
    const within = Object.fromEntries(traces('within').map((trace) => [trace.name.slice(7), [...trace.y]]));
    const keeps = (trace) => (_, i) => Number.isFinite(within[trace.name.slice(6)][i]);
    const shown = traces('cloud').flatMap((trace) => [...trace.customdata].filter(keeps(trace)));
    const [halo] = traces('chosen');
    const inside = (trace) => (_, i) => trace.x[i] === halo.x[0] && trace.y[i] === halo.y[0];
    const under = traces('cloud').flatMap((trace) => [...trace.customdata].filter(inside(trace)));
    return {shown: shown.sort(), chosen: under, zoom: plot.layout.xaxis.range};
}"""
_PLACES = """(plot) => {
    const box = plot.getBoundingClientRect(), {xaxis, yaxis} = plot._fullLayout;
    return plot.data.filter((trace) => trace.name.startsWith('cloud') && (trace.xaxis || 'x') === 'x').flatMap((trace) =>
        [...trace.customdata].map((id, i) => [id, box.left + xaxis._offset + xaxis.d2p(trace.x[i]),
            box.top + yaxis._offset + yaxis.d2p(trace.y[i])]));
}"""


class SeenExplorer:
    """The explorer as a person sees and touches it.

    Attributes
    ----------
    root, plot
        Locators of all of it, and of its figure.

    """

    def __init__(self, page: Page) -> None:
        self.page, self.root = page, page.locator(".ecl").first
        self.plot = self.root.locator(".js-plotly-plot")
        self.root.scroll_into_view_if_needed()

    def slider(self, name: str) -> Locator:
        """Return the handle of a slider: "latency", "cost" or "min_quality"."""
        return self.root.locator(f".ecl-{name} .noUi-handle")

    def limit(self, name: str) -> float:
        """Return the number typed beside a slider."""
        return float(self.root.locator(f".ecl-{name} input").input_value())

    def text(self, part: str) -> str:
        """Return what a part says: "sentence", "card", "queries"."""
        return self.root.locator(f".ecl-{part}").first.text_content() or ""

    def press(self, name: str, key: str, times: int) -> None:
        """Press a key on the latency or the cost slider so many times and wait until all that follows has stood still for most of a second.

        The kernel writes the number beside the slider, the browser moves the handle: once they
        agree, the kernel has heard of every press.

        Raises
        ------
        RuntimeError
            If that takes more than a minute.

        """
        self.slider(name).focus()
        for _ in range(times):
            self.page.keyboard.press(key)
        handle = self.root.locator(f".ecl-{name} .noUi-target")
        calm, last, until = 0, None, time.monotonic() + 60
        while calm < 8:
            if time.monotonic() > until:
                raise RuntimeError(
                    f"The explorer did not come to rest within a minute of {times} × {key} on"
                    f" {name}; it says {last}."
                )
            self.page.wait_for_timeout(100)
            now = (self.limit(name), self.text("sentence"))
            heard = (
                abs(
                    now[0]
                    / 10 ** handle.evaluate("(target) => Number(target.noUiSlider.get(true))")
                    - 1
                )
                < 1e-3
            )
            calm, last = calm + 1 if heard and now == last else 0, now

    def drawn(self) -> dict[str, Any]:
        """Return what the plot against cost shows: ids of the paths that keep the limits and of those in the halo, and the zoom."""
        return self.plot.evaluate(_DRAWN)

    def places(self) -> list[tuple[str, float, float]]:
        """Return (path_id, x, y) of every point of the plot against cost, in pixels of the page."""
        self.plot.scroll_into_view_if_needed()
        return [tuple(place) for place in self.plot.evaluate(_PLACES)]

    def shot(self, file: Path) -> None:
        """Photograph it, with the mouse away from it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.mouse.move(0, 0)
        self.page.wait_for_timeout(1000)
        self.root.screenshot(path=file)


_STAMPS = """(plot) => {
    const stamps = window.paintStamps = {key: 0, painted: 0};
    const paint = () => requestAnimationFrame(() => setTimeout(() => { stamps.painted = performance.now(); }));
    new MutationObserver(paint).observe(plot, {subtree: true, childList: true, attributes: true, characterData: true});
    plot.on('plotly_afterplot', paint);
    document.addEventListener('keydown', () => { stamps.key = performance.now(); }, true);
}"""
_QUIET = (
    "() => performance.now() - Math.max(window.paintStamps.key, window.paintStamps.painted) > 300"
)


def key_to_paint_ms(page: Page, plot: Locator, slider: Locator, presses: int = 40) -> list[float]:
    """Press an arrow key on a slider and measure the milliseconds until the last frame in which anything in the figure changed.

    The clock starts in the page's own keydown event and stops in the task after the frame; between
    lie the way to the kernel and back and the drawing. A press counts as answered once nothing has
    changed for 300 ms. Lower is better. A quarter as many presses before warm up and do not count.
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


def floor_ms(page: Page, drawn: dict[str, Any], presses: int = 40) -> list[float]:
    """Measure the same for a bare range input that restyles a figure and moves its first shape: no kernel, no widgets, Plotly alone.

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


def measure(presses: int = 40) -> list[dict[str, Any]]:
    """Return records of key press to painted figure in a real JupyterLab, and of the browser's own floor with the same figure beside it.

    `value` is the median in milliseconds, `p95` the 95th percentile; lower is better.
    """
    with open_explorer() as seen:
        size = (
            int(
                seen.plot.evaluate(
                    "(plot) => plot.data.filter((t) => t.name.startsWith('cloud')).flatMap((t) =>"
                    " [...t.x]).length"
                )
            )
            // 2
        )
        times = key_to_paint_ms(seen.page, seen.plot, seen.slider("latency"), presses)
        drawn = seen.plot.evaluate("(plot) => ({data: plot.data, layout: plot.layout})")
        floor = floor_ms(seen.page, drawn, presses)
    common = {"trace": "smart_home", "size": f"{size} paths"}
    return [
        {
            "metric": "key_to_paint_ms",
            "value": median(times),
            "p95": quantiles(times, n=20)[-1],
            "at_most": 250,
            **common,
        },
        {
            "metric": "key_to_paint_floor_ms",
            "value": median(floor),
            "p95": quantiles(floor, n=20)[-1],
            **common,
        },
    ]
