"""Pair the notebooks with their reviewed text, execute them, and render them to HTML that needs neither kernel nor network.

python -m scripts.notebooks [NAME …]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from html import escape
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from plotly.offline import get_plotlyjs

from ecollm_lab.figures import CONFIG

NOTEBOOKS, OUT = Path("notebooks"), Path("build/notebooks")
WIDGET, PLOT, PAGE = (
    "application/vnd.jupyter.widget-view+json",
    "application/vnd.plotly.v1+json",
    "text/html",
)
EXPLORER_STYLE = Path(__file__).parent.parent / "ecollm_lab/explorer/saved/style.css"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def pair(text: Path) -> NotebookNode:
    """Write the .ipynb of a py:percent text, without outputs, and return it; cell ids stay where the cell is the same."""
    file = text.with_suffix(".ipynb")
    notebook = jupytext.read(text)
    notebook.metadata.update(KERNEL)
    before = (
        {(cell.cell_type, cell.source): cell.id for cell in jupytext.read(file).cells}
        if file.exists()
        else {}
    )
    for cell in notebook.cells:
        cell.id = before.pop((cell.cell_type, cell.source), cell.id)
    jupytext.write(notebook, file)
    return notebook


def execute(notebook: NotebookNode) -> float:
    """Run all cells in place, as JupyterLab would from the notebook's folder; return the seconds it took.

    A widget that can be a page (it has `to_html`, like the explorer) is put into its output as one,
    which works without a kernel.
    """
    with tempfile.TemporaryDirectory() as pages:
        cells, notebook.cells = (
            notebook.cells,
            [*notebook.cells, new_code_cell(_PAGES.format(place=pages))],
        )
        started = time.monotonic()
        client = NotebookClient(
            notebook, timeout=300, kernel_name="python3", extra_arguments=["--log-level=40"]
        )
        client.execute(cwd=str(NOTEBOOKS))
        took = time.monotonic() - started
        notebook.cells = cells
        for output in _displayed(notebook):
            page = Path(pages, f"{output.data.get(WIDGET, {}).get('model_id')}.html")
            if page.exists():
                output.data[PAGE] = _frame(page.read_text(), output.data.get(PAGE, ""))
    return took


def _displayed(notebook: NotebookNode) -> list[NotebookNode]:
    return [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output
    ]


_PAGES = """
from pathlib import Path as _Path
from ipywidgets.widgets.widget import _instances
for _id, _widget in list(_instances.items()):
    if hasattr(_widget, "to_html"):
        _widget.to_html(_Path("{place}") / f"{{_id}}.html")
"""


def _frame(page: str, fallback: str) -> str:
    looks = (
        'style="width:100%;height:780px;border:1px solid #ddd" title="the widget, working without a'
        ' kernel"'
    )
    return f'<iframe srcdoc="{escape(page)}" {looks}></iframe><noscript>{fallback}</noscript>'


def render(notebook: NotebookNode, file: Path) -> None:
    """Write an executed notebook as one HTML file that loads nothing: plotly.js is inside and draws figures, widgets show their HTML."""
    n_figures = 0
    for output in _displayed(notebook):
        if PLOT in output.data:
            n_figures += 1
            drawn = output.data.pop(PLOT)
            parts = ", ".join(
                json.dumps(drawn[part]).replace("</", "<\\/") for part in ("data", "layout")
            )
            output.data[PAGE] = (
                f"<div id=\"figure-{n_figures}\"></div><script>Plotly.newPlot('figure-{n_figures}',"
                f" {parts}, {json.dumps(CONFIG)})</script>"
            )
        output.data.pop(WIDGET, None)
    notebook.metadata.pop("widgets", None)
    exporter = HTMLExporter(mathjax_url="", require_js_url="", exclude_anchor_links=True)
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": file.stem}})
    script = f"<script>{get_plotlyjs()}</script>" if n_figures else ""
    style = f"<style>{EXPLORER_STYLE.read_text()}</style>"
    file.write_text(page.replace("<head>", f"<head>{script}{style}", 1))


def main(names: list[str]) -> None:
    """Pair all notebooks; execute and render those named, or all."""
    OUT.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    for text in sorted(NOTEBOOKS.glob("0*.py")):
        notebook = pair(text)
        if not names or text.stem in names:
            took = execute(notebook)
            render(notebook, OUT / f"{text.stem}.html")
            print(f"{text.stem}: {took:.0f} s, {OUT / text.stem}.html")


if __name__ == "__main__":
    main(sys.argv[1:])
