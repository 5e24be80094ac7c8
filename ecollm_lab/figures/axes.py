"""Axes that use their range: logarithms with enough labels, units people can say, zeros, errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ecollm_lab.figures.style import FAINT, GREY, SMALL

# a quarter of eight values or more may stand apart, below a gap of two fifths of the whole range
_APART, _ENOUGH, _GAP = 0.25, 8, 0.4
PER_1K = "USD per 1,000 queries"  # the one unit of cost, here as in the explorer
_STEPS = ((1.0,), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0))


def log_axis(values: Iterable[float], title: str, zero: float | None = None) -> dict[str, Any]:
    """Return the settings of a logarithmic axis over some values, with three labels or more.

    `zero` is where `lifted` put what is 0, if anything is: no number stands in that strip.

    Examples
    --------
    >>> log_axis([0.02, 0.3], "seconds")["ticktext"]
    ['0.02', '0.05', '0.1', '0.2']
    >>> log_axis([3.0, 3.1], "seconds")["ticktext"]
    ['3', '3.02', '3.04', '3.06', '3.08', '3.1']
    >>> log_axis([0.005, 0.02, 0.3], "seconds", zero=0.005)["ticktext"]
    ['0.02', '0.05', '0.1', '0.2']

    """
    found = np.asarray(list(values), dtype=float)
    found = found[np.isfinite(found) & (found > (zero or 0))]
    axis: dict[str, Any] = {"type": "log", "title": title, "exponentformat": "power", "dtick": 1}
    if not len(found):
        return axis if zero is None else axis | {"tickvals": [], "ticktext": []}
    if found.max() >= 1e4 * found.min():
        ends = np.ceil(np.log10(found.min())), np.floor(np.log10(found.max()))
        powers = [float(f"1e{power}") for power in range(int(ends[0]), int(ends[1]) + 1)]
        return axis if zero is None else axis | {"tickvals": powers}
    ticks = _ticks(float(found.min()), float(found.max()))
    text = [f"{tick:.3g}" if tick < 1000 else f"{tick:,.0f}" for tick in ticks]
    return {"type": "log", "title": title, "tickvals": ticks, "ticktext": text}


def _ticks(low: float, high: float) -> list[float]:
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in _STEPS:
        ticks = [float(f"{step}e{power}") for power in powers for step in steps]
        inside = [tick for tick in ticks if 0.95 * low <= tick <= 1.05 * high]
        if len(inside) >= 3:
            return inside
    if high <= low:
        return [0.5 * low, low, 2 * low]
    step = 10.0 ** np.floor(np.log10((high - low) / 3))
    step *= next(factor for factor in (5, 2, 1) if (high - low) / (factor * step) >= 3)
    first = int(np.ceil(low / step - 1e-9))
    return [float(f"{i * step:.6g}") for i in range(first, int(high / step + 1e-9) + 1)]


def time_unit(seconds: Iterable[float]) -> tuple[float, str]:
    """Return what to multiply seconds by, and the unit: milliseconds where the median is below one.

    Examples
    --------
    >>> time_unit([0.02, 0.3]), time_unit([0.5, 2.0, 9.0])
    ((1000.0, 'ms'), (1.0, 's'))

    """
    found = np.asarray(list(seconds), dtype=float)
    found = found[np.isfinite(found)]
    return (1000.0, "ms") if len(found) and np.median(found) < 1 else (1.0, "s")


def quality_range(*values: pd.Series | np.ndarray) -> list[float]:
    """Return a range for a quality axis that holds all values, with some room, within [0, 1].

    Examples
    --------
    >>> quality_range(np.array([0.62, 0.8]))
    [0.58, 0.83]

    """
    every = np.concatenate([np.asarray(part, dtype=float).ravel() for part in values])
    every = every[np.isfinite(every)]
    if not len(every):
        return [0.0, 1.0]
    low, high = every.min(), every.max()
    room = 0.02 + 0.03 * (high - low)
    low = np.floor(50 * max(low - room, -0.03)) / 50
    return [round(float(low), 2), round(float(min(high + room, 1.03)), 2)]


def least_of_most(values: Iterable[float]) -> float | None:
    """Return the least value that is not far below most others; None if no value is far below.

    Examples
    --------
    >>> least_of_most([0.05, 0.06, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75])
    0.7

    """
    found = np.asarray(list(values), dtype=float)
    found = np.sort(found[np.isfinite(found)])
    few = int(_APART * len(found))
    if len(found) < _ENOUGH:
        return None
    gaps = np.diff(found[: few + 1])
    last = int(gaps.argmax())
    return float(found[last + 1]) if gaps[last] > _GAP * (found[-1] - found[0]) else None


@dataclass(frozen=True)
class QualityAxis:
    """A quality axis that uses its range: what is far below most stands in a strip at the foot.

    Attributes
    ----------
    range
        Ends of the axis, the strip included.
    least
        Values below it stand in the strip; None if there is no strip.
    top
        Upper end of the strip; its lower end is that of the axis.

    """

    range: list[float]
    least: float | None
    top: float

    @classmethod
    def over(cls, quality: pd.Series, *others: pd.Series) -> QualityAxis:
        """Return the axis for some qualities; it also holds others, such as ends of intervals.

        The index says which quality the others belong to.
        """
        least = least_of_most(quality)
        if least is None:
            return cls(quality_range(quality, *others), None, 0.0)
        near = [v[quality.reindex(v.index) >= least] for v in (quality, *others)]
        low, high = quality_range(*near)
        return cls([round(low - 0.12 * (high - low), 4), high], least, low)

    def far(self, frame: pd.DataFrame) -> pd.Series:
        """Tell which rows stand in the strip, by their `quality`."""
        return frame["quality"] < (-np.inf if self.least is None else self.least)

    def placed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with the qualities, and their intervals, at the heights to draw them."""
        columns = [name for name in frame if str(name).startswith("quality")]
        middle = (self.range[0] + self.top) / 2
        return frame.assign(**{name: frame[name].mask(self.far(frame), middle) for name in columns})

    def set(self, figure: go.Figure, frame: pd.DataFrame, title: str, columns: int = 1) -> None:
        """Give the panels of a row this axis and, where there is one, its strip with its words."""
        figure.update_layout(yaxis={"title": title, "range": self.range})
        if self.least is None:
            return
        step = next(s for s in (0.02, 0.05, 0.1, 0.2) if s * 8 >= self.range[1] - self.top)
        first = int(np.ceil(self.top / step + 1e-9))
        ticks = [round(step * k, 2) for k in range(first, int(self.range[1] / step + 1e-9) + 1)]
        figure.update_layout(yaxis={"tickvals": ticks})
        strip = {"fillcolor": FAINT, "opacity": 0.25, "line_width": 0, "layer": "below"}
        for column in range(1, columns + 1):
            place = {"row": 1, "col": column} if columns > 1 else {}
            figure.add_hrect(y0=self.range[0], y1=self.top, **strip, **place)
        below = frame.loc[self.far(frame), "quality"]
        figure.add_annotation(
            text=f"far below: {below.min():.2f} to {below.max():.2f}, not to scale",
            x=1,
            y=self.top,
            xref="x domain",
            yref="y",
            xanchor="right",
            yanchor="bottom",
            showarrow=False,
            font={"size": SMALL, "color": GREY},
        )


def lifted(values: pd.Series) -> tuple[pd.Series, float | None]:
    """Return values for a logarithmic axis, zeros put at a quarter of the least other value.

    The second value is the place of the zeros, None if there are none.
    """
    if not (values == 0).any():
        return values, None
    others = values[(values > 0) & np.isfinite(values)]
    at = float(others.min()) / 4 if len(others) else 1e-3
    return values.replace(0.0, at), at


def mark_zero(figure: go.Figure, at: float, column: int) -> None:
    """Mark the strip of a logarithmic axis where `lifted` put the zeros."""
    strip = {"fillcolor": FAINT, "opacity": 0.25, "line_width": 0, "layer": "below"}
    place = {"row": 1, "col": column, "exclude_empty_subplots": False}  # before any trace, too
    figure.add_vrect(x0=at / 1.5, x1=at * 1.5, **place, **strip)
    axis = str(column) if column > 1 else ""
    figure.add_annotation(
        text="0",
        x=np.log10(at),
        y=0.01,
        xref=f"x{axis}",
        yref=f"y{axis} domain",
        showarrow=False,
        yanchor="bottom",
        font={"size": SMALL, "color": GREY},
    )


def error_bars(frame: pd.DataFrame, name: str, **changes: Any) -> dict[str, Any]:
    """Return plotly error bars from the columns `name`, `<name>_low` and `<name>_high`."""
    bars = {
        "type": "data",
        "array": frame[f"{name}_high"] - frame[name],
        "arrayminus": frame[name] - frame[f"{name}_low"],
        "thickness": 1,
    }
    return bars | changes
