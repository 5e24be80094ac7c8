"""A call on its way: its attempts, its waits, and its account in the ledger."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ecollm_lab.models.cloud.answers import Answer
from ecollm_lab.models.cloud.attempts import AttemptEnd, Failed
from ecollm_lab.models.cloud.reservations import Reservations
from ecollm_lab.models.replies import DEATHS, Account, CallFailed, CallState, PromptUnfit, Reply
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


class Call:
    """One call on its way: its attempts, waits and charges, and whether it can be withdrawn."""

    def __init__(
        self, prompt: Prompt | str, account: Account | None, reservations: Reservations
    ) -> None:
        self.prompt, self.account = prompt, account
        self._reservations = reservations
        self.attempts = self.charged = self.deaths = 0
        self.queue_s = self.retry_s = 0.0
        self.sent: list[float] = []  # when each attempt was, by time.monotonic
        self.sending = self.withdrawn = False
        self.task: asyncio.Task[None] | None = None

    async def reserve(self) -> int:
        """Journal an attempt at its highest price; return its number, 0 without an account.

        Wait while attempts in flight alone take the room of the budget.
        """
        if self.account is None:
            return 0
        while True:
            usd = self._reservations.usd(self.prompt)
            number = await asyncio.wrap_future(self.account.reserve(usd))
            if number:
                return number
            if self.withdrawn:
                raise asyncio.CancelledError
            await asyncio.sleep(0.05)

    def learn(self, done: Answer | Failed) -> None:
        """Take in how an attempt ended: what it was billed, and whether it ended the server."""
        tokens = done.tokens
        if isinstance(done, Failed):
            self.charged += done.charged
            self.deaths += done.died
            if self.deaths >= DEATHS:
                done.retry, done.state = False, CallState.QUARANTINED
        if tokens and (notice := self._reservations.learn(self.prompt, tokens)) and self.account:
            self.account.notice(notice)

    def settle(self, number: int, done: Reply | Failed) -> asyncio.Future[None] | None:
        """Journal what an attempt was billed: by its usage, else at the reserved price."""
        if self.account is None:
            return None
        model = self._reservations.model
        if isinstance(done, Reply):
            usd = model.cost_usd(0.0, done.tokens_in, done.tokens_out)
            return asyncio.wrap_future(self.account.settle(number, usd, "", done))
        paid = None if done.billed is None else model.cost_usd(0.0, *done.billed)
        return asyncio.wrap_future(self.account.settle(number, paid, done.why, None))

    def failed(self, failed: Failed) -> CallFailed:
        """Return the error of a call whose last attempt failed."""
        kind = PromptUnfit if failed.end == AttemptEnd.UNUSED else CallFailed
        error = kind(
            str(failed),
            attempts=self.attempts,
            state=failed.state,
            parameter=failed.parameter,
            mend=failed.mend,
            answered=failed.end == AttemptEnd.OK,
            rejected=failed.end == AttemptEnd.REFUSED and not failed.fatal,
            why=failed.why,
        )
        error.billed = failed.billed
        return error
