"""Candidates for predicting quality and broken limits; see `benchmarks.predictors`.

Candidates for quality (features of a query in brackets): `means`; `ridge` (embedding); `low_rank`
(embedding, through 1 to 8 directions); `knn`, `clusters` (embedding); `characteristics` (yes/no
characteristics of the words alone), `evidence` (what retrieval met, alone); `with_characteristics`,
`with_kinds`, `with_evidence` (beside the embedding); `boosting` (gradient-boosted trees on 32
directions of all these but the kinds, and on the components of the path); `ours` (the embedding,
with characteristics or with kinds: the least inner error) and `chosen` (the least inner error of
all but `means`).

Candidates for limits, all on the same forecast of log cost or log latency: `rate`, how often the
path broke the limit in training; `normal` residuals of a path; `conformal` (the path's own left-out
residuals); `conformal_pooled` (the residuals of all paths, in units of their standard deviation);
`conformal_shrunk` (the path's own and, counting as much as `PRIOR` of them, the pooled); and `ours`
(`normal` where it was nearer to what happened in training than the path's rate, else the rate).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from benchmarks.routing import Fold, encoder, slo_grid
from ecollm_lab.policies.fitting import learners
from ecollm_lab.policies.fitting.bases import Basis
from ecollm_lab.policies.fitting.characteristics import Characteristics
from ecollm_lab.policies.fitting.fit import LEAST_OF_KIND, UNKNOWN
from ecollm_lab.policies.fitting.learners import Fit, Queries
from ecollm_lab.traces import Trace
from ecollm_lab.traces.groups import related
from ecollm_lab.traces.path_ids import parts

EVIDENCE = "evidence_"  # how columns of the queries table begin that tell what retrieval met
TREES = (25, 50, 100, 200)
PRIOR = 20.0  # outcomes of a path, of which the residuals of all paths count as many


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the queries of a fold before a path is chosen.

    `text` has the embeddings, `words` the characteristics, `met` the evidence, standardised; shapes
    (queries, …), training queries first, `n` of them.
    """

    n: int
    text: np.ndarray
    words: np.ndarray
    met: np.ndarray

    @property
    def all(self) -> np.ndarray:
        """Everything side by side."""
        return np.hstack([self.text, self.words, self.met])


def known(fold: Fold) -> Known:
    """Return what is known of the queries of a fold, the training queries first."""
    asked = Characteristics(fold.train.provenance.get("characteristics"))
    tables = [fold.train.queries, fold.test.queries]
    texts = [text for table in tables for text in table["text"]]
    embeddings, both = encoder().encode(texts), pd.concat(tables, ignore_index=True)
    words = asked.beside(embeddings, texts)[:, embeddings.shape[1] :]
    columns = [one for one in both if one.startswith(EVIDENCE)]
    met = np.zeros((len(both), 0))
    if columns:
        met = pd.get_dummies(both[columns], dtype=float).fillna(0.0).to_numpy(dtype=float)
    train = met[: len(tables[0])]
    spread = train.std(axis=0) * max(met.shape[1], 1) ** 0.5  # rows of about the length 1
    met = (met - train.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return Known(len(tables[0]), embeddings, words, met)


def _one_hot(kinds: pd.Series) -> np.ndarray | None:
    kinds = kinds.where(kinds.map(kinds.value_counts()) >= LEAST_OF_KIND)
    told = pd.get_dummies(kinds.where(kinds != UNKNOWN), dtype=float)
    return told.to_numpy() if told.shape[1] > 1 else None


def candidates(fold: Fold, seed: int) -> Iterator[tuple[str, np.ndarray, float]]:
    """Yield each predictor of quality by name: predictions (test queries, paths), inner error."""
    now, table = known(fold), fold.train.array("quality")
    kinds, n, every = _one_hot(fold.train.queries["kind"]), now.n, related(fold.train)

    def fitted(x: np.ndarray, learn: learners.Learner) -> Fit:
        return learn(Queries(x[:n], every, seed), table, True)

    yield "means", np.broadcast_to(table.mean(axis=0), (len(now.text) - n, table.shape[1])), np.inf
    wide = np.hstack([now.text, now.words])
    stands: dict[str, tuple[np.ndarray, learners.Learner]] = {
        "ridge": (now.text, learners.linear),
        "low_rank": (now.text, learners.factors),
        "knn": (now.text, learners.neighbours),
        "clusters": (now.text, learners.clusters),
        "characteristics": (now.words, learners.linear),
        "with_characteristics": (wide, learners.linear),
    }
    if now.met.size:
        stands |= {
            "evidence": (now.met, learners.linear),
            "with_evidence": (now.all, learners.linear),
        }
    found = {name: (fitted(x, learn), x[n:]) for name, (x, learn) in stands.items()}
    if kinds is not None:
        queries = Queries(wide[:n], every, seed)
        basis = Basis.of(wide[:n]).beside(kinds, queries.rest)
        found["with_kinds"] = (
            learners.linear(replace(queries, basis=basis), table, True),
            wide[n:],
        )
    found["boosting"] = (
        boosted(Queries(now.all[:n], every, seed), table, fold.train.path_ids),
        now.all[n:],
    )
    told = {name: (fit.predictor.predict(x), inner(fit, table)) for name, (fit, x) in found.items()}
    for name, (predicted, error) in told.items():
        yield name, predicted, error
    own = [one for one in ("ridge", "with_characteristics", "with_kinds") if one in told]
    for name, among in (("ours", own), ("chosen", list(told))):
        best = min(among, key=lambda one: told[one][1])
        yield name, *told[best]


def inner(fit: Fit, table: np.ndarray) -> float:
    """Return the squared error of the differences between paths on inner folds."""
    return learners.squares_of(fit.left_out - table, between=True)


@dataclass(frozen=True, eq=False)
class Trees:
    """Gradient-boosted trees over features of query and path."""

    model: Any
    paths: np.ndarray
    turn: np.ndarray
    n: int

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the prediction of each query on each path after `n` trees."""
        return self.stages(x)[self.n]

    def stages(self, x: np.ndarray) -> dict[int, np.ndarray]:
        """Return the same after each number of trees that is tried."""
        stages = enumerate(self.model.staged_predict(_rows(x @ self.turn, self.paths)), 1)
        return {n: value.reshape(len(x), -1) for n, value in stages if n in TREES}


def _rows(x: np.ndarray, paths: np.ndarray) -> np.ndarray:
    """Return a row for each query and path: features of the path, then of the query."""
    return np.hstack([np.tile(paths, (len(x), 1)), np.repeat(x, len(paths), axis=0)])


def boosted(queries: Queries, table: np.ndarray, path_ids: list[str]) -> Fit:
    """Fit gradient-boosted trees; how many is tuned on inner folds, as everything else is."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    stages = pd.DataFrame([parts(path) for path in path_ids])
    paths = stages.apply(lambda one: pd.factorize(one)[0]).to_numpy(dtype=float)
    x = queries.embeddings
    turn = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:32].T

    def fit(rows: np.ndarray) -> Any:
        model = HistGradientBoostingRegressor(
            max_iter=max(TREES),
            learning_rate=0.05,
            max_leaf_nodes=8,
            categorical_features=list(range(paths.shape[1])),
            early_stopping=False,
            random_state=queries.seed,
        )
        return model.fit(_rows(x[rows] @ turn, paths), table[rows].ravel())

    left_out = {n: np.tile(table.mean(axis=0), (len(table), 1)) for n in TREES}
    for rest in queries.rest:
        for n, predicted in Trees(fit(rest), paths, turn, max(TREES)).stages(x[~rest]).items():
            left_out[n][~rest] = predicted
    errors = {n: learners.squares_of(left_out[n] - table, between=True) for n in TREES}
    best = min(errors, key=errors.__getitem__)
    trees: Any = Trees(fit(np.ones(len(x), dtype=bool)), paths, turn, best)
    return Fit(trees, left_out[best], {"n": best})


def risks(fold: Fold, seed: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield how each candidate forecasts that a limit breaks: its name, the forecasts, the truth.

    Both have the shape (test queries, paths, limits).
    """
    now, train = known(fold), fold.train
    wide = np.hstack([now.text, now.words])
    queries = Queries(wide[: now.n], related(train), seed)
    for column in ("cost_usd", "latency_s"):
        spent, met = (part.array(column) for part in (train, fold.test))
        limits = _limits(train, column)
        if not limits or np.isnan(spent).any() or np.isnan(met).any():
            continue
        least = np.maximum(1e-3 * spent.mean(axis=0), 1e-12)
        logs = np.log(np.maximum(spent, least))
        fit = learners.linear(queries, logs, False)
        ahead, left = fit.predictor.predict(wide[now.n :]), logs - fit.left_out
        at = np.log(limits)
        broke, truth = logs[:, :, None] > at, np.log(np.maximum(met, least))[:, :, None] > at
        rate = broke.mean(axis=0)
        of_others = (broke.sum(axis=0) - broke) / (len(broke) - 1)
        sd = np.maximum(np.sqrt(np.square(left).mean(axis=0)), 1e-3)[:, None]
        inside = ndtr((fit.left_out[:, :, None] - at) / sd)
        wrong = [np.square(one - broke).sum(axis=(0, 1)) for one in (inside, of_others)]
        normal = ndtr((ahead[:, :, None] - at) / sd)
        own = np.stack([_beyond(r, f, at) for r, f in zip(left.T, ahead.T, strict=True)], axis=1)
        alike = _beyond((left / sd[:, 0]).ravel(), ahead / sd[:, 0], at / sd)
        told = {
            "rate": np.broadcast_to(rate, truth.shape),
            "normal": normal,
            "conformal": own,
            "conformal_pooled": alike,
            "conformal_shrunk": (len(left) * own + PRIOR * alike) / (len(left) + PRIOR),
            "ours": np.where(wrong[0] < wrong[1], normal, rate),
        }
        yield from ((name, value, truth) for name, value in told.items())


def _limits(train: Trace, column: str) -> list[float]:
    """Return the limits on a column in the routing benchmark's grid."""
    name = "max_" + column
    grid = {getattr(slo, name) for slo in slo_grid(train).values()}
    return sorted(limit for limit in grid if limit is not None)


def _beyond(residuals: np.ndarray, ahead: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return how probably forecast + residual is over limits: forecasts' shape × limits."""
    ordered, gap = np.sort(residuals), at - ahead[..., None]
    over = len(ordered) - np.searchsorted(ordered, gap, side="right")
    out: np.ndarray = (1 + over) / (len(ordered) + 1)
    return out
