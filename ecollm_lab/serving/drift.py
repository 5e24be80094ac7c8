"""A recorded trace replayed while the world drifts: adaptive, frozen and oracle choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.serving.adaptation import Adaptation
from ecollm_lab.serving.choosing import Saving, choose
from ecollm_lab.serving.endpoints import Circuit
from ecollm_lab.serving.forecasts import Forecast, PolicyForecasts
from ecollm_lab.traces import Trace, require_trace
from ecollm_lab.traces.path_ids import model_of

Row = dict[str, float | bool | str | None]
FAILS_AFTER_S = 0.1  # an attempt at a model that is down


@dataclass(frozen=True, slots=True)
class Drift:
    """How the world changes for one model, from question `start` until before question `end`.

    Attributes
    ----------
    model
        The model, as path ids name it.
    start, end
        Positions in the order of the questions; `end` None = to the last.
    added_latency_s
        Seconds that every answer takes longer.
    price_factor
        What its answers cost, times the recorded cost. A change of prices is announced: a Runtime
        is told through `Runtime.reprice`.
    down
        Whether it does not answer at all.

    """

    model: str
    start: int = 0
    end: int | None = None
    added_latency_s: float = 0.0
    price_factor: float = 1.0
    down: bool = False

    def on(self, question: int) -> bool:
        """Tell whether the change is in force at a question."""
        return self.start <= question and (self.end is None or question < self.end)


@dataclass(eq=False)
class World:
    """What every path would do for one question, after drift; arrays have the shape (paths,)."""

    path_ids: Sequence[str]
    models: Sequence[str]
    quality: np.ndarray
    cost: np.ndarray
    latency: np.ndarray
    down: np.ndarray
    factors: np.ndarray

    @classmethod
    def at(
        cls,
        path_ids: Sequence[str],
        tables: Sequence[np.ndarray],
        drifts: Sequence[Drift],
        step: int,
    ) -> World:
        """Return the recorded outcomes of the question at a step, changed by what is in force."""
        models = [model_of(path_id) for path_id in path_ids]
        quality, cost, latency = (table[step].copy() for table in tables)
        down, factors = np.zeros(len(models), dtype=bool), np.ones(len(models))
        for drift in drifts:
            if drift.on(step):
                hit = np.array([name == drift.model for name in models])
                latency[hit] += drift.added_latency_s
                factors[hit] *= drift.price_factor
                down |= hit & drift.down
        return cls(path_ids, models, quality, cost * factors, latency, down, factors)

    def row(self, path: int | None, slo: SLO, late_s: float = 0.0) -> Row:
        """Return what a choice gave; of None or a path that is down, nothing and a broken limit."""
        if path is None or self.down[path]:
            path_id = None if path is None else self.path_ids[path]
            lost = {"quality": 0.0, "cost_usd": 0.0, "broke": True}
            spent = late_s if path is None else late_s + FAILS_AFTER_S
            return {"path_id": path_id, "latency_s": spent, **lost}
        cost, latency = self.cost[path], self.latency[path] + late_s
        broke = not bool(slo.keeps(np.array(cost), np.array(latency)))
        return {
            "path_id": self.path_ids[path],
            "quality": float(self.quality[path]),
            "cost_usd": float(cost),
            "latency_s": float(latency),
            "broke": broke,
        }

    def best(self, slo: SLO) -> int:
        """Return the path of best quality that keeps the limits, or of all that answer if none."""
        keeps = slo.keeps(self.cost, self.latency) & ~self.down
        among = keeps if keeps.any() else ~self.down if (~self.down).any() else np.ones_like(keeps)
        return int(np.where(among, self.quality, -1.0).argmax())


@dataclass(eq=False)
class _Adaptive:
    """A Runtime's choices in simulated time."""

    adaptation: Adaptation
    allowed: np.ndarray
    slo: SLO
    saving: Saving
    circuits: dict[str, Circuit] = field(default_factory=dict)
    factors: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.circuits = {name: Circuit() for name in self.adaptation.names}

    def beside(self, world: World, forecast: Forecast, frozen: str, now: float) -> dict[str, Row]:
        """Return what this, the frozen policy's path and the oracle's gave, by decider."""
        return {
            "adaptive": self.row(forecast, world, now),
            "frozen": world.row(list(world.path_ids).index(frozen), self.slo),
            "oracle": world.row(world.best(self.slo), self.slo),
        }

    def row(self, forecast: Forecast, world: World, now: float) -> Row:
        """Return what answering a question gave, and the price and the bound after it."""
        path, late_s = self.answer(forecast, world, now)
        row = world.row(path, self.slo, late_s)
        if self.slo.limits:
            self.adaptation.broke(bool(row["broke"]))
        return row | {"price": self.adaptation.price, "bound": self.adaptation.bound}

    def answer(self, forecast: Forecast, world: World, now: float) -> tuple[int | None, float]:
        """Return the path that answers and the seconds lost in failed attempts."""
        if self.factors is None or (self.factors != world.factors).any():
            self.factors = world.factors
            self.adaptation.reprice(world.factors)
        lost, usable = 0.0, self.allowed.copy()
        while True:
            closed = np.array([self.circuits[name].usable(now) for name in world.models])
            path = self._choice(forecast, usable & closed, now)
            if path is None:
                return None, lost
            circuit = self.circuits[world.models[path]]
            circuit.admit(now)
            if not world.down[path]:
                circuit.answered()
                self.adaptation.failed(path, now, failed=False)
                self.adaptation.took(forecast, path, float(world.latency[path]), now)
                self.adaptation.cost(forecast, path, float(world.cost[path]), now)
                return path, lost
            circuit.failed(now)
            self.adaptation.failed(path, now)
            lost += FAILS_AFTER_S
            usable &= np.array([name != world.models[path] for name in world.models])

    def _choice(self, forecast: Forecast, usable: np.ndarray, now: float) -> int | None:
        outlook = self.adaptation.outlook(forecast, now)
        best = self.adaptation.choose(outlook, self.slo, usable, self.saving)
        return choose(outlook, self.slo, usable, 1e3, likely=1.1) if best is None else best


def replay_drift(
    policy: Policy,
    trace: Trace,
    slo: SLO,
    drifts: Sequence[Drift] = (),
    *,
    adaptation: Adaptation | None = None,
    embeddings: np.ndarray | None = None,
    step_s: float = 1.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Replay recorded outcomes, one question after another, while the world drifts.

    Parameters
    ----------
    policy
        A fitted policy; its paths must be in the trace.
    trace
        Outcomes on all of these paths, usually the held-out split; asked in random order.
    slo
        What every question asks for. Where no path keeps it, the least risky one is taken.
    drifts
        What changes, and when.
    adaptation
        How the adaptive choices learn; None = with the policy's target and the usual pace.
    embeddings
        Of the trace's queries in order, shape (queries, dimension); computed if left out.
    step_s
        Simulated seconds between questions, by which what was learned fades.
    seed
        Of the order of the questions.

    Returns
    -------
    pd.DataFrame
        One row per question and `decider` ("adaptive", "frozen" as fitted, "oracle" that knows
        every outcome): `question`, `path_id`, `quality`, `cost_usd`, `latency_s`, `broke` and, of
        the adaptive ones, `price` and `bound`. A question without an answer breaks its limits.

    Raises
    ------
    LabError
        If qualities, or what the SLO limits, are missing, or a drift names an unknown model.

    """
    forecasts = PolicyForecasts(policy)
    models = [model_of(path_id) for path_id in forecasts.path_ids]
    _require_models(drifts, models)
    tables, order = _tables(trace, forecasts.path_ids, slo, seed)
    texts = trace.queries["text"].tolist()
    embeddings = np.asarray(policy.embed(texts) if embeddings is None else embeddings)[order]
    frozen = policy.select(embeddings, slo, infeasible="least_violating")
    learns = adaptation or Adaptation(models, forecasts.target)
    adaptive = _Adaptive(learns, forecasts.allowed, slo, forecasts.saving(slo))
    rows = []
    for step, path_id in enumerate(frozen):
        world = World.at(forecasts.path_ids, tables, drifts, step)
        given = adaptive.beside(world, forecasts.of(embeddings[step]), path_id, step * step_s)
        rows += [{"decider": name, "question": step, **row} for name, row in given.items()]
    return pd.DataFrame(rows)


def _require_models(drifts: Sequence[Drift], models: Sequence[str]) -> None:
    for drift in drifts:
        if drift.model not in models:
            raise LabError(
                f"A drift names the model {drift.model!r}; the policy's paths have:"
                f" {', '.join(dict.fromkeys(models))}."
            )


def drift_summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Return, per decider, means, the share of broken limits and, where it has one, its bound."""
    grouped = frame.groupby("decider", sort=False)
    table = grouped[["quality", "cost_usd", "latency_s", "broke"]].mean()
    return table.rename(columns={"broke": "violation_rate"}).assign(bound=grouped["bound"].last())


def _tables(
    trace: Trace, path_ids: Sequence[str], slo: SLO, seed: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return quality, cost and latency, queries × paths in the order of asking."""
    require_trace(trace)
    missing = [path_id for path_id in path_ids if path_id not in trace.path_ids]
    if missing:
        raise LabError(
            f"The trace has no outcomes of {len(missing)} of the policy's paths, such as"
            f" {missing[0]}; replay it on a trace of the same sweep."
        )
    order = np.random.default_rng(seed).permutation(len(trace.query_ids))
    columns = [trace.path_ids.index(path_id) for path_id in path_ids]
    names = ("quality", "cost_usd", "latency_s")
    tables = [trace.array(name)[order][:, columns] for name in names]
    needed = {"quality", *(limit.column for limit in slo.limits)}
    for name, table in zip(names, tables, strict=True):
        if name in needed and np.isnan(table).any():
            raise LabError(
                f"Some outcomes of the policy's paths have no {name} in the trace; a replay needs"
                " the quality, and what the SLO limits, of every question on every path."
            )
    return tables, order
