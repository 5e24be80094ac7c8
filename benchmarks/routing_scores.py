"""How policies are compared: what `benchmarks.routing` records of their choices.

Per trace, policy, prefer and SLO: quality with a 95 % bootstrap interval, cost_usd, latency_s,
latency_p95_s, slo_violation_rate, and quality where a violation scores 0; `slo` "grid" is the mean
over the SLOs of the grid that ours and the policy can attain, `n_slos` of them. Then one record per
figure an aim was set for, with `metric`, `value`, `at_least` or `at_most`, and a paired interval.
Differences to competitors have `p`, twice the smaller share of resamples on a side of zero (zero
counts for both), and `p_holm`, corrected over competitors (Holm 1979). Where violations score 0,
ours and every competitor that can weigh what a violation costs are told of it.
`slo_violation_rate` has its range over the fold seeds; `limits_binding` is the share of limits that
more than the target rate of ours' choices without limits would break (they are said to bind).
A bootstrap draws groups of related queries (of one text, product or person), not single queries.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.study import DOMAINS
from ecollm_lab.traces import intervals

WITH_PRICE = "_where_violations_cost"  # ends the name of a policy that weighs what they cost
METRICS = ("quality", "cost_usd", "latency_s")
N_RESAMPLES = 2000
COMPARED = ("best_single", "gpt-4.1", "best_router")
# at most this share of the choices on limited SLOs may be in violation, elsewhere 0.05
MOST_BROKEN = {"smart_home": 0.06, "smart_home_crossed": 0.06}
TARGET, LEAST_BROKEN = 0.05, 0.03  # the target rate; below the least, limits that bind are unused
NO_HARM, NOTHING = -0.003, "ours_giving_up_nothing"
ABOVE = ("knn", "threshold")  # to be exceeded on measured domains; no competitor may exceed ours
# quality gained and share of money or time spent, at least and at most
SAVINGS = {"cost": ("cost_usd", 0.02, 0.05), "latency": ("latency_s", 0.015, 0.25)}


def resampled(values: np.ndarray, groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return means in a bootstrap that draws groups, shape (resamples,)."""
    group, known = pd.factorize(groups)
    if len(known) < 2:  # one group says nothing about others: single queries are drawn
        group = known = np.arange(len(values))
    total, n = np.bincount(group, values, len(known)), np.bincount(group, minlength=len(known))
    drawn = intervals.drawn_rows(len(known), N_RESAMPLES, seed)
    means: np.ndarray = total[drawn].sum(axis=1) / n[drawn].sum(axis=1)
    return means


def interval(values: np.ndarray, groups: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return a 95 % bootstrap interval of the mean, drawing groups."""
    low, high = intervals.interval(resampled(values, groups, seed))
    return float(low), float(high)


def over(frame: pd.DataFrame, policy: str, other: str, column: str = "quality") -> pd.Series:
    """Return by how much a policy exceeds another, per query.

    It is the mean over those SLOs of the grid that both can attain.
    """
    part = frame[(frame["prefer"] == "quality") & (frame["slo"] != "none")]
    part = part.set_index(["query", "group", "slo"])
    one, two = (part.loc[part["policy"] == name, column] for name in (policy, other))
    difference = (one - two.reindex(one.index)).dropna()
    return difference.groupby(level=["query", "group"], sort=False).mean()


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


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the records of one trace."""
    frame = frame.assign(quality_if_kept=frame["quality"] * ~frame["violated"].astype(bool))
    grid = frame[(frame["prefer"] == "quality") & (frame["slo"] != "none")]
    whole = [((policy, "quality", "grid"), part) for policy, part in grid.groupby("policy")]
    out = []
    for (policy, prefer, slo), part in [*frame.groupby(["policy", "prefer", "slo"]), *whole]:
        low, high = interval(part["quality"].to_numpy(), part["group"].to_numpy())
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
                "n_slos": part["slo"].nunique(),
                "n_choices": len(part),
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
    apart, trace = ("ours", "oracle"), frame["trace"].iloc[0]
    measured = trace.removesuffix("_crossed") in DOMAINS
    grid = frame[(frame["prefer"] == "quality") & (frame["slo"] != "none")]
    known = set(grid["policy"])
    names = [name for name in grid["policy"].unique() if not name.startswith(apart)]
    names = [name for name in names if not name.endswith(WITH_PRICE)]
    out: list[dict[str, Any]] = []
    for what, ending in (("quality", ""), ("quality_if_kept", WITH_PRICE)):
        rows, mine = {}, f"ours{ending}"
        for name in names if mine in known else ():
            other = name + ending if name + ending in known else name
            more = over(frame, mine, other, what)
            drawn = resampled(more.to_numpy(), more.index.get_level_values("group").to_numpy())
            low, high = intervals.interval(drawn)
            above = measured and what == "quality" and name in ABOVE
            below = 2 * min((drawn >= 0).mean(), (drawn <= 0).mean())
            rows[name] = {
                "metric": f"{what}_over_{name}",
                "policy": mine,
                "value": more.mean(),
                "ci_low": float(low),
                "ci_high": float(high),
                **({"at_least": 0.0} if above else {}),
                "p": float(min(1.0, below + 1 / N_RESAMPLES)),
            }
        corrected = holm({name: row["p"] for name, row in rows.items()})
        out += [row | {"p_holm": corrected[name]} for name, row in rows.items()]
    return out


def _violations(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return how often limits break where there are any: overall, and where it is worst.

    Where the choices without limits would keep limits anyway, none need be broken.
    """
    trace, limited = frame["trace"].iloc[0], frame[frame["limited"]]
    within = {"at_most": MOST_BROKEN.get(trace, TARGET)}
    ours, single = (limited[limited["policy"] == name] for name in ("ours", "best_single"))
    if ours.empty:
        return []
    free = ours.groupby("slo")["broken_if_free"].mean()
    binds = ours["slo"].isin(free.index[free > TARGET])
    binding, least = ours[binds], {"at_least": LEAST_BROKEN}
    all_bind = least if binds.all() else {}
    out = [
        {"metric": "slo_violation_rate", **_rate(ours), **all_bind, **within},
        {"metric": "slo_violation_rate_without_limits", **_rate(ours, "broken_if_free")},
        {"metric": "limits_binding", "value": (free > TARGET).mean(), "n_slos": len(free)},
    ]
    if 0 < len(binding) < len(ours):
        rate = _rate(binding) | least | within
        out.append({"metric": "slo_violation_rate_where_limits_bind", **rate})
    if not single.empty:
        out.append({"metric": "slo_violation_rate_of_best_single", **_rate(single)})
    for column, bound in (("kind", {"at_most": 0.1}), ("cluster", {})):
        found = ours.groupby(column)["violated"].mean()
        worst = {"metric": f"slo_violation_rate_of_worst_{column}", column: found.idxmax()}
        out.append(worst | {"value": found.max()} | bound)
    return out


def _rate(part: pd.DataFrame, column: str = "violated") -> dict[str, float]:
    """Return how often limits break, its interval, and its range over the fold seeds if several."""
    rate = part.groupby(["seed", "query", "group"], sort=False)[column].mean()
    low, high = interval(rate.to_numpy(float), rate.index.get_level_values("group").to_numpy())
    found = {"value": rate.mean(), "ci_low": low, "ci_high": high}
    seeds = rate.groupby(level="seed").mean()
    if len(seeds) > 1:
        found |= {"seeds_low": seeds.min(), "seeds_high": seeds.max()}
    return found


def _no_harm(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Compare ours with the best single path where nothing is limited."""
    free = frame[(frame["slo"] == "none") & (frame["prefer"] == "quality")]
    table = free.pivot_table(index=["query", "group"], columns="policy", values="quality")
    more = table["ours"] - table["best_single"]
    low, high = interval(more.to_numpy(), more.index.get_level_values("group").to_numpy())
    return [
        {
            "metric": "quality_over_best_single_without_limits",
            "value": more.mean(),
            "at_least": NO_HARM,
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
    forms = ("ours", NOTHING)
    for prefer, mine, (label, policy) in product(SAVINGS, forms, against.items()):
        column, least, most = SAVINGS[prefer]
        ours = free[(free["policy"] == mine) & (free["prefer"] == prefer)].set_index("query")
        if ours.empty:
            continue
        other = best[best["policy"] == policy].set_index("query").loc[ours.index]
        gained = (ours["quality"] - other["quality"]).to_numpy()
        low, high = interval(gained, ours["group"].to_numpy())
        groups = ours["group"].to_numpy()
        drawn = [resampled(one[column].to_numpy(), groups) for one in (ours, other)]
        least_share, most_share = intervals.interval(drawn[0] / drawn[1])
        fixed, nothing = label == "best_single", mine == NOTHING
        aimed = fixed and not nothing and frame["trace"].iloc[0] == "homeassistant"
        same = {"policy": mine, "prefer": prefer, "against": label, "policy_against": policy}
        quality = {"metric": f"{prefer}_quality_over_{label}", "value": gained.mean()}
        share = {"metric": f"{column}_of_{label}", "ci_low": least_share, "ci_high": most_share}
        floor = least if aimed else NO_HARM
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
