"""Cloud models: any OpenAI-compatible endpoint, or a GGUF the lab serves on loopback.

Calls do not stream: one JSON document is whole or it is not, it always says why it ended and what
it used. A stream that is cut looks like a short answer, and many endpoints leave the usage out of
it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import ExitStack, asynccontextmanager, suppress
from threading import Thread

import stamina

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.cloud.admission import Admission, Ticket
from ecollm_lab.models.cloud.answers import read_answer
from ecollm_lab.models.cloud.attempts import AttemptEnd, Failed
from ecollm_lab.models.cloud.calls import Call, Patience
from ecollm_lab.models.cloud.connection import Connection
from ecollm_lab.models.cloud.reservations import Reservations
from ecollm_lab.models.cloud.secrets import clean_logs, read_key
from ecollm_lab.models.cloud.server import LoopbackServer
from ecollm_lab.models.replies import Account, Reply, Withdrawn, answer_limit
from ecollm_lab.records import Prompt


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
        patient: bool = False,
    ) -> None:
        self.model, self.name, self._patient = model, model.name, patient
        self._patience, self._admission = patience or Patience(), admission or Admission(model)
        if not logging.getLogger("stamina").handlers:  # retries are counted, not printed
            logging.getLogger("stamina").addHandler(logging.NullHandler())
        self._reservations = Reservations(model)
        self._turn = asyncio.Lock()
        self._has_billed = False
        self.template, server = "the endpoint's own", None
        if model.file is None:
            read_key(model)  # a missing key is an error before anything is started
        with ExitStack() as exits:
            if model.file is not None:
                server = LoopbackServer(model)
                exits.callback(server.stop)
                self.template = server.template
            self._connection = Connection(model, server)
            # After the client, which makes the loggers, and until its loop has ended.
            exits.enter_context(clean_logs(model))
            self._calls: set[Call] = set()
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
        """Answer greedily; raises `LabError` if there is no usable answer.

        In one attempt, unless the model was opened as a `patient` one.
        """
        patience = self._patience if self._patient else Patience(attempts=1)
        return self._start(Call(prompt, None, self._reservations), patience).result()

    def submit(self, prompt: Prompt | str, account: Account) -> Future[Reply]:
        """Start a call, with retries; see `RemoteModel.submit`."""
        return self._start(Call(prompt, account, self._reservations), self._patience)

    def _start(self, call: Call, patience: Patience) -> Future[Reply]:
        future: Future[Reply] = Future()
        future.set_running_or_notify_cancel()

        async def run() -> None:
            self._calls.add(call)
            try:
                future.set_result(await self._answer(call, patience))
            except asyncio.CancelledError:
                future.set_exception(Withdrawn("The call was withdrawn before it was sent."))
            except Failed as failed:
                future.set_exception(call.failed(failed))
            except Exception as error:  # budget, closed endpoint, a store that cannot be written
                future.set_exception(error)
            finally:
                self._calls.discard(call)

        def begin() -> None:
            call.task = self._loop.create_task(run())

        self._loop.call_soon_threadsafe(begin)
        return future

    def begin(self, prompt: Prompt | str) -> tuple[Future[Reply], Callable[[], None], list[float]]:
        """Start one attempt, which `break_off` ends be it sent or not.

        Return its future, `break_off`, and a list that holds, by `time.monotonic`, when it was sent
        once it was: until then it waits for its turn.
        """
        call = Call(prompt, None, self._reservations)
        future = self._start(call, Patience(attempts=1))

        def break_off() -> None:
            self._loop.call_soon_threadsafe(lambda: call.task and call.task.cancel())

        return future, break_off, call.sent

    @property
    def holds_until(self) -> float:
        """By `time.monotonic`, until when calls wait; 0 where they are turned away at once."""
        return self._admission.holds_until

    def withdraw(self) -> None:
        """Give up calls that are not being answered; see `RemoteModel.withdraw`."""

        def give_up() -> None:
            for call in list(self._calls):
                call.withdrawn = True
                if not call.sending and call.task:
                    call.task.cancel()

        self._loop.call_soon_threadsafe(give_up)

    async def _answer(self, call: Call, patience: Patience) -> Reply:
        began = time.perf_counter()

        def again(error: Exception) -> bool | float:
            if not isinstance(error, Failed) or not error.retry:
                return False
            if call.withdrawn or call.charged >= patience.charged:
                return False
            return 0.0 if error.pause_s else True  # admission keeps the pause for all

        tries = stamina.retry_context(
            on=again,
            attempts=patience.attempts,
            timeout=None,
            wait_initial=patience.wait_initial_s,
            wait_max=patience.wait_max_s,
            wait_jitter=patience.wait_jitter_s,
        )
        async with self._first_alone(call):
            call.queue_s = time.perf_counter() - began
            async for attempt in tries:
                with attempt:
                    reply = await self._attempt(call, began)
        return reply

    async def _attempt(self, call: Call, began: float) -> Reply:
        waiting = time.perf_counter()
        most = sum(self._reservations.tokens(call.prompt))
        ticket = await self._admission.enter(most, again=call.attempts > 0)
        call.sending, done, settled = True, None, None
        try:
            number = await call.reserve()
            call.sent.append(time.monotonic())
            started = time.perf_counter()
            call.queue_s += started - waiting
            call.attempts += 1
            call.retry_s = max(0.0, started - began - call.queue_s)
            done = await self._send(call)
            settled = call.settle(number, done)
        finally:
            # Whoever comes next is journalled after the settlement, which is queued: so no more
            # attempts are unsettled than are in flight.
            self._leave(ticket, done)
            try:
                if settled:
                    await settled
            finally:
                call.sending = False
        if isinstance(done, Failed):
            raise done
        return done

    @asynccontextmanager
    async def _first_alone(self, call: Call) -> AsyncIterator[None]:
        """Let paid calls go one by one until one of them shows what the endpoint bills."""
        if call.account is not None and self._reservations.usd("") and not self._has_billed:
            async with self._turn:
                if not self._has_billed:
                    yield
                    return
        yield

    async def _send(self, call: Call) -> Reply | Failed:
        """Make one attempt, and learn from what it was billed."""
        raw, failed, latency_s = await self._connection.send(call.prompt)
        limit = answer_limit(self.model, call.prompt)
        answer = failed or read_answer(self.model, raw, limit)
        call.learn(answer)
        self._has_billed = self._has_billed or answer.tokens is not None
        if isinstance(answer, Failed):
            return answer
        return Reply(
            answer.text,
            answer.tokens_in,
            answer.tokens_out,
            latency_s,
            answer.finish_reason,
            call.queue_s,
            call.retry_s,
            call.attempts,
        )

    def _leave(self, ticket: Ticket, done: Reply | Failed | None) -> None:
        """Tell admission how an attempt ended."""
        if isinstance(done, Reply):
            self._admission.leave(ticket, AttemptEnd.OK, tokens=done.tokens_in + done.tokens_out)
        elif done is None:
            self._admission.leave(ticket, AttemptEnd.UNUSED)
        else:
            if done.fatal:
                self._admission.close(done.why)
            self._admission.leave(ticket, done.end, pause_s=done.pause_s or 0.0, why=done.why)

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

    def __exit__(self, *_: object) -> None:
        self._exits.close()
