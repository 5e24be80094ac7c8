"""A model's reply to a prompt: from the store, from a call in flight, or from a new call."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, cast

import numpy as np

from ecollm_lab.domains.judging import Models
from ecollm_lab.models import CallFailed, Catalog, Reply
from ecollm_lab.models.replies import (
    MAX_TOKENS,
    Account,
    CallState,
    ChatModel,
    RemoteModel,
    most_usd,
)
from ecollm_lab.records import Prompt
from ecollm_lab.sweeps.options import SweepOptions
from ecollm_lab.sweeps.speed import SpeedWatch
from ecollm_lab.sweeps.store.store import Store

CALLS_VERSION = 1  # raise it whenever the way a model is called changes what it would answer


def call_key(model_identity: str, prompt: Prompt | str) -> str:
    """Digest everything that determines a reply: prompt, parameters, model and code version.

    Its price is no part of it.
    """
    return _digest(
        [
            CALLS_VERSION,
            model_identity,
            {"temperature": 0.0, "seed": 0, "max_tokens": MAX_TOKENS},
            Prompt.of(prompt).key,
        ]
    )


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


class Calls:
    """Every call of one sweep.

    Parameters
    ----------
    store, catalog, models
        Where replies are kept, what calls cost, and who answers.
    sweep
        Name in the ledger; the cap covers all attempts under it, those of earlier runs included.
    options
        The cap, and how many calls are measured repeatedly; their latency is the median.

    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        models: Models,
        sweep: str,
        options: SweepOptions,
    ) -> None:
        self._store, self._catalog, self._models = store, catalog, models
        self._sweep, self._options = sweep, options
        self._cap_usd = float("inf") if options.max_cost_usd is None else options.max_cost_usd
        self._flying: dict[str, Future[Reply]] = {}
        self._guard = Lock()
        self._identity: dict[str, str] = {}
        self._remote: dict[str, RemoteModel] = {}
        self._speed = SpeedWatch(catalog, store)
        self._excess_usd: dict[str, float] = {}
        self.made = self.retried = 0
        self.notices: list[str] = []

    def key(self, name: str, prompt: Prompt | str) -> str:
        """Return the content key of a call; see `call_key`."""
        if name not in self._identity:
            self._identity[name] = self._catalog[name].identity()
        return call_key(self._identity[name], prompt)

    def affords(self, name: str, prompt: Prompt | str) -> bool:
        """Tell whether the cap leaves room for one such call, or it needs no money."""
        usd = most_usd(self._catalog[name], prompt)
        if not usd or self.stored(name, prompt) is not None:
            return True
        return self._store.spending(self._sweep).charged_usd + usd <= self._cap_usd

    def stored(self, name: str, prompt: Prompt | str) -> Reply | None:
        """Return the reply that the store holds, None without one."""
        return self._store.reply(self.key(name, prompt))

    def keep(self, name: str, prompt: Prompt | str, reply: Reply) -> None:
        """Store the reply of a call that an edge model answered elsewhere."""
        self._store.record(self.key(name, prompt), name, reply)

    def get(self, name: str, prompt: Prompt | str) -> Future[Reply]:
        """Return the reply to come; on return it is there unless the model's calls may overlap.

        Its future raises `CallFailed`, `EndpointClosed`, `BudgetSpent`, `Withdrawn`, or `LabError`
        if the store cannot be written. A call that was refused, or got an answer of no use, is not
        made again while the store is open.
        """
        key = self.key(name, prompt)
        in_sample = int(key[:8], 16) < self._options.repeat_share * 16**8
        times = self._options.repeats if in_sample else 1
        parts = [self._one(name, prompt, key if i == 0 else f"{key}/{i}") for i in range(times)]
        return parts[0] if times == 1 else _median(parts)

    def once(self, name: str, prompt: Prompt | str) -> Future[Reply]:
        """Return the reply to come of a call that grades or rewrites; see `get`.

        It is measured once and counts as no generation.
        """
        return self._one(name, prompt, self.key(name, prompt), generates=False)

    def _one(
        self, name: str, prompt: Prompt | str, key: str, *, generates: bool = True
    ) -> Future[Reply]:
        with self._guard:
            if flying := self._flying.get(key):
                return flying
            future: Future[Reply] = Future()
            if failed := self._store.in_vain.get(key):
                future.set_exception(failed)
                return future
            stored = self._store.reply(key)
            if stored:
                future.set_result(stored)
                return future
            self._flying[key] = future
            self.made += generates
        try:
            model = self._models[name]
            # isinstance with a protocol would take longer than the rest of this method.
            if hasattr(model, "submit"):
                model = self._remote[name] = cast("RemoteModel", model)
                reserve = self._reserve_for(key, name)
                account = Account(reserve, self._store.settle, self.notices.append)
                model.submit(prompt, account).add_done_callback(
                    lambda done: self._end(name, key, future, done)
                )
                return future
        except BaseException as error:
            self._land(key, error)
            future.set_exception(error)
            return future
        self._run_here(model, name, prompt, key, future)
        return future

    def __getitem__(self, name: str) -> ChatModel:
        """Return a model that grades or rewrites; its calls are stored and journalled too."""
        return _Through(self, name)

    def withdraw(self) -> None:
        """Give up calls that wait for a turn or another attempt; finish those being answered."""
        for model in list(self._remote.values()):
            model.withdraw()

    def _reserve_for(self, key: str, name: str) -> Callable[[float], Future[int]]:
        """Return what reserves the price of an attempt.

        A model that was charged above its reservation in an earlier run reserves as much more.
        """
        if name not in self._excess_usd:
            self._excess_usd[name] = self._store.excess_usd(name)
        more = self._excess_usd[name]
        return lambda usd: self._store.reserve(self._sweep, key, name, usd + more, self._cap_usd)

    def _end(self, name: str, key: str, future: Future[Reply], done: Future[Reply]) -> None:
        error = done.exception()
        self._land(key, error)
        attempts = getattr(error, "attempts", 1) if error else done.result().attempts
        try:
            with self._guard:  # each model's calls end in a thread of its own
                self.retried += max(0, attempts - 1)
                if not error:
                    self._watch(name, done.result())
        finally:  # a sweep waits for it for ever
            future.set_exception(error) if error else future.set_result(done.result())

    def _land(self, key: str, error: BaseException | None) -> None:
        """Take a call out of those in flight; remember one that another attempt would not help."""
        if isinstance(error, CallFailed) and (error.answered or error.state != CallState.FAILED):
            self._store.in_vain[key] = error
        self._flying.pop(key, None)

    def _run_here(
        self, model: ChatModel, name: str, prompt: Prompt | str, key: str, future: Future[Reply]
    ) -> None:
        """Answer in this thread; a model with prices is journalled as any other."""
        usd, number = most_usd(self._catalog[name], prompt), 0
        try:
            while usd and not (
                number := self._store.reserve(self._sweep, key, name, usd, self._cap_usd).result()
            ):
                time.sleep(0.02)
            reply = model.reply(prompt)
        except BaseException as error:
            if number:
                self._store.settle(number, usd, str(error), None)
            self._land(key, error)
            future.set_exception(error)
            return
        paid = self._catalog[name].cost_usd(0.0, reply.tokens_in, reply.tokens_out)
        written = (
            self._store.settle(number, paid, "", reply)
            if number
            else self._store.record(key, name, reply)
        )
        written.add_done_callback(lambda _: self._flying.pop(key, None))
        with self._guard:
            self._watch(name, reply)
        future.set_result(reply)

    def _watch(self, name: str, reply: Reply) -> None:
        """Notice a model that has become slow; a reply is worth more than what is said of it."""
        try:
            notice = self._speed.add(name, reply)
        except Exception as error:
            notice = f"The speed of model {name!r} is not watched: {type(error).__name__}: {error}."
        if notice and notice not in self.notices:
            self.notices.append(notice)


@dataclass(frozen=True, slots=True)
class _Through:
    calls: Calls
    name: str

    def reply(self, prompt: Prompt | str) -> Reply:
        return self.calls.once(self.name, prompt).result()


def _median(parts: list[Future[Reply]]) -> Future[Reply]:
    """Combine repeated measurements: the first reply, the median of their latencies, its spread."""
    combined: Future[Reply] = Future()
    left = [len(parts)]
    guard = Lock()

    def count(_: Future[Reply]) -> None:
        with guard:
            left[0] -= 1
            if left[0]:
                return
        error = next((part.exception() for part in parts if part.exception()), None)
        if error:
            combined.set_exception(error)
            return
        first, latencies = parts[0].result(), [part.result().latency_s for part in parts]
        low, middle, high = np.quantile(latencies, [0.25, 0.5, 0.75])
        combined.set_result(
            replace(first, latency_s=float(middle), repeats=len(parts), spread_s=float(high - low))
        )

    for part in parts:
        part.add_done_callback(count)
    return combined
