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
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from plotly.graph_objects import Figure

ROOT = Path(__file__).parent.parent
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
NO_NEWS = '{"fetchNews": "false", "checkForUpdates": false}'


def find_chromium() -> str | None:
    """Return the path of an installed Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def jupyter_lab(root: Path) -> Iterator[str]:
    """Serve `root` with JupyterLab on a free loopback port, apart from the user's settings; yield the address with its token.

    Raises
    ------
    RuntimeError
        If the server ends or does not answer within two minutes; its log is part of the message.

    """
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        settings = Path(home, "settings", "@jupyterlab", "apputils-extension", "notification.jupyterlab-settings")
        settings.parent.mkdir(parents=True)
        settings.write_text(NO_NEWS)
        places = {
            "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython",
            "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }  # fmt: skip
        env = os.environ | {name: str(Path(home, place)) for name, place in places.items()}
        env |= {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        with Path(home, "log").open("w+") as log:
            server = subprocess.Popen(
                [
                    sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={root}",
                    "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
                    f"--IdentityProvider.token={token}",
                ],
                env=env, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                for _ in range(240):
                    try:
                        urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=5).close()
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
def chromium_page(width: int = 1440, height: int = 1000) -> Iterator[Page]:
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
    const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')].map((cell) => cell.textContent);
    const idle = document.querySelector(".jp-Notebook-ExecutionIndicator[data-status='idle']");
    return idle && cells.length > 0 && cells.every((prompt) => /\\[\\d+\\]/.test(prompt));
}"""


def run_all_cells(page: Page, address: str) -> None:
    """Open a notebook and run all of its cells through the menu, as a person would; return once the kernel is idle again."""
    page.goto(address)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.locator(".jp-StatusBar-TextItem", has_text="| Idle").wait_for()  # not before the kernel has been chosen, started and heard from
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(_DONE, timeout=120_000)


_STAMPS = """(root) => {
    const stamps = window.paintStamps = {key: 0, painted: 0};
    const paint = () => requestAnimationFrame(() => setTimeout(() => { stamps.painted = performance.now(); }));
    new MutationObserver(paint).observe(root, {subtree: true, childList: true, attributes: true, characterData: true});
    root.querySelectorAll('.js-plotly-plot').forEach((plot) => plot.on('plotly_afterplot', paint));
    document.addEventListener('keydown', () => { stamps.key = performance.now(); }, true);
}"""
_QUIET = "() => performance.now() - Math.max(window.paintStamps.key, window.paintStamps.painted) > 300"


def key_to_paint_ms(page: Page, root: Locator, slider: Locator, presses: int = 40) -> list[float]:
    """Press an arrow key on a slider and measure the milliseconds until the last frame in which anything under `root` changed.

    The clock starts in the page's own keydown event and stops in the task after the frame; between lie the way to the kernel and back
    and the drawing. A press counts as answered once nothing has changed for 300 ms. Lower is better.
    """
    root.evaluate(_STAMPS)
    slider.focus()
    times = []
    for press in range(presses):
        page.keyboard.press("ArrowLeft" if press % 20 < 10 else "ArrowRight")
        page.wait_for_function(_QUIET)
        times.append(page.evaluate("() => window.paintStamps.painted - window.paintStamps.key"))
    return times


def floor_ms(page: Page, figure: Figure, presses: int = 40) -> list[float]:
    """Measure the same for a bare range input that restyles the figure and moves its first shape: no kernel, no widgets, Plotly alone."""
    body = figure.to_html(full_html=False, include_plotlyjs=True)
    page.set_content(f"<main>{body}<input type=range min=0.01 max=1 step=0.01 value=0.5></main>")
    page.locator(".js-plotly-plot").first.wait_for()
    page.evaluate(
        """() => {
            const plot = document.querySelector('.js-plotly-plot'), slider = document.querySelector('input');
            slider.oninput = () => Plotly.update(plot, {opacity: slider.value},
                {'shapes[0].visible': true, 'shapes[0].x0': slider.value, 'shapes[0].x1': slider.value});
        }"""
    )
    return key_to_paint_ms(page, page.locator("main"), page.locator("input"), presses)
