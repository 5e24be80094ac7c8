"""A real JupyterLab driven by a headless Chromium, for tests, screenshots and benchmarks."""

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
from typing import TYPE_CHECKING, Any, TextIO
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import jupytext

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


def _settings(home: Path) -> dict[str, str]:
    """Write JupyterLab's settings below a folder and return the environment that uses them."""
    extensions = home / "settings"
    news = extensions / "@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    widgets = extensions / "@jupyter-widgets/jupyterlab-manager/plugin.jupyterlab-settings"
    for file, text in ((news, NO_NEWS), (widgets, '{"saveState": true}')):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    env = os.environ | {name: str(home / place) for name, place in places.items()}
    return env | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def _await_answer(server: subprocess.Popen[bytes], address: str, log: TextIO) -> None:
    """Wait up to two minutes for a server to answer; raise with its log if it does not."""
    direct = build_opener(ProxyHandler({}))  # a proxy does not know this machine's own address
    for _ in range(240):
        try:
            direct.open(address, timeout=5).close()
            return
        except (URLError, OSError):
            if server.poll() is not None:
                break
            time.sleep(0.5)
    server.kill()
    log.seek(0)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read()[-4000:]}")


@contextmanager
def jupyter_lab(root: Path) -> Iterator[str]:
    """Serve `root` with JupyterLab on a free loopback port and yield the address with its token.

    It runs apart from the user's settings.

    Raises
    ------
    RuntimeError
        If the server ends or does not answer within two minutes; its log is part of the message.

    """
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "--no-browser",
        "--allow-root",
        f"--ServerApp.root_dir={root}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
    ]
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        Path(home, "log").open("w+") as log,
    ):
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=_settings(Path(home)),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _await_answer(server, f"http://127.0.0.1:{port}/api/status?token={token}", log)
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
    const prompts = document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt');
    const cells = [...prompts].map((cell) => cell.textContent);
    const idle = document.querySelector(".jp-Notebook-ExecutionIndicator[data-status='idle']");
    return idle !== null && cells.length > 0 && cells.every((prompt) => /\\[\\d+\\]/.test(prompt));
}"""


def run_all_cells(page: Page, address: str) -> None:
    """Open a notebook and run all its cells through the menu, until the kernel is idle again."""
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
    """Run a notebook in a copy of notebooks/ and data/ and yield the first explorer in it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        for folder in ("notebooks", "data"):
            shutil.copytree(ROOT / folder, Path(root, folder))
        text = Path(root, notebook).with_suffix(".py")  # the .ipynb is not committed
        jupytext.write(jupytext.read(text), Path(root, notebook))
        with jupyter_lab(Path(root)) as address, chromium_page() as page:
            run_all_cells(page, address.format(notebook))
            yield SeenExplorer(page)


_DRAWN = """(root) => {
    const {p, c, decision, hidden, lit, pins} = root.explorer.scene(),
      plot = root.querySelector('.ecl-plot');
    const cloud = plot.data.find((trace) => trace.name === 'cloud');
    const paths = (list) => [...list].map((i) => p.paths[i]);
    return {within: paths(c.drawn.filter((i, k) => decision.within[i] && hidden[k] !== '0')),
        outlines: paths(cloud.customdata.filter((_, k) => cloud.y[k] !== null)), lit: paths(lit),
          pins: paths(pins),
        chosen: decision.chosen === null ? [] : paths([decision.chosen]),
          zoom: [...plot._fullLayout.xaxis.range]};
}"""
_PLACES = """(root) => {
    const {p, c} = root.explorer.scene(),
      box = root.querySelector('.ecl-plot').getBoundingClientRect();
    return c.drawn.map((i) => [p.paths[i], box.left + c.places.x[0][i], box.top + c.places.y[i]]);
}"""
_CALM = """(root) => new Promise((done) => {
    let left = 600;
    const look = () => (root.explorer.busy() && left-- ? requestAnimationFrame(look) : done());
    requestAnimationFrame(look);
})"""


class SeenExplorer:
    """An explorer in a browser, moved as a hand would move it."""

    def __init__(self, page: Page, number: int = 0) -> None:
        self.page, self.root = page, page.locator(".ecl").nth(number)
        self.root.wait_for()
        self.plot = self.root.locator(".ecl-plot")
        self.plot.locator(".main-svg").first.wait_for()
        self.calm()

    @property
    def state(self) -> dict[str, Any]:
        """What is set."""
        return dict(self.root.evaluate("(root) => root.explorer.moment().s"))

    @property
    def chosen(self) -> str:
        """Path id that the screen calls the winner; empty if none."""
        return str(self.root.evaluate("(root) => root.dataset.chosen"))

    def slider(self, name: str) -> Locator:
        """Return the slider of a limit: "max_latency_s", "max_cost_usd" or "min_quality"."""
        return self.root.locator(f"[data-limit={name}] .ecl-range-input")

    def text(self, part: str) -> str:
        """Return what a part says: "sentence", "card", "panel"."""
        return self.root.locator(f".ecl-{part}").first.inner_text()

    def type(self, name: str, text: str) -> None:
        """Type a limit and press Enter."""
        box = self.root.locator(f"[data-limit={name}] .ecl-typed")
        box.fill(text)
        box.press("Enter")
        self.calm()

    def press(self, name: str, key: str, times: int = 1) -> None:
        """Press a key on the slider of a limit so many times."""
        self.slider(name).focus()
        for _ in range(times):
            self.page.keyboard.press(key)
        self.calm()

    def drag(self, name: str, share: float, steps: int = 12) -> None:
        """Drag a slider with the mouse to a share of its length."""
        slider = self.slider(name)
        slider.scroll_into_view_if_needed()
        box, at = slider.bounding_box(), float(slider.input_value())
        assert box
        height, thumb = box["y"] + box["height"] / 2, 16
        places = [box["x"] + thumb / 2 + s * (box["width"] - thumb) for s in (at, share)]
        self.page.mouse.move(places[0], height)
        self.page.mouse.down()
        self.page.mouse.move(places[1], height, steps=steps)
        self.page.mouse.up()
        self.calm()

    def click(self, text: str) -> None:
        """Click the first button whose text has this in it."""
        self.root.get_by_role("button").filter(has_text=text).first.click()
        self.calm()

    def tab(self, name: str) -> None:
        """Open a tab."""
        self.root.get_by_role("tab", name=name).click()
        self.calm()

    def calm(self) -> None:
        """Wait until the explorer has drawn and said all that follows from the last move."""
        self.root.evaluate(_CALM)

    def drawn(self) -> dict[str, Any]:
        """Return what the plot against cost shows, by path id, and its zoom."""
        return dict(self.root.evaluate(_DRAWN))

    def places(self) -> dict[str, tuple[float, float]]:
        """Return the place (x, y) of every path in the plot against cost, in pixels of the page."""
        self.plot.scroll_into_view_if_needed()
        return {str(path): (float(x), float(y)) for path, x, y in self.root.evaluate(_PLACES)}

    def shot(self, file: Path) -> None:
        """Photograph it, with the mouse away from it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.mouse.move(0, 0)
        self.page.wait_for_timeout(600)
        self.root.screenshot(path=file)
