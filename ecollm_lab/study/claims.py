"""The claims that ECO-LLM makes for choosing a path per query, computed on any trace.

The paper ("Orchestration for Domain-specific Edge-Cloud Language Models", arXiv 2507.09003)
compares the best path of each query with one fixed cloud path on queries that were explored, and a
policy with routers on queries that were not. A *cloud path* is one whose model runs in the cloud.

Every claim is a row: `metric`, `value`, `low` and `high` (the 95 % interval of a bootstrap over
groups of queries of one text, product or person), and where they apply `path_id`, `policy` (the
router), `kind`, `kinds`, `n` (queries of the kind, or kinds) and `slo`. In each resample the best
path is found anew. A row that compares cost or latency is a share, 0.1 for a tenth; its
`quality_over`, `quality_over_low` and `quality_over_high` say by how much the quality is higher
than that of what it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from ecollm_lab.models import CachedEncoder, Encoder, default_encoder
from ecollm_lab.policies import Decision, fit_policy, replay
from ecollm_lab.policies.choosing import choose
from ecollm_lab.policies.limits import TOLERANCE
from ecollm_lab.policies.replays import folds_of, outcomes_of
from ecollm_lab.policies.slos import slo_grid, study_slos
from ecollm_lab.records import SLO
from ecollm_lab.study.resamples import SPENT, Resamples, Row
from ecollm_lab.traces import Trace

COLUMNS = (
    "metric",
    "value",
    "low",
    "high",
    "quality_over",
    "quality_over_low",
    "quality_over_high",
    "path_id",
    "policy",
    "kind",
    "kinds",
    "n",
    "slo",
)
NEAR = 0.02  # quality by which an edge path may be below the best cloud path and still serve
SLOS = {name: SLO(prefer=name) for name in ("quality", "cost", "latency")}
SCORES = ("quality", *SPENT.values(), "violated")
ROUTERS = ("best_single", "knn", "matrix_factorisation", "threshold")


def compute_claims(
    trace: Trace,
    *,
    embeddings: np.ndarray | None = None,
    folds: int = 5,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return every claim that a trace allows, a row each.

    Parameters
    ----------
    trace
        Outcomes of every query on every path; see `complete`.
    embeddings
        Unit embeddings of its queries, shape (queries, dimension). If left out they are computed,
        and our policy may look at the words and the kinds of queries too.
    folds
        Into how many parts the queries are cut; those of one text, product or person are in one
        part. A choice that is cross-validated was made on the other parts.
    n_resamples, seed
        Of the bootstrap; the seed also cuts the folds.

    Returns
    -------
    The rows of `compute_hindsight`, then:

    - `kind_…`, `cluster_…`: the best path for each kind of query, and for each cluster of texts,
      cross-validated. `…_quality`; `…_cost_share` and `…_latency_share` of the best cloud path, for
      the cheapest and the fastest path of a kind within `policies.limits.TOLERANCE` of the best
      quality, and for clusters, where cost or latency is preferred as by every policy.
    - `router_quality`: the router that proves best on these queries, of `ROUTERS`, cross-validated.
      Where paths combine pipelines with models, routers choose a model for the pipeline of the path
      that is best on the other folds. Which router it is, is chosen in hindsight, in its favour.
    - `cost_share_of_router`, `latency_share_of_router`: our policy where it prefers cost and
      latency, cross-validated, against that router; `strict_…`: with a tolerance of 0, where it
      may give up no quality for them.
    - `limits_kept`: share of the queries in which our policy, preferring quality, keeps the limits
      of the study, which are set on the training split where there is one.

    What a trace does not record has no row: cost, latency, or where models run.

    """
    drawn = Resamples(trace, n_resamples, seed)
    given, encoder = embeddings, CachedEncoder(default_encoder())
    if embeddings is None:
        embeddings = encoder.encode(trace.queries["text"].tolist())
    rows = [*_hindsight(drawn), *_choices(drawn, embeddings, folds, seed)]
    return _frame([*rows, *_unseen(drawn, given, encoder, folds, seed)])


def compute_hindsight(trace: Trace, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Return what the best path of each query gains, chosen on the outcomes it is scored on.

    These are upper bounds: the best of many paths is partly the luckiest.

    Returns
    -------
    - `oracle_quality`, `oracle_over_best_path`: the best path of each query, and how far it is
      above the best path for all queries.
    - `best_cloud_quality`, `oracle_over_best_cloud`, `cloud_over_edge`: the best cloud path, and
      how far it is below the oracle and above the best edge path.
    - `oracle_cost_share`, `oracle_latency_share`: what the cheapest, or the fastest, of the equally
      good paths of each query takes of the cost, or the time, of the best cloud path. Where no path
      answers a query, all are equally good.
    - `edge_over_cloud`: for each `kind`, the best edge path there less the best cloud path there.
    - `kinds_on_the_edge`: number of `kinds` in which the former is at most `NEAR` below the latter.
      A resample that has no query of a kind counts it as the trace does.

    """
    return _frame(list(_hindsight(Resamples(trace, n_resamples, seed))))


def _frame(rows: list[Row]) -> pd.DataFrame:
    """Return rows as a table with the same columns whatever a trace records."""
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _hindsight(drawn: Resamples) -> Iterator[Row]:
    quality, paths = drawn.quality, np.array(drawn.trace.path_ids, dtype=object)
    best = drawn.best(np.ones(len(paths), dtype=bool))
    oracle = drawn.weights @ quality.max(axis=1)
    yield drawn.row("oracle_quality", oracle)
    over = oracle - drawn.of_path(quality, best)
    yield drawn.row("oracle_over_best_path", over, path_id=paths[best[0]])
    if not drawn.cloud.any():
        return
    best = drawn.best(drawn.cloud)
    cloud = drawn.of_path(quality, best)
    yield drawn.row("best_cloud_quality", cloud, path_id=paths[best[0]])
    yield drawn.row("oracle_over_best_cloud", oracle - cloud, path_id=paths[best[0]])
    equal = quality >= quality.max(axis=1, keepdims=True) - 1e-12
    for name in drawn.recorded:
        least = drawn.weights @ np.where(equal, drawn.spent[name], np.inf).min(axis=1)
        spent = np.stack([least, drawn.of_path(drawn.spent[name], best)])
        yield drawn.share(f"oracle_{name}_share", spent, np.stack([oracle, cloud]))
    if drawn.edge.any():
        at = drawn.best(drawn.edge)
        over = cloud - drawn.of_path(quality, at)
        yield drawn.row("cloud_over_edge", over, path_id=paths[at[0]])
        yield from _by_kind(drawn)


def _by_kind(drawn: Resamples) -> Iterator[Row]:
    """Compare the best edge path of each kind with the best cloud path of that kind."""
    kinds, gaps = drawn.trace.queries["kind"].to_numpy(), {}
    for kind in sorted(set(kinds)):
        here = drawn.weights[:, kinds == kind]
        with np.errstate(invalid="ignore"):  # a resample may have no query of a kind
            means = here @ drawn.quality[kinds == kind] / here.sum(axis=1, keepdims=True)
        gaps[kind] = means[:, drawn.edge].max(axis=1) - means[:, drawn.cloud].max(axis=1)
        yield drawn.row("edge_over_cloud", gaps[kind], kind=kind, n=int((kinds == kind).sum()))
    near = {k: np.where(np.isnan(gap), gap[0], gap) >= -NEAR - 1e-9 for k, gap in gaps.items()}
    served = [kind for kind, is_near in near.items() if is_near[0]]
    count = np.sum(list(near.values()), axis=0)
    yield drawn.row("kinds_on_the_edge", count, kinds=", ".join(served), n=len(near))


def _choices(drawn: Resamples, embeddings: np.ndarray, folds: int, seed: int) -> Iterator[Row]:
    """Compare the best path of each kind and cluster, cross-validated, with the best cloud path."""
    fold = folds_of(drawn.trace, folds, seed)
    reference = drawn.best(drawn.cloud) if drawn.cloud.any() else None
    for prefer, slo in SLOS.items():
        if prefer != "quality" and (reference is None or prefer not in drawn.recorded):
            continue
        found = {
            "kind": _best_of_kind(drawn, fold, slo),
            "cluster": replay(
                "cluster", drawn.trace, slo, embeddings=embeddings, folds=folds, seed=seed
            ).choices,
        }
        for name, choices in found.items():
            quality = drawn.weights @ choices["quality"].to_numpy(float)
            if prefer == "quality":
                yield drawn.row(f"{name}_quality", quality)
            elif reference is not None:
                took = drawn.weights @ choices[SPENT[prefer]].to_numpy(float)
                spent = np.stack([took, drawn.of_path(drawn.spent[prefer], reference)])
                compared = np.stack([quality, drawn.of_path(drawn.quality, reference)])
                yield drawn.share(f"{name}_{prefer}_share", spent, compared)


def _best_of_kind(drawn: Resamples, fold: np.ndarray, slo: SLO) -> pd.DataFrame:
    """Return what the best path of each query's kind delivers, found on the other folds.

    A kind that the other folds do not hold takes the best path of all their queries.
    """
    kinds, paths = drawn.trace.queries["kind"].to_numpy(), np.array(drawn.trace.path_ids)
    tables = [drawn.quality, drawn.spent["cost"], drawn.spent["latency"]]
    chosen = np.empty(len(kinds), dtype=object)
    for f in np.unique(fold):
        for kind in set(kinds[fold == f]):
            others = (fold != f) & (kinds == kind)
            others = others if others.any() else fold != f
            quality, cost, latency = (table[others].mean(axis=0) for table in tables)
            every = np.ones((1, len(paths)), dtype=bool)
            column = choose(quality[None], every, cost, latency, slo)[0]
            chosen[(fold == f) & (kinds == kind)] = paths[column]
    return outcomes_of(drawn.trace, Decision.single(chosen))


def _unseen(
    drawn: Resamples, embeddings: np.ndarray | None, encoder: Encoder, folds: int, seed: int
) -> Iterator[Row]:
    """Compare our policy with the best router, cross-validated."""

    def means(choices: pd.DataFrame) -> dict[str, np.ndarray]:
        return {c: drawn.weights @ choices[c].to_numpy(float) for c in choices if c in SCORES}

    routers = {
        name: means(
            replay(
                f"{name}_router",
                drawn.trace,
                SLOS["quality"],
                embeddings=embeddings,
                folds=folds,
                infeasible="least_violating",
                seed=seed,
            ).choices
        )
        for name in ROUTERS
    }
    best = max(routers, key=lambda name: routers[name]["quality"][0])
    yield drawn.row("router_quality", routers[best]["quality"], policy=best)
    ours = _Crossed(drawn.trace, embeddings, encoder, folds, seed)
    for start, tolerance in (("", TOLERANCE), ("strict_", 0.0)):
        for name in drawn.recorded:
            done = means(ours.choices(SLOS[name], tolerance))
            spent, quality = (
                np.stack([done[column], routers[best][column]])
                for column in (SPENT[name], "quality")
            )
            yield drawn.share(f"{start}{name}_share_of_router", spent, quality, policy=best)
    if slo := _limits(drawn):
        kept = 1 - means(ours.choices(slo, TOLERANCE))["violated"]
        yield drawn.row("limits_kept", kept, slo=str(slo))


class _Crossed:
    """Our policy, fitted once without each fold of a trace, whatever it is asked then."""

    def __init__(
        self,
        trace: Trace,
        embeddings: np.ndarray | None,
        encoder: Encoder,
        folds: int,
        seed: int,
    ) -> None:
        self._trace, self._parts = trace, []
        fold, texts = folds_of(trace, folds, seed), trace.queries["text"].to_numpy(object)
        for f in np.unique(fold):
            seen = None if embeddings is None else embeddings[fold != f]
            rest = trace.where(fold != f)
            policy = fit_policy(rest, embeddings=seen, encoder=encoder, seed=seed)
            asked = texts[fold == f] if embeddings is None else embeddings[fold == f]
            self._parts.append((fold == f, policy, policy.embed(asked)))

    def choices(self, slo: SLO, tolerance: float) -> pd.DataFrame:
        """Return what each query gets by the policy that never saw it."""
        chosen = np.empty(len(self._trace.query_ids), dtype=object)
        for here, policy, asked in self._parts:
            told = replace(policy, terms=replace(policy.terms, tolerance=tolerance))
            chosen[here] = told.select(asked, slo, infeasible="least_violating")
        found = outcomes_of(self._trace, Decision.single(chosen))
        spent = (found[column].to_numpy() for column in ("cost_usd", "latency_s"))
        return found.assign(violated=~slo.keeps(*spent))


def _limits(drawn: Resamples) -> SLO | None:
    """Return the study's limits; where no cost is recorded, one of latency that suits most paths.

    None if the trace records neither.
    """
    if not drawn.recorded:
        return None
    learnt = (drawn.trace.queries["split"] == "train").any()
    train = drawn.trace.split("train") if learnt else drawn.trace
    if len(drawn.recorded) == len(SPENT):
        return study_slos(train)["prefer_quality"]
    grid = slo_grid(train, SPENT[drawn.recorded[0]])  # type: ignore[arg-type]
    return grid[3 * len(grid) // 4]
