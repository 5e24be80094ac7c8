"""Run the notebooks and render them to HTML pages that need neither a kernel nor a network.

python -m scripts.notebooks [NOTEBOOK.py …]
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import jupytext
from nbconvert import HTMLExporter
from nbconvert.preprocessors import ExecutePreprocessor

OUT = Path("build/notebooks")
WIDGET = "application/vnd.jupyter.widget-view+json"
FROM_THE_NETWORK = re.compile(r'<script[^>]*\ssrc="https?://[^>]*></script>')


def render(text: Path) -> Path:
    """Run the notebook of a py:percent text in its folder, write it as one HTML page, return it."""
    notebook = jupytext.read(text)
    quiet = ["--log-level=40"]  # the kernel's warnings are no part of the page
    run = ExecutePreprocessor(timeout=300, kernel_name="python3", extra_arguments=quiet)
    run.preprocess(notebook, {"metadata": {"path": str(text.parent)}})
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):  # without a kernel a widget shows its HTML
            output.get("data", {}).pop(WIDGET, None)
    exporter = HTMLExporter(mathjax_url="", require_js_url="", exclude_anchor_links=True)
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": text.stem}})
    file = OUT / f"{text.stem}.html"
    file.write_text(FROM_THE_NETWORK.sub("", page))
    return file


def main(texts: list[Path]) -> None:
    """Render the notebooks that are named, or all."""
    OUT.mkdir(parents=True, exist_ok=True)
    os.environ["PLOTLY_RENDERER"] = "notebook"  # figures as HTML, plotly.js once in the page
    paths = [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    for text in texts or sorted(Path("notebooks").glob("0*.py")):
        started = time.monotonic()
        file = render(text)
        print(f"{file}: {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
