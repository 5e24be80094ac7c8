"""How policies are compared: what `benchmarks.routing` records of their choices.

Per trace, policy, prefer and SLO: quality with a 95 % bootstrap interval over texts, cost_usd,
latency_s, latency_p95_s, slo_violation_rate, and quality where a violation scores 0; `slo` "grid"
is the mean over the SLOs of the grid that ours and the policy can attain, `n_slos` of them. `aiq`:
area under the non-decreasing convex hull of quality over mean cost, through the grid's cost limits,
per dollar of the range of path means (RouterBench). Then one record per figure an aim was set for,
with `metric`, `value`, `at_least` or `at_most`, and a paired interval; differences to competitors
have `p`, the share of resamples on the other side of zero, twice, and `p_holm`, corrected over
competitors (Holm 1979).
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.spaces import recorded
from ecollm_lab.traces import intervals

METRICS = ("quality", "cost_usd", "latency_s")
N_RESAMPLES = 2000
COMPARED = ("best_single", "gpt-4.1", "best_router")
# at most this share of the choices on limited SLOs may be in violation, elsewhere 0.05
MOST_BROKEN = {"smart_home": 0.06, "smart_home_crossed": 0.06}
# quality gained and share of money or time spent, at least and at most
SAVINGS = {"cost": ("cost_usd", 0.02, 0.05), "latency": ("latency_s", 0.015, 0.25)}
SHOWN = (
    "ours",
    "ours_where_violations_cost",
    "threshold",
    "matrix_factorisation",
    "knn",
    "carrot",
    "brane",
    "cluster",
    "cascade",
    "raser",
    "best_single",
    "ours_router",
    "oracle",
)


def resampled(values: np.ndarray, texts: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return means in a bootstrap that draws texts, shape (resamples,)."""
    group, known = pd.factorize(texts)
    total, n = np.bincount(group, values, len(known)), np.bincount(group, minlength=len(known))
    drawn = intervals.drawn_rows(len(known), N_RESAMPLES, seed)
    means: np.ndarray = total[drawn].sum(axis=1) / n[drawn].sum(axis=1)
    return means


def interval(values: np.ndarray, texts: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return a 95 % bootstrap interval of the mean, drawing texts."""
    low, high = intervals.interval(resampled(values, texts, seed))
    return float(low), float(high)


def over(frame: pd.DataFrame, policy: str, other: str, column: str = "quality") -> pd.Series:
    """Return by how much a policy exceeds another, per query.

    It is the mean over those SLOs of the grid that both can attain.
    """
    part = frame[(frame["prefer"] == "quality") & (frame["slo"] != "none")]
    part = part.set_index(["query", "text", "slo"])
    one, two = (part.loc[part["policy"] == name, column] for name in (policy, other))
    difference = (one - two.reindex(one.index)).dropna()
    return difference.groupby(level=["query", "text"], sort=False).mean()


def holm(p: dict[str, float]) -> dict[str, float]:
    """Return p-values corrected for their number (Holm 1979).

    Examples
    --------
    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}

    """
    out, highest = {}, 0.0
    for rank, name in enumerate(sorted(p, key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[name]))
        out[name] = highest
    return out


def aiq(part: pd.DataFrame) -> float:
    """Return the area under the hull of (mean cost, mean quality), per dollar.

    The hull starts at the cheapest path's cost, with no quality.
    """
    points = part.groupby("slo")[["cost_usd", "quality"]].mean().sort_values("cost_usd").to_numpy()
    low, high = part["least_usd"].mean(), part["most_usd"].mean()
    if not high > low:
        return float("nan")
    hull: list[np.ndarray] = [np.array([low, 0.0])]
    for point in points:
        while len(hull) > 1 and np.linalg.det([hull[-1] - hull[-2], point - hull[-2]]) >= 0:
            hull.pop()
        if point[1] > hull[-1][1] or len(hull) == 1:
            hull.append(point)
    at = np.linspace(low, high, 2001)
    return float(np.interp(at, *np.array(hull).T).mean())


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the records of one trace."""
    frame = frame.assign(quality_if_kept=frame["quality"] * ~frame["violated"].astype(bool))
    grid = frame[(frame["prefer"] == "quality") & (frame["slo"] != "none")]
    whole = [((policy, "quality", "grid"), part) for policy, part in grid.groupby("policy")]
    out = []
    for (policy, prefer, slo), part in [*frame.groupby(["policy", "prefer", "slo"]), *whole]:
        low, high = interval(part["quality"].to_numpy(), part["text"].to_numpy())
        out.append(
            {
                "trace": frame["trace"].iloc[0],
                "policy": policy,
                "prefer": prefer,
                "slo": slo,
                "quality": part["quality"].mean(),
                "quality_if_kept": part["quality_if_kept"].mean(),
                "cost_usd": part["cost_usd"].mean(),
                "latency_s": part["latency_s"].mean(),
                "latency_p95_s": part["latency_s"].quantile(0.95),
                "slo_violation_rate": part["violated"].mean(),
                "aiq": aiq(part) if slo == "grid" else float("nan"),
                "n_slos": part["slo"].nunique(),
                "ci_low": low,
                "ci_high": high,
            }
        )
    return out + aims(frame)


def aims(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the records an aim was set for."""
    if "quality_if_kept" not in frame:
        frame = frame.assign(quality_if_kept=frame["quality"] * ~frame["violated"].astype(bool))
    found = [*_differences(frame), *_violations(frame), *_no_harm(frame), *_savings(frame)]
    return [{"trace": frame["trace"].iloc[0], **one} for one in found]


def _differences(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Compare ours with every competitor over the grid, with violations scoring 0 and without."""
    apart = ("ours", "oracle")
    grid = frame[(frame["prefer"] == "quality") & (frame["slo"] != "none")]
    names = [name for name in grid["policy"].unique() if not name.startswith(apart)]
    names = [name for name in names if not name.endswith("_router")]
    out: list[dict[str, Any]] = []
    for column, mine, what in (
        ("quality", "ours", "quality"),
        ("quality_if_kept", "ours_where_violations_cost", "quality_if_kept"),
    ):
        rows = {}
        for name in names if mine in set(grid["policy"]) else ():
            more = over(frame, mine, name, column)
            drawn = resampled(more.to_numpy(), more.index.get_level_values("text").to_numpy())
            low, high = intervals.interval(drawn)
            below = 2 * min((drawn > 0).mean(), (drawn < 0).mean())
            rows[name] = {
                "metric": f"{what}_over_{name}",
                "policy": mine,
                "value": more.mean(),
                "ci_low": float(low),
                "ci_high": float(high),
                "p": float(min(1.0, below + 1 / N_RESAMPLES)),
            }
        corrected = holm({name: row["p"] for name, row in rows.items()})
        out += [row | {"p_holm": corrected[name]} for name, row in rows.items()]
    return out


def _violations(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return how often limits break where there are any, over all queries and in the worst kind."""
    limited = frame[frame["limited"]]
    out: list[dict[str, Any]] = []
    for policy in ("ours", "best_single"):
        part = limited[limited["policy"] == policy]
        if part.empty:
            continue
        rate = part.groupby(["query", "text"], sort=False)["violated"].mean()
        low, high = interval(rate.to_numpy(float), rate.index.get_level_values("text").to_numpy())
        most = MOST_BROKEN.get(frame["trace"].iloc[0], 0.05)
        ours = policy == "ours"
        out.append(
            {
                "metric": "slo_violation_rate" if ours else f"slo_violation_rate_of_{policy}",
                "value": rate.mean(),
                **({"at_most": most} if ours else {}),
                "ci_low": low,
                "ci_high": high,
            }
        )
        if ours and "kind" in part:
            by_kind = part.groupby("kind")["violated"].mean()
            worst = {"metric": "slo_violation_rate_of_worst_kind", "kind": by_kind.idxmax()}
            out.append(worst | {"value": by_kind.max(), "at_most": 0.1})
    return out


def _no_harm(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Compare ours with the best single path where nothing is limited."""
    free = frame[(frame["slo"] == "none") & (frame["prefer"] == "quality")]
    table = free.pivot_table(index=["query", "text"], columns="policy", values="quality")
    more = table["ours"] - table["best_single"]
    low, high = interval(more.to_numpy(), more.index.get_level_values("text").to_numpy())
    return [
        {
            "metric": "quality_over_best_single_without_limits",
            "value": more.mean(),
            "at_least": -0.003,
            "ci_low": low,
            "ci_high": high,
        }
    ]


def _savings(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Compare prefer=cost and prefer=latency, without limits, with fixed paths and routers."""
    free = frame[frame["slo"] == "none"]
    best = free[free["prefer"] == "quality"]
    means = best.groupby("policy")["quality"].mean()
    routers = [policy for policy in means.index if policy.endswith("_router")]
    against = {name: name for name in COMPARED if name in means.index}
    if routers:  # the best by held-out quality: generous to the routers
        against["best_router"] = str(means[routers].idxmax())
    out: list[dict[str, Any]] = []
    forms = ("ours", "ours_giving_up_nothing")
    for prefer, mine, (label, policy) in product(SAVINGS, forms, against.items()):
        column, least, most = SAVINGS[prefer]
        ours = free[(free["policy"] == mine) & (free["prefer"] == prefer)].set_index("query")
        if ours.empty:
            continue
        other = best[best["policy"] == policy].set_index("query").loc[ours.index]
        gained = (ours["quality"] - other["quality"]).to_numpy()
        low, high = interval(gained, ours["text"].to_numpy())
        texts = ours["text"].to_numpy()
        drawn = [resampled(one[column].to_numpy(), texts) for one in (ours, other)]
        least_share, most_share = intervals.interval(drawn[0] / drawn[1])
        fixed, nothing = label == "best_single", mine == "ours_giving_up_nothing"
        aimed = fixed and not nothing and frame["trace"].iloc[0] == "homeassistant"
        same = {"policy": mine, "prefer": prefer, "against": label, "policy_against": policy}
        quality = {"metric": f"{prefer}_quality_over_{label}", "value": gained.mean()}
        share = {"metric": f"{column}_of_{label}", "ci_low": least_share, "ci_high": most_share}
        floor = least if aimed else -0.003
        out += [
            same
            | quality
            | {"ci_low": low, "ci_high": high}
            | ({"at_least": floor} if aimed or (fixed and nothing) else {}),
            same
            | share
            | {"value": float(ours[column].mean() / other[column].mean())}
            | ({"at_most": most} if aimed else {"at_most": 0.4} if fixed and nothing else {}),
        ]
    return out


def markdown(frame: pd.DataFrame) -> str:
    """Return the tables of docs/routing.md: quality over the grid, differences, aims."""
    grid = frame[frame["slo"] == "grid"].pivot_table(
        index="trace", columns="policy", values="quality", sort=False
    )
    lines = [f"| quality over the SLO grid | {' | '.join(SHOWN)} |", f"|---|{'---|' * len(SHOWN)}"]
    for trace, row in grid.reindex(columns=list(SHOWN)).iterrows():
        lines.append(f"| {trace} | {' | '.join('–' if np.isnan(v) else f'{v:.3f}' for v in row)} |")
    lines += ["", "| trace | figure | value | aim |", "|---|---|---|---|"]
    frame = frame.reindex(columns=frame.columns.union(["at_least", "at_most"], sort=False))
    for row in frame[frame["metric"].notna()].itertuples():
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in (("≥", row.at_least), ("≤", row.at_most))
            if not np.isnan(bound)
        ]
        against = str(row.metric).startswith(("quality_over_", "quality_if_kept_over_"))
        if not bounds and not against:
            continue
        ci = "" if np.isnan(row.ci_low) else f" [{row.ci_low:.3f}, {row.ci_high:.3f}]"
        aim = " and ".join(bounds) or f"not below (p {row.p_holm:.3f})"
        nothing = " (giving up nothing)" * (row.policy == "ours_giving_up_nothing")
        lines.append(f"| {row.trace} | {row.metric}{nothing} | {row.value:.3f}{ci} | {aim} |")
    said = recorded(frame)
    return "\n".join([*lines, *([""] if said else []), *said])
