"""The Runtime policy against every baseline, on measured domains and on recorded outcomes of real systems.

`python -m benchmarks.routing --json OUT.json [--parquet FILE] [--quick] [--traces NAME,NAME]`

Measured domains: fitted on the training split, scored on the held-out split. Recorded traces: five
folds by text, every query scored once, by policies that never saw its text (llmrouter_9models: the
recorded split). `ours_static` is ours on the embeddings of the static encoder; its records name it
in `encoder`. A cascade pays for every path it runs. Limits of the SLO grid are 95th percentiles of
paths in training, moved into the gap to the next path: up to five of latency × five of cost.
Policies differ in how they predict quality; the rule that keeps limits is the same for all. Choices
with prefer="quality" are scored over the whole grid, "cost" and "latency" without limits.

Records. Per trace, policy, prefer and SLO: quality with a 95 % bootstrap interval over texts,
cost_usd, latency_s, latency_p95_s, slo_violation_rate; `slo` "grid" is the mean over its SLOs that
ours and the policy can attain, `n_slos` of them. `aiq`: area under the non-decreasing convex hull
of quality over mean cost, through the grid's cost limits, per dollar of the range of path means
(RouterBench). Then one record per figure an aim was set for, with `metric`, `value`, `at_least` or
`at_most`, and a paired interval.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.spaces import MEASURED, RECORDED, recorded, renewed
from ecollm_lab.models import CachedEncoder, Encoder, default_encoder
from ecollm_lab.models.encoders import static_encoder
from ecollm_lab.policies import POLICIES, Policy, fit_policy
from ecollm_lab.policies.choosing import Decision, choose, oracle_choice
from ecollm_lab.policies.replays import outcomes_of, recorded_answers
from ecollm_lab.records import SLO, InfeasibleSLO
from ecollm_lab.traces import Trace, import_outcomes, intervals
from ecollm_lab.traces.path_ids import have_pipelines

DOMAINS = ("smart_home", "automotive")
LONG: dict[str, dict[str, Any]] = {
    "homeassistant": {
        "columns": {"query_id": "query_unit", "cost_usd": "cost_usd_est", "kind": "category"},
        "repeats": "mean",
        "exclude": [
            ("domain", "ha-automations"),
            ("path_id", "qwen3-4b"),
            ("path_id", "qwen3-4b-instruct-2507-iq4-nl"),
        ],
    },
    "hotpotqa_rag": {},
    "llmrouter_9models": {"columns": {"kind": "domain"}},
    "routellm_mmlu_gsm8k": {"exclude": [("contaminated", True)]},
}
# of a recorded trace: a fixed sample, and all that are held out where the trace says which
MOST_QUERIES = 3000
N_FOLDS, N_LIMITS, N_RESAMPLES = 5, 5, 2000
FIXED_CLOUD = "gpt-4.1"
LEARNED = ("ours", "knn", "cluster", "matrix_factorisation", "threshold", "cascade")
METRICS = ("quality", "cost_usd", "latency_s")
STATIC_NAME = "ours_static"


@dataclass(frozen=True, eq=False)
class Fold:
    """Training and scoring parts of a trace with their embeddings."""

    train: Trace
    test: Trace
    seen: np.ndarray
    unseen: np.ndarray
    seen_static: np.ndarray | None = None
    unseen_static: np.ndarray | None = None


def available() -> list[str]:
    """Return the names of the traces that can be loaded here."""
    return [n for n in DOMAINS if (MEASURED / f"{n}.parquet").exists()] + [
        n for n in LONG if (RECORDED / f"{n}.parquet").exists()
    ]


def folds(name: str, most: int, n_folds: int = N_FOLDS, seed: int = 0) -> Iterator[Fold]:
    """Yield the folds of a trace; queries of one text are always on one side."""
    encoders: list[Encoder] = [CachedEncoder(default_encoder()), static_encoder()]
    if name in DOMAINS:
        trace = Trace.load(MEASURED / f"{name}.parquet")
    else:
        trace = import_outcomes(
            "long", RECORDED / f"{name}.parquet", heldout_share=0.0, **LONG[name]
        )
        whole = ~np.isnan(trace.array("quality")).any(axis=1)
        rng = np.random.default_rng(seed)
        drawn = (
            rng.permutation(len(whole)).argsort() < most
            if len(whole) > most
            else np.ones(len(whole), dtype=bool)
        )
        trace = trace.where(
            whole & (drawn | ((trace.queries["split"] == "heldout") & (most == MOST_QUERIES)))
        )
    if set(trace.queries["split"]) == {"train", "heldout"}:
        pairs = [(trace.split("train"), trace.split("heldout"))]
    else:
        group = pd.factorize(trace.queries["text"])[0]
        fold = np.random.default_rng(seed).permutation(group.max() + 1)[group] % n_folds
        pairs = [(trace.where(fold != f), trace.where(fold == f)) for f in range(n_folds)]
    for train, test in pairs:
        parts = [[text[:2000] for text in part.queries["text"]] for part in (train, test)]
        yield Fold(train, test, *(encoder.encode(texts) for encoder in encoders for texts in parts))


def slo_grid(train: Trace, n_limits: int = N_LIMITS) -> dict[str, SLO]:
    """Return SLOs by name, "c2 t3": second of the cost limits, third of the latency limits; the last of each is no limit."""
    limits: dict[str, list[float | None]] = {}
    for column in ("cost_usd", "latency_s"):
        values = train.array(column)
        if np.isnan(values).all():
            limits[column] = [None]
            continue
        tails = np.unique(np.nanquantile(values, 0.95, axis=0))
        at = np.unique(np.linspace(0, len(tails) - 1, n_limits + 1).round().astype(int))[1:-1]
        limits[column] = [
            float(tails[i : i + 2].mean()) for i in at if tails[i : i + 2].mean() > 0
        ] + [None]
    return {
        f"c{i} t{j}": SLO(max_cost_usd=cost, max_latency_s=latency)
        for i, cost in enumerate(limits["cost_usd"])
        for j, latency in enumerate(limits["latency_s"])
    }


def outcomes(fold: Fold, n_limits: int = N_LIMITS) -> Iterator[dict[str, Any]]:
    """Yield what every policy's choices delivered, one array over the queries per policy, prefer and SLO."""
    tables = np.stack([fold.test.array(metric) for metric in METRICS])
    recorded = [
        metric for metric, table in zip(METRICS, tables, strict=True) if not np.isnan(table).all()
    ]
    ids = pd.Index(fold.test.path_ids)
    encoder, ask = CachedEncoder(default_encoder()), recorded_answers(fold.test)
    dollars = np.nanmean(tables[1], axis=0) if "cost_usd" in recorded else np.full(len(ids), np.nan)
    spread = dollars.min(), dollars.max()
    slos = {("quality", key): slo for key, slo in slo_grid(fold.train, n_limits).items()}
    slos |= {("cost", "none"): SLO(prefer="cost")} if "cost_usd" in recorded else {}
    slos |= {("latency", "none"): SLO(prefer="latency")} if "latency_s" in recorded else {}
    slos["quality", "none"] = SLO()
    fitted: list[Policy] = []
    thrifty = fit_policy(fold.train, "ours", embeddings=fold.seen, tolerance=0.0)
    thrifty.name = "ours_giving_up_nothing"
    careless = fit_policy(fold.train, "ours", embeddings=fold.seen, margin=0.0)
    careless.name = "ours_without_margin"
    structured = have_pipelines(fold.train.path_ids)
    for name in POLICIES:
        if name == "cloud_only" and not fold.train.provenance.get("models"):
            continue
        if name == "cascade" and "answer" not in fold.train.outcomes:
            continue
        fitted.append(fit_policy(fold.train, name, embeddings=fold.seen, encoder=encoder))
        if structured and name in (*LEARNED, "best_single"):
            fitted.append(
                fit_policy(
                    fold.train, name, embeddings=fold.seen, encoder=encoder, models_only=True
                )
            )

    def told(
        name: str, prefer: str, key: str, slo: SLO, path_ids: np.ndarray | Decision
    ) -> dict[str, Any]:
        decision = (
            path_ids if isinstance(path_ids, Decision) else Decision(path_ids, path_ids[:, None])
        )
        quality, cost, latency = outcomes_of(fold.test, decision)[list(METRICS)].to_numpy().T
        return {
            "policy": name,
            "prefer": prefer,
            "slo": key,
            "text": fold.test.queries["text"].to_numpy(),
            "quality": quality,
            "cost_usd": cost,
            "latency_s": latency,
            "violated": ~slo.keeps(cost, latency),
            "limited": slo.max_cost_usd is not None or slo.max_latency_s is not None,
            "range": spread,
        }

    fitted.append(careless)
    unseen = dict.fromkeys([thrifty, *fitted], fold.unseen)
    if fold.seen_static is not None and fold.unseen_static is not None:
        fitted.append(fit_policy(fold.train, "ours", embeddings=fold.seen_static))
        fitted[-1].name = STATIC_NAME
        unseen[fitted[-1]] = fold.unseen_static
    for (prefer, key), slo in slos.items():
        for policy in [*fitted, *([thrifty] if prefer != "quality" else [])]:
            try:
                chosen = policy.decide(unseen[policy], slo, ask=ask)
            except InfeasibleSLO:
                continue
            yield told(policy.name, prefer, key, slo, chosen)
        yield told("oracle", prefer, key, slo, oracle_choice(fold.test, slo))
        if (
            prefer == "quality" and key != "none"
        ):  # the naive rule: every path whose mean keeps the limits
            ours = fitted[0]
            mask = slo.keeps(ours.training.cost.mean, ours.training.latency.mean)
            if mask.any():
                columns = choose(
                    ours.predict(fold.unseen),
                    mask,
                    np.nan_to_num(ours.training.cost.mean),
                    np.nan_to_num(ours.training.latency.mean),
                    slo,
                )
                yield told("ours_mean_rule", prefer, key, slo, ids.to_numpy()[columns])
    if FIXED_CLOUD in ids:
        yield told(
            FIXED_CLOUD,
            "quality",
            "none",
            SLO(),
            np.full(len(fold.unseen), FIXED_CLOUD, dtype=object),
        )


def collect(name: str, *, quick: bool = False) -> pd.DataFrame:
    """Return one row per query, policy, prefer and SLO of a trace; SLOs that ours could not attain in every fold are left out."""
    parts, n_folds = [], 0
    for i, fold in enumerate(folds(name, 120, 2) if quick else folds(name, MOST_QUERIES)):
        n_folds += 1
        for one in outcomes(fold, 3 if quick else N_LIMITS):
            low, high = one.pop("range")
            parts.append(
                pd.DataFrame(
                    {
                        **one,
                        "fold": i,
                        "least_usd": low,
                        "most_usd": high,
                        "query": [f"{i}.{j}" for j in range(len(one["text"]))],
                    }
                )
            )
    frame = pd.concat(parts, ignore_index=True)
    reached = frame[frame["policy"] == "ours"].groupby(["prefer", "slo"])["fold"].nunique()
    attained = {key for key, n in reached.items() if n == n_folds}
    return frame[
        [key in attained for key in zip(frame["prefer"], frame["slo"], strict=True)]
    ].assign(trace=name)


def interval(values: np.ndarray, texts: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return a 95 % bootstrap interval of the mean, drawing texts."""
    group, known = pd.factorize(texts)
    total, n = np.bincount(group, values, len(known)), np.bincount(group, minlength=len(known))
    drawn = intervals.drawn_rows(len(known), N_RESAMPLES, seed)
    low, high = intervals.interval(total[drawn].sum(axis=1) / n[drawn].sum(axis=1))
    return float(low), float(high)


def over(frame: pd.DataFrame, policy: str, other: str) -> pd.Series:
    """Return by how much a policy's quality exceeds another's, per query: the mean over those SLOs of the grid that both can attain."""
    part = frame[(frame["prefer"] == "quality") & (frame["slo"] != "none")].set_index(
        ["query", "text", "slo"]
    )
    one, two = (part.loc[part["policy"] == name, "quality"] for name in (policy, other))
    return (
        (one - two.reindex(one.index)).dropna().groupby(level=["query", "text"], sort=False).mean()
    )


def aiq(part: pd.DataFrame) -> float:
    """Return the area under the hull of (mean cost, mean quality), starting at the cheapest path's cost with none, per dollar."""
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
    name = frame["trace"].iloc[0]
    out: list[dict[str, Any]] = []
    grids = dict(
        list(frame[(frame["prefer"] == "quality") & (frame["slo"] != "none")].groupby("policy"))
    )
    whole = [((policy, "quality", "grid"), part) for policy, part in grids.items()]
    for (policy, prefer, slo), part in [*frame.groupby(["policy", "prefer", "slo"]), *whole]:
        low, high = interval(part["quality"].to_numpy(), part["text"].to_numpy())
        out.append(
            {
                "trace": name,
                "policy": policy,
                "prefer": prefer,
                "slo": slo,
                "quality": part["quality"].mean(),
                "cost_usd": part["cost_usd"].mean(),
                "latency_s": part["latency_s"].mean(),
                "latency_p95_s": part["latency_s"].quantile(0.95),
                "slo_violation_rate": part["violated"].mean(),
                "aiq": aiq(part) if slo == "grid" else float("nan"),
                "n_slos": part["slo"].nunique(),
                "ci_low": low,
                "ci_high": high,
            }
            | (
                {
                    "encoder": (
                        static_encoder().name if policy == STATIC_NAME else default_encoder().name
                    )
                }
                if policy.startswith("ours")
                else {}
            )
        )
    return out + aims(frame)


def aims(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the records an aim was set for."""
    name = frame["trace"].iloc[0]
    out = []

    def aim(
        metric: str,
        value: float,
        bounds: dict[str, float],
        ci: tuple[float, float] = (np.nan, np.nan),
        **more: Any,
    ) -> None:
        out.append(
            {
                "trace": name,
                "metric": metric,
                "value": value,
                **bounds,
                "ci_low": ci[0],
                "ci_high": ci[1],
                **more,
            }
        )

    def gained(metric: str, other: str, bounds: dict[str, float], policy: str = "ours") -> None:
        more = over(frame, policy, other)
        aim(
            metric,
            more.mean(),
            bounds,
            interval(more.to_numpy(), more.index.get_level_values("text").to_numpy()),
        )

    goal = {"smart_home": 0.015, "automotive": 0.015, "homeassistant": 0.006}.get(str(name))
    for other in ("knn", "cluster"):
        gained(f"quality_over_{other}", other, {"at_least": goal} if goal else {})
    for other in ("matrix_factorisation", "threshold", "cascade", STATIC_NAME):
        if other in set(frame["policy"]):
            gained(f"quality_over_{other}", other, {})
    gained("quality_over_best_single", "best_single", {"at_least": -0.003})
    limited = frame[frame["limited"]]
    if len(limited):
        rates = {}
        for policy in ("ours", "ours_without_margin", "ours_mean_rule"):
            rate = (
                limited[limited["policy"] == policy]
                .groupby(["query", "text"], sort=False)["violated"]
                .mean()
            )
            low, high = interval(rate.to_numpy(), rate.index.get_level_values("text").to_numpy())
            rates[policy] = (float(rate.mean()), (low, high))
        aim(
            "slo_violation_rate",
            rates["ours"][0],
            {"at_least": 0.03, "at_most": 0.05},
            rates["ours"][1],
        )
        aim(
            "slo_violation_rate_without_margin",
            rates["ours_without_margin"][0],
            {},
            rates["ours_without_margin"][1],
        )
        gained("quality_lost_to_margin", "ours", {}, "ours_without_margin")
        aim(
            "slo_violation_rate_of_mean_rule",
            rates["ours_mean_rule"][0],
            {},
            rates["ours_mean_rule"][1],
        )
        gained("quality_lost_to_mean_rule", "ours", {"at_most": 0.005}, "ours_mean_rule")
    return out + _savings(frame)


def _savings(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Compare prefer=cost and prefer=latency, without limits, with the best model router, the best single path, and a fixed model."""
    name = str(frame["trace"].iloc[0])
    free = frame[frame["slo"] == "none"]
    best = free[free["prefer"] == "quality"]
    means = best.groupby("policy")["quality"].mean()
    routers = [policy for policy in means.index if policy.endswith("_router")]
    against = {"best_single": "best_single"} | (
        {FIXED_CLOUD: FIXED_CLOUD} if FIXED_CLOUD in means.index else {}
    )
    if routers:
        against["best_router"] = str(
            means[routers].idxmax()
        )  # by held-out quality: generous to the routers
    aims_set = {
        ("best_router", "cost"): (0.0, 0.38),
        ("best_router", "latency"): (0.0, 0.38),
        ("best_single", "cost"): (0.02, 0.05),
        ("best_single", "latency"): (0.015, 0.30),
        (FIXED_CLOUD, "cost"): (0.02, 0.05),
        (FIXED_CLOUD, "latency"): (0.015, 0.30),
    }
    out: list[dict[str, Any]] = []
    for prefer, column in (("cost", "cost_usd"), ("latency", "latency_s")):
        for mine, (label, policy) in product(("ours", "ours_giving_up_nothing"), against.items()):
            ours = free[(free["policy"] == mine) & (free["prefer"] == prefer)].set_index("query")
            if ours.empty:
                continue
            other = best[best["policy"] == policy].set_index("query").loc[ours.index]
            gained = (ours["quality"] - other["quality"]).to_numpy()
            low, high = interval(gained, ours["text"].to_numpy())
            bounded = (label == "best_router") == (name in DOMAINS) and (
                name in DOMAINS or name == "homeassistant"
            )
            quality, share = aims_set[label, prefer] if bounded else (None, None)
            common = {
                "trace": name,
                "policy": mine,
                "prefer": prefer,
                "against": label,
                "policy_against": policy,
            }
            out.append(
                {
                    **common,
                    "metric": f"{prefer}_quality_over_{label}",
                    "value": gained.mean(),
                    "ci_low": low,
                    "ci_high": high,
                }
                | ({"at_least": quality} if bounded else {})
            )
            out.append(
                {
                    **common,
                    "metric": f"{column}_of_{label}",
                    "value": float(ours[column].mean() / other[column].mean()),
                }
                | ({"at_most": share} if bounded else {})
            )
    return out


def main() -> None:
    """Run, write records and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument(
        "--parquet", type=Path, help="also write the records here; those of other traces stay"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="fewer queries of recorded traces, folds and limits; ends within a minute",
    )
    parser.add_argument("--traces", help="names separated by commas; default: all that are at hand")
    args = parser.parse_args()
    found: list[dict[str, Any]] = []
    names = args.traces.split(",") if args.traces else available()
    for name in names:
        started = time.perf_counter()
        found += records(collect(name, quick=args.quick))
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    plain = json.loads(pd.DataFrame(found).to_json(orient="records"))
    args.json.write_text(
        json.dumps([{k: v for k, v in row.items() if v is not None} for row in plain], indent=1)
        + "\n"
    )
    frame = pd.DataFrame(plain)
    if args.parquet:
        renewed(args.parquet, frame).to_parquet(args.parquet, index=False)
    print(markdown(frame))


SHOWN = (
    "ours",
    STATIC_NAME,
    "matrix_factorisation",
    "threshold",
    "cascade",
    "knn",
    "cluster",
    "best_single",
    "ours_router",
    "oracle",
)


def markdown(frame: pd.DataFrame) -> str:
    """Return the tables of the README: quality over the SLO grid, and the figures an aim was set for."""
    grid = frame[frame["slo"] == "grid"].pivot_table(
        index="trace", columns="policy", values="quality", sort=False
    )
    shown = grid.reindex(columns=list(SHOWN))
    lines = [f"| quality over the SLO grid | {' | '.join(SHOWN)} |", f"|---|{'---|' * len(SHOWN)}"]
    for trace, row in shown.iterrows():
        lines.append(f"| {trace} | {' | '.join('–' if np.isnan(v) else f'{v:.3f}' for v in row)} |")
    lines += ["", "| trace | figure | value | aim |", "|---|---|---|---|"]
    bounded = frame.reindex(columns=frame.columns.union(["at_least", "at_most"], sort=False))
    for row in bounded[bounded["metric"].notna()].itertuples():
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in (("≥", row.at_least), ("≤", row.at_most))
            if not np.isnan(bound)
        ]
        ci = "" if np.isnan(row.ci_low) else f" [{row.ci_low:.3f}, {row.ci_high:.3f}]"
        of = " (giving up nothing)" if row.policy == "ours_giving_up_nothing" else ""
        if bounds:
            lines.append(
                f"| {row.trace} | {row.metric}{of} | {row.value:.3f}{ci} | {' and '.join(bounds)} |"
            )
    said = recorded(frame)
    return "\n".join([*lines, *([""] if said else []), *said])


if __name__ == "__main__":
    main()
