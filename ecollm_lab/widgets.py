"""The SLO explorer: sliders over a Pareto front. The only room that imports ipywidgets."""

from __future__ import annotations

from html import escape

import ipywidgets as w
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab import figures
from ecollm_lab.choices import choose
from ecollm_lab.records import SLO
from ecollm_lab.traces import Trace

STEPS = 60  # positions of a slider; it runs over the logarithm


class Explorer(w.VBox):
    """Sliders for latency, cost and quality over the front of a trace; everything is recomputed from the path means.

    Attributes
    ----------
    slo
        The SLO the controls spell.
    chosen
        Path id that wins under it, or None if no path meets it.

    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.frame = figures.compute_front(trace)
        self.figure = go.FigureWidget(figures.plot_front(self.frame, trace.source_line))
        self.figure._config = figures.CONFIG
        self.figure.update_layout(title=None)  # the sentence above says more, and in a narrow cell the legend needs the room
        self._panels = [[t for t in self.figure.data if t.xaxis == axis] for axis in ("x", "x2")]
        self.latency = self._slider("latency limit (s)", self.frame["latency_s"].to_numpy())
        self.cost = self._slider("cost limit (USD / 1k)", self.frame["usd_per_1k"].to_numpy())
        self.min_quality = w.FloatSlider(0.0, min=0, max=1, step=0.01, description="least quality", **_WIDE)
        self.prefer = w.ToggleButtons(
            options=["quality", "cost", "latency"], description="prefer", style={"description_width": "150px", "button_width": "80px"}
        )
        self.sentence = w.HTML()
        self.slo = SLO()
        self.chosen: str | None = None
        for control in (self.latency, self.cost, self.min_quality, self.prefer):
            control.observe(self._update, "value")
        self._update()
        super().__init__([self.sentence, w.HBox([self.latency, self.cost]), w.HBox([self.min_quality, self.prefer]), self.figure])

    def _slider(self, label: str, values: np.ndarray) -> w.SelectionSlider:
        """Build a log slider over the range of the paths; its last position stands for "no limit"."""
        values = values[np.isfinite(values) & (values > 0)]
        low, high = (values.min() * 0.98, values.max() * 1.02) if len(values) else (1.0, 1.0)
        marks = np.geomspace(low, high, STEPS)
        options = [(f"{mark:.3g}", float(mark)) for mark in marks] + [("no limit", np.inf)]
        return w.SelectionSlider(options=options, value=np.inf, description=label, continuous_update=True, **_WIDE)

    def _update(self, _change: object = None) -> None:
        latency, cost = self.latency.value, self.cost.value
        self.slo = SLO(
            max_latency_s=latency if np.isfinite(latency) else None,
            max_cost_usd=cost / 1000 if np.isfinite(cost) else None,
            min_quality=self.min_quality.value or None,
            prefer=self.prefer.value,
        )
        f = self.frame
        good = f["quality"].notna() & (f["quality"] >= self.min_quality.value)
        within = ((f["latency_s"] <= latency) & (f["usd_per_1k"] <= cost) & good).to_numpy()
        row = None
        if within.any():
            quality, cost_usd, latency_s = (f[c].fillna(0).to_numpy() for c in ("quality", "cost_usd", "latency_s"))
            row = f.iloc[choose(quality[None], within, cost_usd, latency_s, self.slo)[0]]
        self.chosen = None if row is None else row["path_id"]
        self.sentence.value = self._say(row, int(within.sum()))
        with self.figure.batch_update():
            for column, (panel, limit) in enumerate(zip(self._panels, (cost, latency), strict=True)):
                x = ("usd_per_1k", "latency_s")[column]
                for trace in panel:
                    if trace.customdata is not None:
                        part = f[f["placement"] == trace.name]
                        trace.marker.opacity = figures.marker_style(part, "", "circle", self.slo)["opacity"]
                    elif trace.name == "chosen":
                        trace.x, trace.y = ([], []) if row is None else ([row[x]], [row["quality"]])
                line = self.figure.layout.shapes[column]
                line.visible = bool(np.isfinite(limit))
                line.x0 = line.x1 = limit if np.isfinite(limit) else f[x].max()

    def _say(self, row: pd.Series | None, n: int) -> str:
        if row is None:
            f = self.frame[self.frame["quality"] >= self.min_quality.value]
            fastest = f["latency_s"].min() if len(f) else np.nan
            cheapest = f["usd_per_1k"].min() if len(f) else np.nan
            best = self.frame["quality"].max()
            if not len(f):
                return f"<b>Infeasible:</b> no path reaches quality {self.min_quality.value:.2f}; the best reaches {best:.3f}."
            return (
                f"<b>Infeasible:</b> no path keeps all limits. With this quality floor the fastest path takes {fastest:.3g} s and the "
                f"cheapest costs {cheapest:.3g} USD per 1,000 queries: raise the limit that is below."
            )
        return (
            f"<b>{escape(str(row['path_id']))}</b>: quality {row['quality']:.3f}, {row['usd_per_1k']:.4g} USD per 1,000 queries, "
            f"{1000 * row['latency_s']:.0f} ms mean, {1000 * row['latency_p95_s']:.0f} ms p95. "
            f"{n} of {len(self.frame)} paths keep the limits."
        )


_WIDE = {"style": {"description_width": "150px"}, "layout": w.Layout(width="450px")}


def explore(trace: Trace) -> Explorer:
    """Show the SLO explorer of a trace; leave it as the last expression of a cell."""
    return Explorer(trace)
