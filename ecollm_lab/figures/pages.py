"""Figures as HTML files that open alone and offline, and one page that shows them all."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from ecollm_lab.figures.style import CONFIG
from ecollm_lab.files import write

_STYLE = """
body { font-family: system-ui, sans-serif; color: #333; max-width: 1240px;
  margin: 2rem auto; padding: 0 1rem; }
nav a { margin-right: 1rem; } section { margin: 2rem 0; border-top: 1px solid #ddd; }
a { color: #0072B2; }
"""


def write_figure(figure: go.Figure, file: Path) -> None:
    """Write a figure as an HTML file that opens alone and offline."""
    write(figure.to_html(include_plotlyjs=True, config=CONFIG), file)


def write_pages(drawn: Mapping[str, Mapping[str, go.Figure]], out: Path) -> list[Path]:
    """Write each figure as `<group>_<name>.html` and all of them as `index.html`.

    Parameters
    ----------
    drawn
        Figures by group and name; groups become the page's chapters.
    out
        An existing folder.

    Returns
    -------
    The files written. Each holds plotly.js itself, so it opens from a disk without a network;
    nothing in it sends anything away.

    """
    files: list[Path] = []
    chapters: list[tuple[str, str, str]] = []
    for group, figures in drawn.items():
        sections: list[str] = []
        for name, figure in figures.items():
            file = out / f"{group}_{name}.html"
            write_figure(figure, file)
            files.append(file)
            plot = figure.to_html(
                full_html=False,
                include_plotlyjs=not chapters and not sections,
                config=CONFIG,
                div_id=f"{group}_{name}",
            )
            sections.append(
                f'<section>{plot}<p><a href="{escape(file.name)}">{escape(name.replace("_", " "))},'
                " alone</a></p></section>"
            )
        if sections:
            title = escape(group.replace("_", " "))
            chapters.append(
                (group, title, f'<h2 id="{escape(group)}">{title}</h2>' + "".join(sections))
            )
    links = "".join(f'<a href="#{escape(group)}">{title}</a>' for group, title, _ in chapters)
    index = out / "index.html"
    write(
        '<!doctype html><html lang="en"><head><meta'
        f' charset="utf-8"><title>Figures</title><style>{_STYLE}</style></head><body>'
        f"<h1>Figures</h1><nav>{links}</nav>"
        + "".join(body for _, _, body in chapters)
        + "</body></html>",
        index,
    )
    return [*files, index]
