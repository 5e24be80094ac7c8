"""Cloud models: any OpenAI-compatible endpoint, or a GGUF the lab serves on loopback.

Calls do not stream: one JSON document is whole or it is not, it always says why it ended and what
it used. A stream that is cut looks like a short answer, and many endpoints leave the usage out of
it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from threading import Thread
from types import TracebackType

import stamina

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.cloud.admission import Admission
from ecollm_lab.models.cloud.attempts import Failed, judge, read
from ecollm_lab.models.cloud.connection import Connection
from ecollm_lab.models.cloud.secrets import clean_logs, read_key
from ecollm_lab.models.cloud.server import LoopbackServer
from ecollm_lab.models.replies import (
    Account,
    CallFailed,
    Reply,
    Withdrawn,
    most_tokens_in,
    most_tokens_out,
    most_usd,
)
from ecollm_lab.records import Prompt


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried: attempts in all, and those charged without a reply.

    Pauses between attempts are in seconds.
    """

    attempts: int = 6
    charged: int = 3
    wait_initial_s: float = 0.5
    wait_max_s: float = 20.0
    wait_jitter_s: float = 1.0


class _Call:
    """One call on its way: its attempts, waits and charges, and whether it can be withdrawn."""

    def __init__(self, prompt: Prompt | str, account: Account | None) -> None:
        self.prompt, self.account = prompt, account
        self.attempts = self.charged = 0
        self.queue_s, self.sending, self.withdrawn = 0.0, False, False
        self.task: asyncio.Task[None] | None = None


class CloudModel:
    """A hosted model reached through the `openai` client; a `file` is served on loopback first.

    One client and one event loop, in a thread of their own, are kept from start to end. Many calls
    may be in flight at a hosted endpoint; one that this machine serves gets them one at a time, so
    that latencies are not measured against each other.
    """

    def __init__(
        self,
        model: Model,
        *,
        patience: Patience | None = None,
        admission: Admission | None = None,
    ) -> None:
        self.model, self.name = model, model.name
        self._patience, self._admission = patience or Patience(), admission or Admission(model)
        if not logging.getLogger("stamina").handlers:  # retries are counted, not printed
            logging.getLogger("stamina").addHandler(logging.NullHandler())
        base_url, self.template = model.base_url, "the endpoint's own"
        read_key(model)  # a missing key is an error before anything is started
        with ExitStack() as exits:
            if model.file is not None:
                server = LoopbackServer(model)
                exits.callback(server.stop)
                base_url, self.template = server.base_url, server.template
            self._connection = Connection(model, base_url)
            # After the client, which makes the loggers, and until its loop has ended.
            exits.enter_context(clean_logs(model))
            self._calls: set[_Call] = set()
            self._loop = asyncio.new_event_loop()
            self._thread = Thread(
                target=self._loop.run_forever, name=f"calls to {model.name}", daemon=True
            )
            self._thread.start()
            exits.callback(self._stop_loop)
            if model.file is None:
                asyncio.run_coroutine_threadsafe(self._connection.warm_up(), self._loop).result()
            self._exits = exits.pop_all()

    def reply(self, prompt: Prompt | str) -> Reply:
        """Answer greedily, in one attempt; raises `LabError` if there is no usable answer."""
        return self._start(_Call(prompt, None), Patience(attempts=1)).result()

    def submit(self, prompt: Prompt | str, account: Account) -> Future[Reply]:
        """Start a call, with retries; see `RemoteModel.submit`."""
        return self._start(_Call(prompt, account), self._patience)

    def _start(self, call: _Call, patience: Patience) -> Future[Reply]:
        future: Future[Reply] = Future()
        future.set_running_or_notify_cancel()

        async def run() -> None:
            self._calls.add(call)
            try:
                future.set_result(await self._answer(call, patience))
            except asyncio.CancelledError:
                future.set_exception(Withdrawn("The call was withdrawn before it was sent."))
            except Failed as failed:
                future.set_exception(CallFailed(str(failed), attempts=call.attempts))
            except Exception as error:  # budget, closed endpoint, a store that cannot be written
                future.set_exception(error)
            finally:
                self._calls.discard(call)

        def begin() -> None:
            call.task = self._loop.create_task(run())

        self._loop.call_soon_threadsafe(begin)
        return future

    def begin(self, prompt: Prompt | str) -> tuple[Future[Reply], Callable[[], None]]:
        """Start one attempt; return its future and what breaks it off, be it sent or not."""
        call = _Call(prompt, None)
        future = self._start(call, Patience(attempts=1))

        def break_off() -> None:
            self._loop.call_soon_threadsafe(lambda: call.task and call.task.cancel())

        return future, break_off

    def withdraw(self) -> None:
        """Give up calls that are not being answered; see `RemoteModel.withdraw`."""

        def give_up() -> None:
            for call in list(self._calls):
                call.withdrawn = True
                if not call.sending and call.task:
                    call.task.cancel()

        self._loop.call_soon_threadsafe(give_up)

    async def _answer(self, call: _Call, patience: Patience) -> Reply:
        began = time.perf_counter()

        def again(error: Exception) -> bool | float:
            if not isinstance(error, Failed) or not error.retry:
                return False
            if call.withdrawn or call.charged >= patience.charged:
                return False
            return 0.0 if error.pause_s is not None else True  # admission keeps the pause for all

        tries = stamina.retry_context(
            on=again,
            attempts=patience.attempts,
            timeout=None,
            wait_initial=patience.wait_initial_s,
            wait_max=patience.wait_max_s,
            wait_jitter=patience.wait_jitter_s,
        )
        async for attempt in tries:
            with attempt:
                reply = await self._attempt(call, began)
        return reply

    async def _attempt(self, call: _Call, began: float) -> Reply:
        waiting = time.perf_counter()
        most = most_tokens_in(call.prompt) + most_tokens_out(call.prompt)
        ticket = await self._admission.enter(most, again=call.attempts > 0)
        call.sending, how, pause_s, used = True, "unused", 0.0, None
        settled: asyncio.Future[None] | None = None
        try:
            number = await self._reserve(call)
            sent = time.perf_counter()
            call.queue_s += sent - waiting
            call.attempts += 1
            raw, failed = await self._connection.send(call.prompt)
            latency = time.perf_counter() - sent
            failed = failed or judge(self.model, raw)
            if failed:
                how, pause_s = failed.how, failed.pause_s or 0.0
                call.charged += failed.charged
                usd = self._charge(call.prompt, failed)
                settled = self._settle(call, number, usd, failed.why, None)
                if failed.fatal:
                    self._admission.close(failed.why)
            else:
                retry_s = max(0.0, sent - began - call.queue_s)
                reply = read(self.model, raw, latency, call.queue_s, retry_s, call.attempts)
                how, used = "ok", reply.tokens_in + reply.tokens_out
                usd = self.model.cost_usd(0.0, reply.tokens_in, reply.tokens_out)
                settled = self._settle(call, number, usd, "", reply)
        finally:
            # Whoever comes next is journalled after the settlement, which is queued: so no more
            # attempts are unsettled than are in flight.
            self._admission.leave(ticket, how, pause_s=pause_s, tokens=used)
            try:
                if settled:
                    await settled
            finally:
                call.sending = False
        if failed:
            raise failed
        return reply

    def _charge(self, prompt: Prompt | str, failed: Failed) -> float:
        """Return what a failed attempt may be billed: by its usage, else at the reserved price."""
        if not failed.charged:
            return 0.0
        return (
            self.model.cost_usd(0.0, *failed.tokens)
            if failed.tokens
            else most_usd(self.model, prompt)
        )

    async def _reserve(self, call: _Call) -> int:
        """Journal the attempt at its highest price.

        Wait while attempts in flight alone take the room of the budget.
        """
        if call.account is None:
            return 0
        while not (
            number := await asyncio.wrap_future(
                call.account.reserve(most_usd(self.model, call.prompt))
            )
        ):
            if call.withdrawn:
                raise asyncio.CancelledError
            await asyncio.sleep(0.05)
        return number

    def _settle(
        self, call: _Call, number: int, usd: float, error: str, reply: Reply | None
    ) -> asyncio.Future[None] | None:
        return (
            asyncio.wrap_future(call.account.settle(number, usd, error, reply))
            if call.account
            else None
        )

    def _stop_loop(self) -> None:
        async def end() -> None:
            for call in list(self._calls):
                if call.task:
                    call.task.cancel()
            await self._connection.close()

        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(end(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._loop.is_running():
            self._loop.close()

    def __enter__(self) -> CloudModel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()
