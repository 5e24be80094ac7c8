"""One question on its way: a path is chosen and tried, then the next, until one answers in time."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ecollm_lab.models import CallFailed, Model, Reply, replies
from ecollm_lab.paths import Memo, Prepared
from ecollm_lab.records import SLO, LabError, Outcome, Prompt, Query
from ecollm_lab.serving.choosing import (
    LIKELY,
    Choice,
    Outlook,
    Saving,
    bound_limits,
    choose,
    nearest_slo,
)
from ecollm_lab.serving.endpoints import Call, GivenUp, InTime
from ecollm_lab.serving.forecasts import Forecast
from ecollm_lab.serving.results import Answer, Attempt, Ended, Reason, Refused
from ecollm_lab.serving.tracing import call_span, note_call

if TYPE_CHECKING:
    from ecollm_lab.serving.runtime import Runtime

DESPERATE = 0.999  # after a failure, a path is tried unless it breaks a limit this probably
PATIENCE_S = 60.0  # for an answer, where the SLO sets no limit on latency
PLENTY = 10**9  # tokens: no limit
LEAST_S = 1e-3  # left of a limit, below which nothing is tried


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a Runtime.

    `path_id` names the only path to be tried; None = the Runtime chooses. `max_tokens` shortens the
    answer. `cancel` is completed when nobody waits for the answer any more.
    """

    query: Query
    slo: SLO
    path_id: str | None = None
    max_tokens: int | None = None
    cancel: Future[None] | None = None


@dataclass(eq=False)
class Question:
    """A wish while a Runtime works on it."""

    runtime: Runtime
    wish: Wish
    began: float
    forecast: Forecast
    usable: np.ndarray
    saving: Saving
    memo: Memo = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    spent_usd: float = 0.0
    answered: float = 0.0  # when the answer was there, before it was graded

    def run(self) -> Answer | Refused:
        """Try paths until one answers."""
        while True:
            if self._gone():
                return self._refused(Reason.CANCELLED)
            used = self.runtime.clock() - self.began
            left = self._left(used)
            if left is None:
                return self._refused(self._late())
            outlook = self.runtime.outlook(self.forecast)
            usable = self.usable & self.runtime.reachable()
            path = self._choice(outlook, left, usable)
            if path is None:
                return self._refused(self._why(usable))
            done = self._attempt(path, outlook, usable)
            if done is not None:
                return self._answer(Choice(path, outlook, left, usable, used), done)

    def _choice(self, outlook: Outlook, left: SLO, usable: np.ndarray) -> int | None:
        if self.wish.path_id is not None:
            return int(np.flatnonzero(usable)[0]) if usable.any() else None
        best = self.runtime.adaptation.choose(outlook, left, usable, self.saving)
        if best is None:  # better to ask what may fail again or, after a failure, late than nothing
            bearable = outlook.broken(left) < (DESPERATE if self.attempts else LIKELY)
            best = choose(outlook, left, usable & bearable, price=1e3, likely=np.inf)
        return best

    def _why(self, usable: np.ndarray) -> Reason:
        if not self.attempts:
            return Reason.INFEASIBLE if usable.any() else Reason.ENDPOINTS
        if self.attempts[-1].ended is Ended.CUT:
            return self._late()
        refused = all(one.ended is Ended.REFUSED for one in self.attempts)
        return Reason.REFUSED if refused else Reason.ENDPOINTS

    def _late(self) -> Reason:
        if self.wish.slo.max_latency_s is None:
            return Reason.PATIENCE
        return Reason.DEADLINE if self.attempts else Reason.INFEASIBLE

    def _left(self, used: float) -> SLO | None:
        """Return the SLO less the seconds and the money used up; None if the time is over."""
        slo = self.wish.slo
        seconds, usd = slo.max_latency_s, slo.max_cost_usd
        if seconds is not None:
            seconds -= used
        if (PATIENCE_S - used if seconds is None else seconds) < LEAST_S:
            return None
        if usd is not None:
            usd = max(usd - self.spent_usd, usd * 1e-6)
        return replace(slo, max_latency_s=seconds, max_cost_usd=usd)

    def _attempt(self, path: int, outlook: Outlook, usable: np.ndarray) -> Outcome | None:
        """Try a path; return its outcome, or None after noting why there is none."""
        runtime, began = self.runtime, self.runtime.clock()
        model = runtime.model(path)
        prepared, call, error, most = None, None, "", 0.0
        if not runtime.admit(path):  # another question was just sent to find out
            return None
        try:
            prepared, until = self._prepare(path, outlook, usable)
            prompt = self._shortened(model, prepared.prompt)
            most = replies.most_usd(model, prompt)
            expected_s = float(np.exp(outlook.log_latency[path]))
            with call_span(model, replies.answer_limit(model, prompt)) as span:
                call = runtime.endpoints.begin(model.name, prompt, expected_s)
                reply = self._reply(call, until)
                note_call(span, reply)
            if isinstance(reply, Reply):
                return self._answered(path, prepared, reply, began)
            ended = reply
            most = 0.0 if call.seconds is None else most  # nothing is billed for waiting
        except (LabError, CancelledError) as failure:
            ended, error = self._ended_by(failure), str(failure)
            most = self._paid(model, failure, most) if prepared else 0.0
        seconds = runtime.clock() - began
        self.spent_usd += most
        self.attempts.append(Attempt(runtime.path_ids[path], ended, seconds, most, error))
        if prepared is None:  # a stage before the model's failed, which says nothing about it
            self.usable = self.usable & (np.arange(len(self.usable)) != path)
        else:
            answered_s = None if call is None else call.seconds
            self._learn_failure(path, ended, sum(prepared.stage_latency_s), answered_s)
        return None

    def _prepare(self, path: int, outlook: Outlook, usable: np.ndarray) -> tuple[Prepared, float]:
        """Run the stages before generation; return the prompt, and until when to wait for it."""
        runtime, query, memo = self.runtime, self.wish.query, self.memo
        until = self._cut_at(path, outlook, usable & ~runtime.rewrites)  # which need the same call
        models = InTime(runtime.endpoints, until, self.wish.cancel)
        prepared = runtime.pipeline.prepare(query, runtime.paths[path], memo, models)
        until = self._cut_at(path, outlook, usable & ~runtime.in_turn(path))
        if self._gone() or until <= runtime.clock():
            raise GivenUp("No time was left to ask the model.")
        return prepared, until

    def _shortened(self, model: Model, prompt: Prompt | str) -> Prompt | str:
        """Return a prompt with the asker's limit on tokens, where it is below the path's own."""
        less = replies.answer_limit(model, prompt) - (self.wish.max_tokens or PLENTY)
        if less <= 0:
            return prompt
        prompt = Prompt.of(prompt)
        return replace(prompt, extra_tokens=prompt.extra_tokens - less)

    def _cut_at(self, path: int, outlook: Outlook, others: np.ndarray) -> float:
        """Return when to stop waiting for a path: while there is time for one of the others."""
        limit = self.wish.slo.max_latency_s
        delay = self.runtime.model(path).network_delay_s
        last = self.began + (PATIENCE_S if limit is None else limit - delay)
        if self.wish.path_id is not None or not others.any():
            return last
        needs = np.exp(outlook.log_latency + outlook.latency_sd) + outlook.wait_s
        early = last - float(needs[others].min())
        return early if early > self.runtime.clock() + outlook.latency_s[path] else last

    def _reply(self, call: Call, until: float) -> Reply | Ended:
        """Wait for a reply; break off when time is up or the asker is gone."""
        if call.wait(until, self.wish.cancel):
            return call.future.result()
        return self._given_up()

    def _given_up(self) -> Ended:
        return Ended.CANCELLED if self._gone() else Ended.CUT

    def _ended_by(self, failure: Exception) -> Ended:
        """Tell a failure of the model from a refusal of this one question."""
        if isinstance(failure, GivenUp):
            return self._given_up()
        well = isinstance(failure, CallFailed) and failure.model_is_well
        return Ended.REFUSED if well else Ended.FAILED

    def _paid(self, model: Model, failure: Exception, most_usd: float) -> float:
        """Return what a failed call costs, the most that it may where that is not known."""
        if not isinstance(failure, CallFailed):  # it was not sent
            return 0.0
        return most_usd if failure.billed is None else model.cost_usd(0.0, *failure.billed)

    def _gone(self) -> bool:
        return self.wish.cancel is not None and self.wish.cancel.done()

    def _answered(self, path: int, prepared: Prepared, reply: Reply, began: float) -> Outcome:
        """Take in a reply, and then grade it: what a judge takes, or its failure, is its own."""
        self.answered, pipeline = self.runtime.clock(), self.runtime.pipeline
        bare = replace(prepared.query, facts=(), references=())
        outcome = pipeline.finish(replace(prepared, query=bare), reply)
        self._learn(path, outcome, began)
        try:
            return pipeline.finish(prepared, reply)
        except (LabError, CancelledError):  # it was not graded
            return outcome

    def _learn(self, path: int, outcome: Outcome, began: float) -> None:
        now = self.runtime.clock()
        adaptation = self.runtime.adaptation
        with self.runtime.learning:
            adaptation.took(self.forecast, path, outcome.latency_s, now)
            adaptation.cost(self.forecast, path, outcome.cost_usd, now)
            adaptation.failed(path, now, failed=False)
            self.runtime.circuit(path).answered()
        self.spent_usd += outcome.cost_usd
        seconds = now - began
        self.attempts.append(
            Attempt(self.runtime.path_ids[path], Ended.ANSWERED, seconds, outcome.cost_usd)
        )

    def _learn_failure(
        self, path: int, ended: Ended, before_s: float, answered_s: float | None
    ) -> None:
        """Learn from a failure, and try no path of this model again for this question.

        A call that was cut tells how long the model takes only if it began to be answered: for
        `answered_s`, after stages of `before_s`.
        """
        now, hosted = self.runtime.clock(), self.runtime.model(path).placement == "cloud"
        self.usable = self.usable & ~self.runtime.same_model(path)
        with self.runtime.learning:
            if ended is Ended.CUT and answered_s is not None:
                least_s = before_s + answered_s + self.runtime.model(path).network_delay_s
                self.runtime.adaptation.took(self.forecast, path, least_s, now, cut=True)
                if hosted:
                    self.runtime.circuit(path).cut(now)
            if hosted and ended is Ended.REFUSED:
                self.runtime.circuit(path).answered()
            if ended is Ended.FAILED:
                news = self.runtime.circuit(path).failed(now) if hosted else True
                if news:
                    self.runtime.adaptation.failed(path, now)

    def _answer(self, choice: Choice, outcome: Outcome) -> Answer:
        slo, path = self.wish.slo, choice.path
        delay = self.runtime.model(path).network_delay_s
        latency_s = self.answered - self.began + delay
        kept = bool(slo.keeps(np.array(self.spent_usd), np.array(latency_s)))
        return Answer(
            text=outcome.answer,
            path_id=self.runtime.path_ids[path],
            slo=slo,
            expected=choice.expected(self.spent_usd - outcome.cost_usd),
            quality=None if np.isnan(outcome.quality) else outcome.quality,
            cost_usd=self.spent_usd,
            latency_s=latency_s,
            tokens_in=outcome.tokens_in,
            tokens_out=outcome.tokens_out,
            truncated=outcome.truncated,
            kept=kept,
            bound=bound_limits(choice.outlook, choice.left, path, choice.usable),
            attempts=tuple(self.attempts),
        )

    def _refused(self, reason: Reason) -> Refused:
        nearest = None
        if reason in (Reason.INFEASIBLE, Reason.DEADLINE):
            outlook = self.runtime.outlook(self.forecast)
            usable = self.runtime.allowed & self.runtime.reachable()
            nearest = nearest_slo(outlook, self.wish.slo, usable)
        return Refused(
            reason=reason,
            slo=self.wish.slo,
            nearest=nearest,
            latency_s=self.runtime.clock() - self.began,
            cost_usd=self.spent_usd,
            attempts=tuple(self.attempts),
        )
