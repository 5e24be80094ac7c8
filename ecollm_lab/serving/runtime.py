"""The Runtime: answers live questions under SLOs with a policy, a pipeline and real models."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ecollm_lab.models import Catalog, Model
from ecollm_lab.paths import Memo, Pipeline, called_on, read_path
from ecollm_lab.policies import Policy
from ecollm_lab.records import SLO, LabError, Query, require_choice
from ecollm_lab.serving.adaptation import Adaptation
from ecollm_lab.serving.asking import Question, Wish
from ecollm_lab.serving.choosing import Outlook
from ecollm_lab.serving.endpoints import Circuit, Endpoints
from ecollm_lab.serving.forecasts import Forecast, Forecasts, PolicyForecasts
from ecollm_lab.serving.prices import price_factors
from ecollm_lab.serving.results import Answer, Reason, Refused, results_table
from ecollm_lab.serving.tracing import answer_span, note_answer

if TYPE_CHECKING:
    from ecollm_lab.serving.board import Board

REMEMBERED = 50  # results that a Runtime shows


class Runtime:
    """Answers live questions under SLOs: chooses a path, runs it, falls back and adapts.

    Use as a context manager, or call `close`: it ends the Runtime's threads. The pool of models
    stays its owner's to close; open it as `ModelPool(catalog, persistent=True)`, so that an
    endpoint that was down is asked again. Many threads may ask at once.

    Parameters
    ----------
    policy
        A fitted policy, whose forecasts are used, or `Forecasts` of your own.
    pipeline
        Runs the paths; its catalog names the models and their prices.
    slo
        The SLO of questions that bring none.
    adaptation
        How it learns; None = with the policy's target and the usual pace.

    Raises
    ------
    LabError
        If the policy has a path whose model is not in the catalog.

    """

    def __init__(
        self,
        policy: Policy | Forecasts,
        pipeline: Pipeline,
        *,
        slo: SLO | None = None,
        adaptation: Adaptation | None = None,
    ) -> None:
        forecasts = PolicyForecasts(policy) if isinstance(policy, Policy) else policy
        self.forecasts, self.pipeline, self.slo = forecasts, pipeline, slo or SLO()
        self.path_ids = list(forecasts.path_ids)
        self.paths = [read_path(path_id) for path_id in self.path_ids]
        models = [path.model for path in self.paths]
        self._fitted_prices = self.catalog
        self._models = [self.catalog[name] for name in models]
        names = np.array(models, dtype=object)
        self._same = {name: names == name for name in models}
        self.rewrites = np.array([len(called_on(self.catalog, path)) > 1 for path in self.paths])
        self.allowed = np.asarray(forecasts.allowed, dtype=bool)
        self.adaptation = adaptation or Adaptation(models, forecasts.target)
        self.endpoints = Endpoints(self.catalog, pipeline.models)
        pipeline.ask_through(self.endpoints)
        self.learning, self.clock = threading.Lock(), time.monotonic
        self.results: deque[Answer | Refused] = deque(maxlen=REMEMBERED)

    @property
    def catalog(self) -> Catalog:
        """The catalog in force."""
        return self.pipeline.catalog

    def answer(
        self,
        question: str | Query,
        slo: SLO | None = None,
        *,
        path_id: str | None = None,
        max_tokens: int | None = None,
        cancel: Future[None] | None = None,
    ) -> Answer | Refused:
        """Answer a question under an SLO, or refuse it with a reason.

        When a model fails or its time runs out, the next best path that still fits is tried.

        Parameters
        ----------
        question
            A text, or a `Query`, whose facts, if it has any, grade the answer.
        slo
            Limits and preference of this question; the Runtime's own if left out. The latency is
            what the asker waits, turns and failed attempts included.
        path_id
            Try only this path, whatever is expected of it.
        max_tokens
            The most tokens of the answer, where that is less than the model's limit.
        cancel
            Complete this future to give the question up.

        Raises
        ------
        LabError
            If the question is empty, the path is unknown or an argument is out of range.

        """
        began = self.clock()
        query = question if isinstance(question, Query) else _query(question)
        usable = self.allowed
        if path_id is not None:
            require_choice("path_id", path_id, self.path_ids)
            usable = np.array([path_id == one for one in self.path_ids])
        if max_tokens is not None and max_tokens < 1:
            raise LabError(f"max_tokens must be at least 1, got {max_tokens!r}.")
        return self._run(Wish(query, slo or self.slo, path_id, max_tokens, cancel), usable, began)

    def _run(self, wish: Wish, usable: np.ndarray, began: float) -> Answer | Refused:
        with answer_span(wish.path_id) as span:
            forecast = self.forecasts.of(self.forecasts.embed(wish.query.text))
            saving = self.forecasts.saving(wish.slo)
            result = Question(self, wish, began, forecast, usable, saving).run()
            note_answer(span, result)
        self._note(result)
        return result

    def warm_up(self) -> None:
        """Open every model and build every index now, which the first questions would wait for.

        Raises
        ------
        LabError
            If a model cannot be opened; a hosted endpoint that is down is no fault here.

        """
        memo: Memo = {}
        for path in self.paths:
            for name in called_on(self.catalog, path):
                self.pipeline.models[name]
            if len(called_on(self.catalog, path)) == 1:
                self.pipeline.prepare(_query("warm up"), path, memo)
        self.forecasts.of(self.forecasts.embed("warm up"))
        self.forecasts.saving(self.slo)

    def _note(self, result: Answer | Refused) -> None:
        """Remember a result, and learn whether it broke a limit."""
        with self.learning:
            self.results.append(result)
            if not result.slo.limits:
                return
            if isinstance(result, Answer):
                self.adaptation.broke(not result.kept)
            elif result.reason is Reason.DEADLINE:
                self.adaptation.broke(True)

    def outlook(self, forecast: Forecast) -> Outlook:
        """Return what is expected of each path now, the wait for a turn included."""
        now = self.clock()
        waits = {name: self.endpoints.wait_s(name, now) for name in self._same}
        wait_s = np.array([waits[model.name] for model in self._models])
        with self.learning:
            return self.adaptation.outlook(forecast, now, wait_s)

    def reachable(self) -> np.ndarray:
        """Return the paths whose models' circuits let a question through, shape (paths,)."""
        now = self.clock()
        usable = {name: self.endpoints.circuits[name].usable(now) for name in self._same}
        return np.array([usable[model.name] for model in self._models])

    def model(self, path: int) -> Model:
        """Return the model that generates on a path, given by its position."""
        return self._models[path]

    def same_model(self, path: int) -> np.ndarray:
        """Return the paths that generate with the same model as a path, shape (paths,)."""
        return self._same[self._models[path].name]

    def circuit(self, path: int) -> Circuit:
        """Return the circuit of a path's model."""
        return self.endpoints.circuits[self._models[path].name]

    def in_turn(self, path: int) -> np.ndarray:
        """Return the paths that wait until a path's model has answered, shape (paths,)."""
        model = self._models[path].name
        return np.array([self.endpoints.in_turn(model, one.name) for one in self._models])

    def admit(self, path: int) -> bool:
        """Return whether a path may be tried: of many questions at once, one finds out."""
        with self.learning:
            return self.circuit(path).admit(self.clock())

    def reprice(self, catalog: Catalog, tokens: np.ndarray | None = None) -> None:
        """Use the prices of another catalog from now on, without fitting anew.

        Parameters
        ----------
        catalog
            The same models at today's prices.
        tokens
            Mean tokens that each path reads and writes, shape (paths, 2): see `prices.mean_tokens`.
            Without them a path is expected to cost as much more as the price that rose most.

        """
        names = [model.name for model in self._models]
        factors = price_factors(self._fitted_prices, catalog, names, tokens)
        models = [catalog[name] for name in names]
        with self.learning:
            self.pipeline.catalog, self._models = catalog, models
            self.adaptation.reprice(factors)

    def recent(self) -> pd.DataFrame:
        """Return the last results, the newest last: expected against actual."""
        with self.learning:
            return results_table(self.results)

    def board(self, example: str = "How does it work?") -> Board:
        """Return sliders of an SLO beside a table of the last answers, for a notebook.

        `example` is a question by whose forecasts the sliders get their range.
        """
        from ecollm_lab.serving.board import Board

        return Board(self, example)

    def __repr__(self) -> str:
        rate, target = self.adaptation.violation_rate, self.adaptation.target
        return (
            f"Runtime({len(self.path_ids)} paths, {self.adaptation.answers} answers under limits,"
            f" {rate:.1%} of them broken, target {target:.1%})"
        )

    def _repr_html_(self) -> str:
        table = self.recent().to_html(index=False, float_format="{:.4g}".format, na_rep="")
        return f"<p>{self!r}</p>{table}"

    def close(self) -> None:
        """End the threads of the Runtime."""
        self.endpoints.close()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _query(text: str) -> Query:
    """Return a live question, of which no right answer is known."""
    if not isinstance(text, str) or not text.strip():
        raise LabError(f"A question must be a text that is not empty, got {text!r}.")
    return Query("live", text, "live", (), (), (), "heldout")
