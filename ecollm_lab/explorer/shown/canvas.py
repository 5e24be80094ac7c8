"""Where everything lies in the explorer's figure: which paths are points, strips for what an axis cannot hold, sides of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecollm_lab.explorer.shown.words import short
from ecollm_lab.explorer.verdicts.front_states import AMBIGUOUS, DOMINATED, FRONT
from ecollm_lab.explorer.verdicts.views import View

# beyond so many paths the cloud becomes a density, and only the paths nearest the front are points
MOST_POINTS = 800
MOST_LABELS, MOST_UNDER = 8, 5  # labels in a panel, and points that one may cover


@dataclass(frozen=True, eq=False)
class Canvas:
    """What stays while sliders move: which paths are points, where they lie, and the order of the traces.

    Attributes
    ----------
    drawn
        Indices of the paths that are points, best quality first.
    x
        Cost per 1,000 queries and latency of every path as drawn, shape (2, paths): a cost of zero
        stands in a strip left of the axis.
    y
        Quality as drawn: a few paths far below all others stand in a strip at the foot, so that the
        others are not pressed together.
    free, sunk
        Where these strips are, (low, high) each, or None.
    span, heights
        Ranges of the two x axes and of the y axis, (low, high) each.
    labels
        Per panel, the paths that bear a label and on which side of them it stands.
    names
        Trace number by (what, panel).

    """

    view: View
    drawn: np.ndarray
    x: np.ndarray
    y: np.ndarray
    free: tuple[float, float] | None
    sunk: tuple[float, float] | None
    span: tuple[tuple[float, float], tuple[float, float]]
    heights: tuple[float, float]
    labels: tuple[tuple[np.ndarray, list[str]], ...]
    names: dict[tuple[str, int], int]
    places: tuple[str, ...]


def canvas(view: View, places: Sequence[str]) -> Canvas:
    """Return what does not move while sliders do.

    Parameters
    ----------
    view
        Tables of the selected queries.
    places
        Placements that occur in the whole trace: each has its traces, whether or not it has points.

    """
    known = ~np.isnan(view.quality)
    order = np.flatnonzero(known)
    order = order[np.argsort(-view.quality[order], kind="stable")]
    if len(order) > MOST_POINTS:
        urgent = {FRONT: 0, AMBIGUOUS: 1, DOMINATED: 2}
        rank = np.array([urgent.get(int(s), 3) for s in view.state[order]])
        order = np.sort(np.argsort(rank, kind="stable")[:MOST_POINTS]).astype(int)
        order = np.flatnonzero(known)[np.argsort(-view.quality[known], kind="stable")][order]
    x = np.stack([1000 * view.cost, view.latency])
    spans, free = [], None
    for k in range(2):
        some = x[k][(x[k] > 0) & np.isfinite(x[k]) & known]
        low, high = (some.min(), some.max()) if len(some) else (0.1, 10.0)
        pad = max((high / low) ** 0.06, 1.15)
        low, high = low / pad, high * pad
        if k == 0 and (x[k][known] == 0).any():
            strip = max((high / low) ** 0.08, 1.5)
            free = (low / strip, low)
            x[k] = np.where(x[k] == 0, low / strip**0.5, x[k])
            low = low / strip
        spans.append((float(low), float(high)))
    kinds = (
        "density",
        *(f"cloud {p}" for p in places),
        "intervals",
        "stairs",
        *(f"within {p}" for p in places),
        "partial",
        "labels",
        "bars",
        "pins",
        "lit",
        "chosen",
    )
    names = {
        (kind, panel): k + panel * len(kinds) for panel in range(2) for k, kind in enumerate(kinds)
    }
    y, sunk, heights = _heights(view)
    labels = tuple(
        _labels(view, x[panel], y, order, spans[panel], heights, panel) for panel in range(2)
    )
    return Canvas(
        view, order, x, y, free, sunk, (spans[0], spans[1]), heights, labels, names, tuple(places)
    )


def _heights(view: View) -> tuple[np.ndarray, tuple[float, float] | None, tuple[float, float]]:
    """Return quality as drawn, the strip of paths far below the others if there is one, and the range of the axis.

    Far below: a tenth of the paths at most, under a gap of more than 40 % of the whole range.
    """
    y = view.quality.astype(float).copy()
    known = np.sort(y[~np.isnan(y)])
    low, high = (known[0], known[-1]) if len(known) else (0.0, 1.0)
    high = max(high, float(np.nanmax(view.high[view.state == FRONT], initial=high)))
    sunk = None
    gaps = np.diff(known[: 1 + max(len(known) // 10, 1)]) if len(known) > 10 else known[:0]
    if len(gaps) and gaps.max() > 0.4 * (high - low):
        low = known[int(gaps.argmax()) + 1]
        room = max(0.12 * (high - low), 0.01)
        bottom = (
            float(min(low, np.nanmin(view.low[(view.state == FRONT) & (y >= low)], initial=low)))
            - room / 3
        )
        sunk = (bottom - room, bottom)
        y[view.quality < low] = bottom - room / 2
        return y, sunk, (bottom - room, float(high + room / 2))
    pad = max(0.08 * (high - low), 0.02)
    return y, None, (float(low - pad), float(high + pad))


def _labels(
    view: View,
    x: np.ndarray,
    y: np.ndarray,
    drawn: np.ndarray,
    span: tuple[float, float],
    heights: tuple[float, float],
    panel: int,
) -> tuple[np.ndarray, list[str]]:
    """Return which paths of the front bear a label, and on which side: greedy, best quality first, over no label and few points."""
    front = np.flatnonzero((view.state == FRONT) & ~np.isnan(x) & (y == view.quality))
    front = front[np.argsort(-view.quality[front], kind="stable")]
    low, high = np.log(span)
    wide, tall = (
        (330.0, 290.0) if panel == 0 else (260.0, 290.0)
    )  # pixels of a panel in a narrow cell
    px, py = (
        (np.log(x) - low) / (high - low) * wide,
        (y - heights[0]) / (heights[1] - heights[0]) * tall,
    )
    taken: list[tuple[float, float, float, float]] = []
    chosen, sides = [], []
    for i in front.tolist():
        w, h = 5.6 * min(len(short(view.path_ids[i])), 40), 12.0
        left, right = px[i] - 9 - w, px[i] + 9
        options = []
        for side, x0, y0 in (
            ("top left", left, py[i] + 9),
            ("bottom right", right, py[i] - 9 - h),
            ("middle left", left, py[i] - h / 2),
            ("top right", right, py[i] + 9),
            ("middle right", right, py[i] - h / 2),
            ("bottom left", left, py[i] - 9 - h),
        ):
            box = (x0, y0, x0 + w, y0 + h)
            clear = not any(
                box[0] < t[2] and box[2] > t[0] and box[1] < t[3] and box[3] > t[1] for t in taken
            )
            if clear and box[0] >= 0 and box[2] <= wide and box[1] >= 0:
                under = (
                    (px[drawn] > box[0])
                    & (px[drawn] < box[2])
                    & (py[drawn] > box[1] - 4)
                    & (py[drawn] < box[3] + 4)
                )
                options.append((int(under.sum()), side, box))
        best = min(options, key=lambda option: option[0], default=None)
        if best and best[0] <= MOST_UNDER:
            taken.append(best[2])
            chosen.append(i)
            sides.append(best[1])
        if len(chosen) == MOST_LABELS:
            break
    return np.array(chosen, dtype=int), sides
