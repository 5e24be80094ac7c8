"""The screen's files put together: a module, one offline page, a picture without scripts."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from ecollm_lab.explorer.decision import Decision
from ecollm_lab.explorer.resampling import DOMINATED, FEW, FRONT, MISSING, SEPARABLE, STATES, UNIT
from ecollm_lab.explorer.views import View
from ecollm_lab.figures import style
from ecollm_lab.policies.limits import TOLERANCE
from ecollm_lab.records import SLO

# what needs neither page nor plot is in these, and runs in Node as well
PURE = (
    "decide.js",
    "words.js",
    "marks.js",
    "compare.js",
    "measure.js",
    "components.js",
    "table.js",
    "snapshots.js",
    "panels.js",
    "skeleton.js",
    "link.js",
)
SCREEN = (
    "groups.js",
    "picture.js",
    "overlay.js",
    "store.js",
    "problem.js",
    "steps.js",
    "plots.js",
    "tabs.js",
    "hands.js",
    "screen.js",
)
MARKS = {"circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲"}
MOST_ROWS = 30
_RENDER = """
export default { render: ({ model, el }) => mount(el, widgetStore(model)) };
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>SLO explorer</title><style>{style}
:root {{ color-scheme: light dark; }}
body {{ margin: 12px; background: #fff; }} .ecl {{ margin: 0 auto; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #111; }} }}</style></head>
<body><header><h1 class="ecl-sr">SLO explorer</h1></header><main></main>
<noscript>{fallback}</noscript>
<script type="application/json" id="data">{data}</script>
<script type="module">{script}
const data = JSON.parse(document.getElementById("data").textContent);
mount(document.querySelector("main"), pageStore(data));
</script></body></html>
"""


def read(*names: str) -> str:
    """Return some of the screen's files, one after the other: as one module."""
    room = files("ecollm_lab.explorer").joinpath("front")
    return "\n".join(room.joinpath(name).read_text(encoding="utf-8") for name in names)


def module() -> str:
    """Return the ES module that draws the explorer in a notebook."""
    return read(*PURE, *SCREEN) + _RENDER


@cache
def plotly_js() -> bytes:
    """Return plotly.js from the installed plotly, compressed by gzip."""
    from plotly.offline import get_plotlyjs

    return gzip.compress(get_plotlyjs().encode(), 6, mtime=0)


def html(data: Mapping[str, Any], fallback: str) -> str:
    """Return one page that works without kernel and network: screen, data and plotly.js in it.

    Parameters
    ----------
    data
        The explorer's traits: fixed, views, answers, marks, measuring, state, journey, forgotten.
    fallback
        What is shown where scripts do not run.

    """
    whole = _text({**data, "library": plotly_js()})
    text = json.dumps(whole, allow_nan=False).replace("<", "\\u003c")
    script = read(*PURE, *SCREEN).replace("</script", "<\\/script")
    return _PAGE.format(style=read("style.css"), fallback=fallback, data=text, script=script)


def _text(value: Any) -> Any:
    """Return the same with bytes as base64."""
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {key: _text(one) for key, one in value.items()}
    return [_text(one) for one in value] if isinstance(value, (list, tuple)) else value


def fallback(view: View, slo: SLO, decision: Decision, source: str, statistic: str) -> str:
    """Return the moment as HTML without scripts: who wins, a small plot, the front as a table."""
    i = decision.chosen
    front = np.flatnonzero(view.state[statistic] == FRONT)
    front = front[np.argsort(-view.quality[front], kind="stable")][:MOST_ROWS]
    rows = []
    for j in front.tolist():
        kept = "keeps the limits" if decision.within[j] else "breaks a limit"
        cells = [*_numbers(view, j), "wins" if j == i else kept]
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    if i is None:
        said = "<b>Infeasible:</b> no path keeps the limits."
    else:
        name, quality, cost, latency = _numbers(view, i)
        said = f"<b>{name}</b> wins: quality {quality}, {cost}, {latency}."
    head = "<tr><th>path</th><th>quality [95 %]</th><th>cost</th><th>latency</th><th></th></tr>"
    return (
        f"<div style='max-width:900px'><p>{said}</p><p>Under {escape(spell(slo))}. The front of"
        f" {len(view.path_ids)} paths:</p>{_svg(view, decision, statistic)}<table>{head}"
        f"{''.join(rows)}</table><p><small>Source: {escape(source[:300])}. A picture of the"
        " explorer; run the cell to move its sliders.</small></p></div>"
    )


def spell(slo: SLO) -> str:
    """Return an SLO in words, its numbers exactly as they are, as the screen does.

    Examples
    --------
    >>> spell(SLO(max_latency_s=0.0512345, max_cost_usd=1.5e-10, min_quality=0.6))
    'latency ≤ 51.2345 ms, cost ≤ 1.5e-7 USD per 1,000 queries, quality ≥ 0.6'

    """
    parts = []
    if slo.max_latency_s is not None:
        short = slo.max_latency_s < 1
        said = f"{_exact(slo.max_latency_s, 3)} ms" if short else f"{_exact(slo.max_latency_s)} s"
        parts.append(f"latency ≤ {said}")
    if slo.max_cost_usd is not None:
        parts.append(f"cost ≤ {_exact(slo.max_cost_usd, 3)} USD per 1,000 queries")
    if slo.min_quality is not None:
        parts.append(f"quality ≥ {_exact(slo.min_quality)}")
    return ", ".join(parts) or "no limits"


def _exact(value: float, digits: int = 0) -> str:
    """Return a number as JavaScript writes it, the decimal point moved to the right by digits."""
    moved = float(Decimal(repr(float(value))).scaleb(digits))
    if moved == 0 or 1e-6 <= moved < 1e21:
        return f"{Decimal(repr(moved)).normalize():f}"
    return re.sub(r"(e[+-])0+", r"\1", repr(moved))


def _seconds(value: float) -> str:
    return f"{1000 * value:.3g} ms" if value < 0.9995 else f"{value:,.3g} s"


def _usd(value: float) -> str:
    return f"{1000 * value:.3g} USD per 1,000 queries"


def _numbers(view: View, i: int) -> list[str]:
    name = view.path_ids[i]
    latency, cost = view.latency, view.cost["mean"][i]
    mean, tail = (_seconds(latency[s][i]) for s in ("mean", "p95"))
    return [
        escape(name if len(name) <= 90 else f"{name[:89]}…"),
        f"{view.quality[i]:.3f} [{view.low[i]:.3f}, {view.high[i]:.3f}]",
        "cost not recorded" if np.isnan(cost) else _usd(cost),
        "latency not recorded" if np.isnan(latency["mean"][i]) else f"{mean} mean, {tail} p95",
    ]


def _svg(view: View, decision: Decision, statistic: str) -> str:
    """Return quality against latency (log) as a small SVG."""
    latency = view.latency[statistic]
    rows = np.flatnonzero((latency > 0) & np.isfinite(view.quality))
    if not len(rows):
        return ""
    rows = rows[np.argsort(view.state[statistic][rows], kind="stable")][:800]
    x, y = np.log(latency[rows]), view.quality[rows]
    across = 50 + 530 * (x - x.min()) / max(float(np.ptp(x)), 1e-9)
    up = 190 - 175 * (y - y.min()) / max(float(np.ptp(y)), 1e-9)
    dots = []
    for i, cx, cy in zip(rows.tolist(), across, up, strict=True):
        colour, front = (
            style.PLACEMENTS[str(view.placement[i])].colour,
            view.state[statistic][i] == FRONT,
        )
        faint = 0.5 if view.state[statistic][i] == DOMINATED else 1
        dots.append(
            f"<circle cx='{cx:.0f}' cy='{cy:.0f}' r='{5 if front else 3}' stroke='{colour}'"
            f" fill='{colour if front else 'none'}'"
            f" opacity='{faint if decision.within[i] else 0.15}'/>"
        )
        if i == decision.chosen:
            dots.append(
                f"<circle cx='{cx:.0f}' cy='{cy:.0f}' r='11' stroke='#b4578b' stroke-width='3'"
                " fill='none'/>"
            )
    ends = f"{_seconds(float(np.exp(x.min())))} to {_seconds(float(np.exp(x.max())))}"
    label = f"quality {y.min():.2f} to {y.max():.2f} against latency {ends}, log"
    return (
        f"<svg viewBox='0 0 600 225' width='600' role='img' aria-label='{escape(label)}'><path"
        f" d='M45,10V195H590' fill='none' stroke='#999'/>{''.join(dots)}<text x='320' y='216'"
        f" text-anchor='middle' font-size='12' fill='#767676'>latency, {ends} (log)</text><text"
        f" x='4' y='14' font-size='12' fill='#767676'>{y.max():.2f}</text><text x='4' y='195'"
        f" font-size='12' fill='#767676'>{y.min():.2f}</text></svg>"
    )


def constants() -> dict[str, Any]:
    """Return what the screen needs and no trace changes: colours, and the decision's numbers."""
    looks = {
        place: {"colour": look.colour, "symbol": look.symbol, "mark": MARKS[look.symbol]}
        for place, look in style.PLACEMENTS.items()
    }
    numbers = {"few": FEW, "tolerance": TOLERANCE, "separable": SEPARABLE}
    return {
        "looks": looks,
        "palette": [colour for colour in style.PALETTE if colour != style.CHOSEN],
        "states": list(STATES),
        "config": dict(style.CONFIG),
        "constants": {**numbers, "missing": MISSING, "unit": UNIT},
    }
