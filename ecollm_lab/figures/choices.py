"""Ways of choosing among paths within a budget: one for all, per kind, per query, or greedily."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecollm_lab.figures.knapsack import Frontier, Hulls
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import stage_slugs

GREEDY, SINGLE, BY_KIND, MODEL_ONLY, WHOLE = (
    "stage by stage, greedily",
    "best path",
    "best path per kind",
    "model per query (oracle)",
    "path per query (oracle)",
)
SLACK = 1 + 1e-9  # a path keeps a budget that is its own mean


class Choices:
    """The ways of choosing among the paths of a complete trace.

    Parameters
    ----------
    trace
        Paths with one component per stage.
    taken
        What each outcome takes of the budget, shape (queries, paths).

    """

    def __init__(self, trace: Trace, taken: np.ndarray) -> None:
        self._trace, self._taken, self._quality = trace, taken, trace.array("quality")
        self._slugs = stage_slugs(trace.path_ids)
        pipelines = self._slugs.iloc[:, :-1].agg("/".join, axis=1).to_numpy()
        self._whole = Hulls(self._quality, taken)
        self._routed = {
            name: Hulls(self._quality[:, pipelines == name], taken[:, pipelines == name])
            for name in dict.fromkeys(pipelines)
        }

    def _means(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean quality, rounded so that equals are equal, and mean taken of each path."""
        return self._quality[mask].mean(axis=0).round(12), self._taken[mask].mean(axis=0)

    def budgets(self, mask: np.ndarray, n: int) -> np.ndarray:
        """Return budgets between the paths' means, and last what the best path takes."""
        q, r = self._means(mask)
        positive = r[r > 0]
        grid = np.geomspace(positive.min(), r.max(), n) if len(positive) else np.zeros(1)
        return np.append(grid, r[np.lexsort((r, -q))[0]])

    def within(self, mask: np.ndarray, budgets: np.ndarray, *, by_kind: bool) -> pd.DataFrame:
        """Return what each way of choosing reaches on some queries, a row per choice and budget."""
        q, r = self._means(mask)
        found = {
            GREEDY: _greedy(self._slugs, q, r, budgets),
            SINGLE: [_best(q, r, budget) for budget in budgets],
        }
        rows = [self._paths(name, paths, q) for name, paths in found.items()]
        if by_kind:
            rows.append(_filled(BY_KIND, self._kinds(), budgets))
        weights = mask / mask.sum()
        routed = [
            _filled(MODEL_ONLY, hulls.frontier(weights), budgets, name)
            for name, hulls in self._routed.items()
        ]
        best = np.argmax(np.nan_to_num([part["quality"] for part in routed], nan=-1.0), axis=0)
        rows.append(pd.DataFrame([routed[i].iloc[j] for j, i in enumerate(best)]))
        rows.append(_filled(WHOLE, self._whole.frontier(weights), budgets))
        equal = np.arange(len(budgets)) == len(budgets) - 1
        return pd.concat([part.assign(budget=budgets, equal=equal) for part in rows])

    def _paths(self, choice: str, paths: list[int], q: np.ndarray) -> pd.DataFrame:
        names = [self._trace.path_ids[i] if i >= 0 else "" for i in paths]
        quality = [q[i] if i >= 0 else np.nan for i in paths]
        return pd.DataFrame({"choice": choice, "path_id": names, "quality": quality})

    def _kinds(self) -> Frontier:
        """Return the frontier of one path per kind of query."""
        kinds = self._trace.queries["kind"].to_numpy()
        groups = [kinds == one for one in dict.fromkeys(kinds)]
        quality, taken = (
            np.stack([part[group].mean(axis=0) for group in groups])
            for part in (self._quality, self._taken)
        )
        return Hulls(quality, taken).frontier(np.array([group.mean() for group in groups]))


def _best(q: np.ndarray, r: np.ndarray, budget: float, among: np.ndarray | None = None) -> int:
    """Return the path of best mean quality within a budget; of equals, the one that takes least.

    -1 if there is none.
    """
    among = np.arange(len(r)) if among is None else among
    kept = among[r[among] <= budget * SLACK]
    return int(kept[np.lexsort((r[kept], -q[kept]))[0]]) if len(kept) else -1


def _greedy(slugs: pd.DataFrame, q: np.ndarray, r: np.ndarray, budgets: np.ndarray) -> list[int]:
    """Return, per budget, the path where a search stage by stage ends; -1 if none keeps it."""
    codes = np.stack([pd.factorize(slugs[stage])[0] for stage in slugs], axis=1)
    start, out = int(np.lexsort((-q, r))[0]), []
    for budget in budgets:
        path, before = (start if r[start] <= budget * SLACK else -1), -2
        while path not in (before, -1):
            before = path
            for stage in range(codes.shape[1]):
                others = np.delete(codes, stage, axis=1)
                alike = (others == others[path]).all(axis=1)
                path = _best(q, r, budget, np.flatnonzero(alike))
        out.append(path)
    return out


def _filled(choice: str, frontier: Frontier, budgets: np.ndarray, name: str = "") -> pd.DataFrame:
    """Return the quality of a knapsack at each budget; NaN where the least choices take more."""
    x, y = frontier
    quality = np.where(budgets * SLACK >= x[0], np.interp(budgets, x, y), np.nan)
    return pd.DataFrame({"choice": choice, "path_id": name, "quality": quality})
