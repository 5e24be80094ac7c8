"""Policies: (query, SLO) → path. Ours, and the baselines it is measured against, over the same paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import ndtr

from ecollm_lab.cluster import Clusters, find_clusters
from ecollm_lab.embed import Encoder, default_encoder
from ecollm_lab.estimates import Estimates
from ecollm_lab.records import SLO, InfeasibleSLO, LabError, Query, require_choice
from ecollm_lab.traces import Trace

TOLERANCE = 0.02  # with prefer = cost or latency: how far below the best expected quality a path may be
PRIOR_OUTCOMES = 5.0  # how many outcomes the path's overall mean weighs against a cluster's own
BANDWIDTHS = (0.05, 0.1, 0.2, 0.4)
NOISES = (0.1, 0.3, 1.0, 3.0, 10.0)
FLAT = (0.0, np.inf)  # bandwidth and noise of "the embeddings say nothing": every query gets the path means
POLICIES = ("ours", "cluster", "best_single", "cloud_only", "cheapest", "fastest", "random")


@dataclass(eq=False, kw_only=True)
class Policy:
    """What every policy knows of its training trace: the paths, their mean quality, and what they cost and take.

    Limits are checked against the 95th percentile of a path's cost and latency in training; `latency_s` and `cost_usd` are
    means, used to prefer the fastest or cheapest. Where training saw only some outcomes the percentiles are estimates, and the
    `_log_sd` say how unsure: the standard deviations of their logarithms, zero for what was measured. All have shape (paths,).
    """

    name: str
    path_ids: np.ndarray
    quality: np.ndarray
    cost_usd: np.ndarray
    latency_s: np.ndarray
    cost_p95_usd: np.ndarray
    latency_p95_s: np.ndarray
    cost_log_sd: np.ndarray
    latency_log_sd: np.ndarray
    allowed: np.ndarray
    encoder: Encoder | None = field(default=None, repr=False)

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths); here the path means, whatever the query."""
        return np.broadcast_to(self.quality, (len(embeddings), len(self.quality)))

    def select(self, queries: Sequence[Query] | Sequence[str] | np.ndarray, slo: SLO) -> np.ndarray:
        """Choose a path id for each query, shape (queries,).

        Parameters
        ----------
        queries
            Queries, texts, or embeddings of shape (queries, dimension).
        slo
            Limits and preference. With prefer="quality" the best expected quality wins; with "cost" or "latency" the
            cheapest or fastest path whose expected quality is at least `slo.min_quality` or, without one, within 0.02 of the
            best feasible; if none reaches `min_quality`, the best. Expected quality counts times the probability that the path
            keeps the limits, where that is not certain.

        Raises
        ------
        InfeasibleSLO
            If no path keeps the limits; says which path comes closest.

        """
        embeddings = self.embed(queries)
        expected = self.predict(embeddings) * self.kept_probability(slo)
        return self.path_ids[self._choose(expected, self.feasible(slo), slo)]

    def embed(self, queries: Sequence[Query] | Sequence[str] | np.ndarray) -> np.ndarray:
        """Return embeddings of queries or texts; arrays pass through."""
        if isinstance(queries, np.ndarray):
            if queries.ndim != 2:
                raise LabError(f"Embeddings must have the shape (queries, dimension), got {queries.shape}.")
            return queries
        if isinstance(queries, str):
            raise LabError("select takes a sequence of queries or texts; wrap a single one in a list.")
        texts = [query.text if isinstance(query, Query) else query for query in queries]
        return (self.encoder or default_encoder()).encode(texts)

    def kept_probability(self, slo: SLO) -> np.ndarray:
        """Return how probably each path's 95th percentiles keep the limits of an SLO, shape (paths,)."""
        out = np.ones(len(self.path_ids))
        for limit, tail, log_sd in (
            (slo.max_cost_usd, self.cost_p95_usd, self.cost_log_sd), (slo.max_latency_s, self.latency_p95_s, self.latency_log_sd),
        ):  # fmt: skip
            if limit is not None:
                below = np.log(limit) - np.log(np.maximum(tail, 1e-300))
                out *= np.where(log_sd > 0, ndtr(below / np.where(log_sd > 0, log_sd, 1.0)), tail <= limit)
        return out

    def feasible(self, slo: SLO) -> np.ndarray:
        """Tell which paths keep the limits of an SLO more probably than not, shape (paths,); raise `InfeasibleSLO` if none does."""
        in_cost = self.kept_probability(SLO(max_cost_usd=slo.max_cost_usd)) >= 0.5
        in_time = self.kept_probability(SLO(max_latency_s=slo.max_latency_s)) >= 0.5
        mask = (self.kept_probability(slo) >= 0.5) & self.allowed
        if mask.any():
            return mask
        if self.name == "cloud_only":  # has nothing else to offer: serves anyway and is charged with the violation
            return self.allowed
        cheap = np.where(in_cost & self.allowed, self.latency_p95_s, np.inf)
        quick = np.where(in_time & self.allowed, self.cost_p95_usd, np.inf)
        reasons = []
        if np.isfinite(cheap.min()):
            i = cheap.argmin()
            reasons.append(f"the fastest within the cost limit, {self.path_ids[i]}, needs max_latency_s >= {cheap[i]:.4g}")
        if np.isfinite(quick.min()):
            i = quick.argmin()
            reasons.append(f"the cheapest within the latency limit, {self.path_ids[i]}, needs max_cost_usd >= {quick[i]:.4g}")
        if not reasons:
            reasons.append(
                f"even alone, the limits allow no path: the fastest takes {self.latency_p95_s.min():.4g} s, "
                f"the cheapest costs {self.cost_p95_usd.min():.4g} USD (95th percentiles)"
            )
        raise InfeasibleSLO(f"No path meets {slo}: {'; '.join(reasons)}.")

    def _choose(self, predicted: np.ndarray, mask: np.ndarray, slo: SLO) -> np.ndarray:
        return choose(predicted, mask, self.cost_usd, self.latency_s, slo)


def choose(predicted: np.ndarray, mask: np.ndarray, cost: np.ndarray, latency: np.ndarray, slo: SLO) -> np.ndarray:
    """Return the chosen column for each row of expected quality (queries, paths).

    `mask`, `cost` and `latency` have the shape (paths,) or (queries, paths); only columns under the mask are chosen. Ties go
    to the path that is cheaper, then faster (with prefer="latency": faster, then cheaper).
    """
    scores = np.where(mask, predicted, -np.inf)
    best = scores.max(axis=1, keepdims=True)
    if slo.prefer == "quality":
        floor = best
    elif slo.min_quality is not None:
        floor = np.minimum(best, slo.min_quality)
    else:
        floor = best - TOLERANCE
    good = scores >= floor - 1e-12
    first, second = (latency, cost) if slo.prefer == "latency" else (cost, latency)
    first = np.where(good, first, np.inf)
    good &= first <= first.min(axis=1, keepdims=True)
    return np.where(good, second, np.inf).argmin(axis=1)


@dataclass(eq=False, kw_only=True)
class RandomPolicy(Policy):
    """Any path that keeps the limits, uniformly; the same query and seed give the same path only within one call."""

    seed: int = 0

    def _choose(self, predicted: np.ndarray, mask: np.ndarray, slo: SLO) -> np.ndarray:
        return np.random.default_rng(self.seed).choice(np.flatnonzero(mask), size=len(predicted))


@dataclass(eq=False, kw_only=True)
class RankPolicy(Policy):
    """The first path in a fixed order that keeps the limits, whatever the preference: cheapest, fastest."""

    rank: np.ndarray

    def _choose(self, predicted: np.ndarray, mask: np.ndarray, slo: SLO) -> np.ndarray:
        return np.full(len(predicted), np.where(mask, self.rank, np.inf).argmin())


@dataclass(eq=False, kw_only=True)
class ClusterPolicy(Policy):
    """Quality per query cluster, shrunk to the path means (the idea of Avengers-Pro on whole paths)."""

    clusters: Clusters
    cluster_quality: np.ndarray

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the shrunk means of each query's nearest cluster, shape (queries, paths)."""
        return self.cluster_quality[self.clusters.assign(embeddings)]


@dataclass(eq=False, kw_only=True)
class KernelPolicy(Policy):
    """Kernel ridge regression, over query embeddings, of each path's deviation from its mean quality.

    kernel(x, y) = exp((cos(x, y) - 1) / bandwidth). Bandwidth and noise minimise the leave-one-out squared error, centred per
    query because only differences between paths matter for a choice; noise = inf (no dependence on the query) is among the
    candidates, so that embeddings without signal do no harm. `loo` holds the error of each candidate.
    """

    embeddings: np.ndarray | None = None
    coefficients: np.ndarray | None = None
    bandwidth: float = 0.0
    noise: float = np.inf
    loo: dict[tuple[float, float], float] = field(default_factory=dict)

    def predict(self, embeddings: np.ndarray) -> np.ndarray:
        """Return expected quality, shape (queries, paths)."""
        if self.embeddings is None or self.coefficients is None:
            return super().predict(embeddings)
        return self.quality + kernel(embeddings, self.embeddings, self.bandwidth) @ self.coefficients


def kernel(a: np.ndarray, b: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return exp((cosine - 1) / bandwidth) between unit rows of `a` (n, d) and `b` (m, d), shape (n, m)."""
    return np.exp((a @ b.T - 1.0) / bandwidth)


def fit_policy(
    trace: Trace,
    name: str = "ours",
    *,
    embeddings: np.ndarray | None = None,
    estimates: Estimates | None = None,
    encoder: Encoder | None = None,
    seed: int = 0,
) -> Policy:
    """Fit a policy to a trace, usually its training split.

    Parameters
    ----------
    trace
        Outcomes to learn from; a missing outcome counts as its path's mean.
    name
        "ours", "cluster" or a static baseline: "best_single", "cheapest", "fastest", "cloud_only", "random".
    embeddings
        Unit embeddings of the trace's queries in order, shape (queries, dimension); computed with `encoder` if left out.
    estimates
        Of a trace with outcomes missing, as the Emulator leaves it: the policy then learns from what they expect of every path
        on every query, and treats limits with their uncertainty. They bring their own queries, paths and embeddings.
    encoder
        Embeds new queries; the default encoder if left out.
    seed
        Of the random policy.

    Raises
    ------
    LabError
        If a path of the trace has no outcome with quality, cost and latency, or `name` is unknown.

    """
    require_choice("policy name", name, POLICIES)
    known, quality = _known(trace) if estimates is None else _estimated(estimates)
    if estimates is not None:
        embeddings = estimates.embeddings
    allowed = np.array([name != "cloud_only" or place == "cloud" for place in placements(trace, known["path_ids"])])
    known |= {"name": name, "allowed": allowed, "encoder": encoder}
    if not known["allowed"].any():
        raise LabError("The trace names no cloud model: cloud_only needs models.NAME.placement = 'cloud' in its provenance.")
    if name == "random":
        return RandomPolicy(**known, seed=seed)
    if name in ("cheapest", "fastest"):
        return RankPolicy(**known, rank=known["cost_usd"] if name == "cheapest" else known["latency_s"])
    if name in ("best_single", "cloud_only"):
        return Policy(**known)
    if embeddings is None:
        embeddings = (encoder or default_encoder()).encode(trace.queries["text"].tolist())
    if len(embeddings) != len(quality):
        raise LabError(f"embeddings must have one row per query of the trace: {len(quality)}, got {len(embeddings)}.")
    mean = np.nanmean(quality, axis=0)
    residual = np.where(np.isnan(quality), 0.0, quality - mean)
    if name == "cluster":
        clusters = find_clusters(embeddings)
        nearest = clusters.assign(embeddings)
        shrunk = [
            known["quality"] + residual[nearest == c].sum(axis=0) / ((nearest == c).sum() + PRIOR_OUTCOMES) for c in range(len(clusters))
        ]
        return ClusterPolicy(**known, clusters=clusters, cluster_quality=np.stack(shrunk))
    return _fit_kernel(known, embeddings, residual)


def _known(trace: Trace) -> tuple[dict[str, Any], np.ndarray]:
    """Return what policies know of each path, as measured, and the quality of each outcome (queries, paths)."""
    quality, cost, latency = trace.array("quality"), trace.array("cost_usd"), trace.array("latency_s")
    for column, values in (("quality", quality), ("cost_usd", cost), ("latency_s", latency)):
        empty = np.isnan(values).all(axis=0)
        if empty.any():
            raise LabError(f"Path {trace.path_ids[int(empty.argmax())]} has no {column} in the trace; leave it out or measure it.")
    known = {
        "path_ids": np.array(trace.path_ids, dtype=object),
        "quality": np.nanmean(quality, axis=0),
        "cost_usd": np.nanmean(cost, axis=0),
        "latency_s": np.nanmean(latency, axis=0),
        "cost_p95_usd": np.nanquantile(cost, 0.95, axis=0),
        "latency_p95_s": np.nanquantile(latency, 0.95, axis=0),
        "cost_log_sd": np.zeros(quality.shape[1]),
        "latency_log_sd": np.zeros(quality.shape[1]),
    }
    return known, quality


def _estimated(estimates: Estimates) -> tuple[dict[str, Any], np.ndarray]:
    """Return what policies know of each path, as estimated, and the expected quality of each outcome (queries, paths)."""
    quality, cost, latency = estimates.draws().mean(axis=0).T
    known = {"path_ids": np.array(estimates.path_ids, dtype=object), "quality": quality, "cost_usd": cost, "latency_s": latency}
    for column, tail, log_sd in (("cost_usd", "cost_p95_usd", "cost_log_sd"), ("latency_s", "latency_p95_s", "latency_log_sd")):
        logs = np.log(np.maximum(estimates.tail_draws(column), 1e-300))
        known |= {tail: np.exp(logs.mean(axis=0)), log_sd: logs.std(axis=0)}
    return known, estimates.expected_quality()


def _fit_kernel(known: dict[str, Any], embeddings: np.ndarray, residual: np.ndarray) -> KernelPolicy:
    errors = {}
    for bandwidth in BANDWIDTHS:
        values, vectors = np.linalg.eigh(kernel(embeddings, embeddings, bandwidth).astype(np.float64))
        projected = vectors.T @ residual
        for noise in NOISES:
            # Leave-one-out of ridge: (r - H r) / (1 - diag H).
            gain = values / (values + noise)
            hat = np.einsum("ij,j,ij->i", vectors, gain, vectors)[:, None]
            errors[bandwidth, noise] = _centred_square((residual - vectors @ (gain[:, None] * projected)) / (1 - hat))
    flat = _centred_square(residual)
    loo = {pair: float(error.mean()) for pair, error in errors.items()} | {FLAT: float(flat.mean())}
    bandwidth, noise = min(errors, key=loo.__getitem__)
    gained = flat - errors[bandwidth, noise]
    if gained.mean() <= 2 * gained.std() / len(gained) ** 0.5:
        return KernelPolicy(**known, loo=loo)
    matrix = kernel(embeddings, embeddings, bandwidth).astype(np.float64) + noise * np.eye(len(residual))
    coefficients = np.linalg.solve(matrix, residual)
    return KernelPolicy(**known, embeddings=embeddings, coefficients=coefficients, bandwidth=bandwidth, noise=noise, loo=loo)


def _centred_square(error: np.ndarray) -> np.ndarray:
    """Return each query's mean squared error over paths, shape (queries,), after removing what is common to its paths."""
    return np.square(error - error.mean(axis=1, keepdims=True)).mean(axis=1)


def placements(trace: Trace, path_ids: Sequence[str] | None = None) -> list[str]:
    """Return where each path (default: of the trace) generates, by its provenance: "edge", "cloud" or "not stated"."""
    models = trace.provenance.get("models", {})
    paths = trace.path_ids if path_ids is None else path_ids
    return [models.get(path.rsplit("/", 1)[-1], {}).get("placement", "not stated") for path in paths]


def oracle_choice(trace: Trace, slo: SLO) -> np.ndarray:
    """Return, for each query, the path that is truly best under an SLO, judged by its own outcome; shape (queries,).

    Queries no path serves within the limits get the path with the best quality, in violation.
    """
    quality, cost, latency = trace.array("quality"), trace.array("cost_usd"), trace.array("latency_s")
    kept = keeps(slo, cost, latency) & ~np.isnan(quality)
    kept |= ~kept.any(axis=1, keepdims=True) & ~np.isnan(quality)
    return np.array(trace.path_ids, dtype=object)[choose(np.nan_to_num(quality), kept, cost, latency, slo)]


def keeps(slo: SLO, cost: np.ndarray, latency: np.ndarray) -> np.ndarray:
    """Tell which outcomes keep the limits of an SLO; NaN where a limit needs a value counts as a violation."""
    ok = np.ones(np.shape(cost), dtype=bool)
    if slo.max_cost_usd is not None:
        ok &= cost <= slo.max_cost_usd
    if slo.max_latency_s is not None:
        ok &= latency <= slo.max_latency_s
    return ok
