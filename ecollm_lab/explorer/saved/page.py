"""The explorer where no kernel runs: a picture and a table for a stored output, and one offline page with working sliders."""

from __future__ import annotations

import json
import re
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from ecollm_lab.explorer.shown import picture, words
from ecollm_lab.explorer.shown.canvas import MOST_POINTS, Canvas
from ecollm_lab.explorer.verdicts.changes import limits
from ecollm_lab.explorer.verdicts.front_states import DOMINATED, FRONT, STATES
from ecollm_lab.explorer.verdicts.verdicts import WINS, Moment
from ecollm_lab.policies.limits import TOLERANCE

MOST_ROWS = 30


def fallback(moment: Moment, sentence: str, source: str) -> str:
    """Return the moment as HTML without scripts: the sentence, quality against latency as SVG, the front as a table, the source."""
    view = moment.view
    front = np.flatnonzero(view.state == FRONT)
    front = front[np.argsort(-view.quality[front], kind="stable")][:MOST_ROWS]
    rows = "".join(
        f"<tr style='font-weight:{'bold' if i == moment.chosen else 'normal'}'><td>{words.cut(view.path_ids[int(i)], 90)}</td>"
        f"<td>{view.quality[i]:.3f} [{view.low[i]:.3f},"
        f" {view.high[i]:.3f}]</td><td>{words.usd(view.cost_usd[i])}</td>"
        f"<td>{words.seconds(view.latency_s[i])} mean, {words.seconds(view.latency_p95_s[i])}"
        " p95</td>"
        f"<td>{'wins' if i == moment.chosen else 'keeps the limits' if moment.within[i] else 'breaks a limit'}</td></tr>"
        for i in front
    )
    return (
        f"<div style='max-width:900px'><p>{sentence}</p><p>Under {escape(words.spell(moment.slo))}."
        f" The front of {len(view.path_ids)}"
        f" paths:</p>{_svg(moment)}<table><tr><th>path</th><th>quality [95"
        f" %]</th><th>cost</th><th>latency</th><th></th></tr>{rows}</table><p><small>Source:"
        f" {words.cut(source)}. A picture of the explorer; run the cell to move its"
        " sliders.</small></p></div>"
    )


def _svg(moment: Moment) -> str:
    """Return quality against latency (log) as a small SVG."""
    view = moment.view
    rows = np.flatnonzero((view.latency > 0) & np.isfinite(view.quality))
    if not len(rows):
        return ""
    if len(rows) > MOST_POINTS:
        rows = rows[np.argsort(view.state[rows], kind="stable")[:MOST_POINTS]]
    x, y = np.log(view.latency[rows]), view.quality[rows]
    px = 50 + 530 * (x - x.min()) / max(float(np.ptp(x)), 1e-9)
    py = 190 - 175 * (y - y.min()) / max(float(np.ptp(y)), 1e-9)
    dots = []
    for i, cx, cy in zip(rows, px, py, strict=True):
        colour = words.LOOKS[str(view.placement[i])][0]
        fill = colour if view.state[i] == FRONT else "none"
        radius = 5 if view.state[i] == FRONT else 3
        faint = 0.15 if not moment.within[i] else 0.5 if view.state[i] == DOMINATED else 1
        dots.append(
            f"<circle cx='{cx:.0f}' cy='{cy:.0f}' r='{radius}' stroke='{colour}' fill='{fill}'"
            f" opacity='{faint}'/>"
        )
        if i == moment.chosen:
            dots.append(
                f"<circle cx='{cx:.0f}' cy='{cy:.0f}' r='11' stroke='{words.HALO}' stroke-width='3'"
                " fill='none'/>"
            )
    ends = f"{words.seconds(float(np.exp(x.min())))} … {words.seconds(float(np.exp(x.max())))}"
    label = f"quality {y.min():.2f} to {y.max():.2f} against latency {ends}, log"
    return (
        f"<svg viewBox='0 0 600 225' width='600' role='img' aria-label='{escape(label)}'><path"
        f" d='M45,10V195H590' fill='none' stroke='#999'/>{''.join(dots)}<text x='320' y='216'"
        f" text-anchor='middle' font-size='12' fill='#777'>latency, {ends} (log)</text><text x='4'"
        f" y='14' font-size='12' fill='#777'>{y.max():.2f}</text><text x='4' y='195' font-size='12'"
        f" fill='#777'>{y.min():.2f}</text></svg>"
    )


def html(c: Canvas, moment: Moment, source: str, bounds: dict[str, tuple[float, float]]) -> str:
    """Return one page that needs no network and no kernel: figure, sliders, sentence, the reason for any path, the table of paths.

    Parameters
    ----------
    c, moment
        What is shown, and the SLO the page starts with.
    bounds
        Lowest and highest value of each slider, as in the explorer.

    """
    import plotly.io as pio
    from plotly.offline import get_plotlyjs

    view = moment.view
    latency, cost, floor = limits(moment.slo)
    numbers = {
        "quality": view.quality,
        "low": view.low,
        "high": view.high,
        "cost": view.cost,
        "latency": view.latency,
        "meanCost": view.cost_usd,
        "p95": view.latency_p95_s,
        "y": c.y,
    }
    data: dict[str, Any] = {
        **{name: _numbers(values) for name, values in numbers.items()},
        "figure": json.loads(pio.to_json(picture.draw(c, moment, source), engine="json")),
        "names": {f"{kind}|{panel}": k for (kind, panel), k in c.names.items()},
        "places": c.places,
        "drawn": {place: c.drawn[view.placement[c.drawn] == place].tolist() for place in c.places},
        "labels": [labelled.tolist() for labelled, _ in c.labels],
        "x": [_numbers(row) for row in c.x],
        "span": c.span,
        "heights": c.heights,
        "paths": [str(p) for p in view.path_ids],
        "placement": [str(p) for p in view.placement],
        "n": view.n.tolist(),
        "nQueries": view.n_queries,
        "state": [STATES[s] for s in view.state],
        "dominator": view.dominator.tolist(),
        "bounds": bounds,
        "statistic": view.statistic,
        "able": view.able.tolist(),
        "tolerance": TOLERANCE,
        "wins": WINS,
        "start": {
            "latency": None if np.isinf(latency) else latency,
            "cost": None if np.isinf(cost) else 1000 * cost,
            "min_quality": floor,
            "prefer": moment.slo.prefer,
        },
    }
    room = files("ecollm_lab.explorer.saved")
    style = room.joinpath("style.css").read_text()
    options = (
        f"<option value='{int(i)}'>{words.cut(words.table_row(view, i))}</option>" for i in c.drawn
    )
    parts = {
        "STYLE": style,
        "PLOTLY": get_plotlyjs(),
        "SCRIPT": room.joinpath("page.js").read_text(),
        "DATA": json.dumps(data, allow_nan=False).replace("<", "\\u003c"),
        "SOURCE": words.cut(source),
        "LEGEND": words.legend(c.places),
        "HEAD": words.table_head(),
        "OPTIONS": "".join(options),
    }
    return re.sub(
        r"\{\{([A-Z]+)\}\}", lambda found: parts[found[1]], room.joinpath("page.html").read_text()
    )


def _numbers(values: np.ndarray) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]
