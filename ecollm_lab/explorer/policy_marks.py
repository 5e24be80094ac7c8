"""Where a policy stands under an SLO, beside what it is compared with: the marks in the picture."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.explorer import resampling
from ecollm_lab.explorer.views import STATISTICS, Board, View
from ecollm_lab.figures import style
from ecollm_lab.models import default_encoder
from ecollm_lab.policies import Policy, choosing, fit_policy, replays, slos
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace

ROUTER = "threshold"  # a weak and a strong model and a threshold between them, as in RouteLLM
WORDS = {
    "best_single": "best single path",
    "cloud_only": "cloud only",
    ROUTER: "router",
    "oracle": "oracle",
}
HOW = {  # how the one path was chosen that serves every query
    "best_single": "the path with the best mean on the training split among those that keep the"
    " limits (or one nearly as good that costs or takes less, if you prefer that; the one that"
    " breaks the limits least, if none keeps them)",
    "cloud_only": "the same choice among the paths that run in the cloud",
}
GRID = 12  # limits of latency, and as many of cost, that a page without a kernel takes along
MOST_SLOS = 15  # that are kept for a selection of queries, the newest: under 20 kB in JSON


class PolicyMarks:
    """A policy and what it is compared with, on the same queries under the same SLO.

    The competitors are the best single path, the best path in the cloud and a router that varies
    the model alone, each fitted to the training queries of the trace, and the oracle, which chooses
    for each query the path that is truly best. What cannot be fitted, for example "cloud only"
    without a cloud model, is left out. Nothing is fitted before the first question.

    Parameters
    ----------
    board
        The trace.
    policy
        A fitted policy.
    embeddings
        Unit embeddings of the trace's queries in order, shape (queries, dimension); computed once
        if left out.

    """

    def __init__(self, board: Board, policy: Policy, embeddings: np.ndarray | None) -> None:
        self.board, self.policy, self._given = board, policy, embeddings
        self._latest: tuple[View, np.ndarray, Trace] | None = None

    def looks(self) -> dict[str, dict[str, str]]:
        """Return words, colour and symbol of everything that may be drawn, by name.

        Where one path serves every query, also how it was chosen.
        """
        names = dict.fromkeys([self.policy.name, *WORDS])
        found = {name: style.policy_look(name) for name in names}
        return {
            name: {
                "words": WORDS.get(name, f"policy {name}"),
                "colour": look.colour,
                "symbol": look.symbol,
                **({"how": HOW[name]} if name in HOW else {}),
            }
            for name, look in found.items()
        }

    @cached_property
    def embeddings(self) -> np.ndarray:
        """Unit embeddings of the trace's queries."""
        if self._given is not None:
            return np.asarray(self._given)
        encoder = None if self.policy.reads_text else self.policy.encoder
        return (encoder or default_encoder()).encode(self.board.trace.queries["text"].tolist())

    @cached_property
    def competitors(self) -> dict[str, Policy]:
        """The policies beside the one given, fitted to the training queries, by name."""
        labels = self.board.labels["split"]
        if not {"train", "heldout"} <= set(labels):
            return {}
        train, fitted = self.board.trace.split("train"), {}
        own = self.embeddings[labels == "train"]
        for name in (name for name in WORDS if name not in ("oracle", self.policy.name)):
            try:
                router = name == ROUTER
                fitted[name] = fit_policy(train, name, embeddings=own, models_only=router)
            except LabError:
                continue
        return fitted

    def forget(self) -> None:
        """Let the competitors be fitted anew, to what the trace holds now."""
        self.__dict__.pop("competitors", None)

    def rows(self, view: View) -> tuple[np.ndarray, str]:
        """Return the held-out queries of a view, else all of it, as indices and in words."""
        held = view.rows[self.board.labels["split"][view.rows] == "heldout"]
        rows = held if len(held) else view.rows
        noun = "query" if len(rows) == 1 else "queries"
        return rows, f"{len(rows)} {'held-out ' if len(held) else ''}{noun}"

    def replayed(self, view: View, slo: SLO) -> dict[str, pd.DataFrame]:
        """Return what each would have delivered on `rows`, by name; the policy first.

        One row per query: kind, path_id, placement, quality, cost_usd, latency_s, kept. An
        infeasible SLO is served by the path that violates it least, as a policy does when asked to.

        Raises
        ------
        LabError
            If the policy chooses a path that the trace does not have, or reads answers that the
            trace does not have.

        """
        mask, part = self._part(view)
        made = {}
        for name, policy in {self.policy.name: self.policy, **self.competitors}.items():
            given = None if policy.reads_text else self.embeddings
            asked = part.queries["text"].tolist() if given is None else given[mask]
            ask = replays.recorded_answers(part)
            with warnings.catch_warnings():  # that the SLO is infeasible is said above the figure
                warnings.simplefilter("ignore", UserWarning)
                made[name] = policy.decide(asked, slo, ask=ask, infeasible="least_violating")
        best = choosing.oracle_choice(part, slo)
        made["oracle"] = choosing.Decision.single(best)
        return {name: self._described(part, one, slo) for name, one in made.items()}

    def _part(self, view: View) -> tuple[np.ndarray, Trace]:
        """Return which queries of the trace are replayed, and their outcomes as a trace."""
        if self._latest is None or self._latest[0] is not view:
            mask = np.zeros(len(self.board.trace.query_ids), dtype=bool)
            mask[self.rows(view)[0]] = True
            self._latest = view, mask, self.board.trace.where(mask)
        return self._latest[1:]

    def _described(self, part: Trace, decision: choosing.Decision, slo: SLO) -> pd.DataFrame:
        frame = replays.outcomes_of(part, decision)
        columns = pd.Index(self.board.path_ids).get_indexer(pd.Index(frame["path_id"]))
        cost, latency = frame["cost_usd"].to_numpy(), frame["latency_s"].to_numpy()
        return frame.assign(
            kind=part.queries["kind"].to_numpy(),
            placement=self.board.placement[columns],
            kept=slo.keeps(cost, latency),
        )

    def at(self, view: View, slo: SLO) -> dict[str, dict[str, Any]]:
        """Return the numbers of each mark under an SLO, by name.

        That is mean quality, cost and latency by statistic, and the share of queries over the SLO;
        None where nothing was recorded. A mark that sends every query down one path names it; where
        some outcomes were not recorded, the numbers are over the others, which are counted.
        """
        return {name: _numbers(frame) for name, frame in self.replayed(view, slo).items()}

    def course(self, view: View, slo: SLO) -> list[list[Any]]:
        """Return the table of an SLO and of others that differ from it in one limit, see `add`."""
        asked, train = [slo], self.board.trace
        if "train" in self.board.labels["split"]:
            train = train.split("train")
        for column in ("latency_s", "cost_usd"):
            try:
                asked += [_said(one, column) for one in slos.slo_grid(train, column, GRID, slo)]
            except LabError:  # it was not recorded, or everything is free
                continue
        return [[as_json(one), self.at(view, one)] for one in dict.fromkeys(asked)]


def _said(slo: SLO, column: str) -> SLO:
    """Return an SLO whose limit on a column has three digits, as people say it."""
    said: dict[str, Any] = {
        one.name: float(f"{one.value:.3g}") for one in slo.limits if one.column == column
    }
    return replace(slo, **said)


def add(
    marks: Mapping[str, Any], where: str, what: str, entries: Iterable[list[Any]]
) -> dict[str, Any]:
    """Return the tables of marks with more entries for a selection of queries, the newest last.

    A table is {"what": the queries in words, "table": [[SLO, marks by name], …]}.
    """
    before = marks.get(where, {"table": []})["table"]
    new = list(entries)
    asked = [one for one, _ in new]
    kept = [entry for entry in before if entry[0] not in asked]
    most = MOST_SLOS - 1 + len(new)  # a course leaves room for what was asked before
    return {**marks, where: {"what": what, "table": [*kept, *new][-most:]}}


def as_json(slo: SLO) -> dict[str, Any]:
    """Return an SLO as the screen writes it."""
    limits = (slo.max_latency_s, slo.max_cost_usd, slo.min_quality or None)
    names = ("max_latency_s", "max_cost_usd", "min_quality")
    return {**dict(zip(names, limits, strict=True)), "prefer": slo.prefer}


def from_json(text: str) -> SLO:
    """Return the SLO that the screen wrote."""
    return SLO(**json.loads(text))


def number(value: float) -> float | None:
    """Return a number as JSON has it: None where nothing was recorded."""
    return None if np.isnan(value) else float(value)


def _numbers(frame: pd.DataFrame) -> dict[str, Any]:
    statistics = {"mean": resampling.mean, "p95": resampling.p95}
    spent = {
        name: {s: number(statistics[s](frame[[column]].to_numpy().T)[0]) for s in STATISTICS}
        for name, column in (("cost", "cost_usd"), ("latency", "latency_s"))
    }
    paths = frame["path_id"].unique()
    single = {"path": str(paths[0])} if len(paths) == 1 else {}
    return {"quality": number(frame["quality"].mean()), **spent, **single, **over(frame)}


def over(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the share of recorded outcomes over the SLO, and their number if some are missing."""
    seen = frame[frame["quality"].notna()]
    some = {"recorded": len(seen)} if len(seen) < len(frame) else {}
    return {"over": number(1 - seen["kept"].mean()), **some}
