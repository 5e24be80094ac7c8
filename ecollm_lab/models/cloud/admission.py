"""Admission to one endpoint: how many calls may be in flight, its pauses, whether it is alive."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.cloud.attempts import AttemptEnd
from ecollm_lab.models.replies import EndpointClosed

# Calls in flight at first and at most, where the catalog declares no max_in_flight.
START, MOST = 20.0, 256.0
# The limit's factors: once per burst of 429, and per round of as many answers as may be in flight.
SHRINK, GROW = 0.8, 1.05
# Straight failures that open the circuit, probes before an endpoint is given up, and their pause.
FAILURES, PROBES, PROBE_S = 5, 4, 30.0
REFUSALS = 5  # straight 400s that say the fault is not one prompt's
LONGEST_PAUSE_S = 60.0  # a longer Retry-After ends the sweep for this model instead of sleeping
MOST_CLOSED_S = 3600.0  # an endpoint of a server is asked again after that, whatever it asked for
BUSY = 20  # straight bursts of 429, each after a pause, after which the endpoint is given up
WINDOW_S = 60.0


@dataclass(slots=True)
class Ticket:
    """One admitted attempt.

    `episode` counts the cuts of the limit before it started, `tokens` and `at` are its entry in the
    window of the last minute; a `probe` finds out whether a failing endpoint is back.
    """

    episode: int
    tokens: int
    at: float
    probe: bool


class Admission:
    """Lets calls to one endpoint through, in order; used from one event loop.

    The limit of calls in flight adapts: it shrinks once per burst of 429 and grows with clean
    rounds, which 5xx and timeouts interrupt. A burst of 429 pauses all calls, for as long as its
    Retry-After says, else twice as long as the one before it; after twenty bursts without an answer
    the endpoint is closed. Five straight failures open the circuit: a probe after 2 s, then one
    every 30 s; after four in vain the endpoint is closed.
    """

    def __init__(
        self, model: Model, *, clock: Callable[[], float] = time.monotonic, probe_s: float = PROBE_S
    ) -> None:
        self.name = model.name
        # A file that this machine serves answers one call at a time: no latency holds a queue.
        declared = model.max_in_flight if model.file is None else 1
        self.limit = min(START, float(declared or START))
        self.in_flight = 0
        self.closed = ""
        self._most = float(declared or MOST)
        self._rpm, self._tpm = model.requests_per_minute, model.tokens_per_minute
        self._clock, self._probe_s = clock, probe_s
        self._clean = self._failures = self._refusals = self._probes = self._episode = 0
        self._busy = 0
        self._has_answered = False
        self.paused_until, self._probing = 0.0, False  # by the clock
        self._recent: deque[Ticket] = deque()
        self._waiting: deque[tuple[asyncio.Future[Ticket], int]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def holds_until(self) -> float:
        """By the clock, until when calls wait; 0 where they are turned away at once."""
        return 0.0 if self.closed else self.paused_until

    async def enter(self, tokens: int, *, again: bool = False) -> Ticket:
        """Wait for the turn of a call that reads and writes at most so many tokens.

        One that tries `again` goes first. Raises `EndpointClosed`.
        """
        if self.closed and self._clock() >= self.paused_until:
            self.closed = ""
        if self.closed:
            raise EndpointClosed(self.closed)
        future: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if again else self._waiting.append)((future, tokens))
        self.pump()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                self.leave(future.result(), AttemptEnd.UNUSED)
            raise

    def pump(self) -> None:
        """Let through as many as the limits allow; come back when time alone allows more."""
        if self._timer:
            self._timer.cancel()
        while self._waiting:
            future, tokens = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            wait = self._wait_s(tokens)
            if wait > 0:
                if wait < float("inf"):
                    self._timer = asyncio.get_running_loop().call_later(wait, self.pump)
                return
            self._waiting.popleft()
            self._probing = self._failures >= FAILURES
            self.in_flight += 1
            ticket = Ticket(self._episode, tokens, self._clock(), self._probing)
            if self._rpm or self._tpm:
                self._recent.append(ticket)
            future.set_result(ticket)

    def _wait_s(self, tokens: int) -> float:
        """Return the seconds until one more call may start; infinite if another must end first."""
        now = self._clock()
        # While none is answered well, no more are sent than may be in flight at once.
        bad = max(self._refusals, self._failures)
        unsure = min(bad, int(self.limit) - 1)
        if self.in_flight + unsure >= int(self.limit) or self._probing:
            return float("inf")
        wait = self.paused_until - now
        while self._recent and self._recent[0].at <= now - WINDOW_S:
            self._recent.popleft()
        full = self._rpm and len(self._recent) >= self._rpm
        used = sum(ticket.tokens for ticket in self._recent)
        if self._recent and (full or (self._tpm and used + tokens > self._tpm)):
            wait = max(wait, self._recent[0].at + WINDOW_S - now)
        return max(wait, 0.0)

    def leave(
        self,
        ticket: Ticket,
        how: AttemptEnd,
        *,
        pause_s: float = 0.0,
        tokens: int | None = None,
        why: str = "",
    ) -> None:
        """End an attempt; `tokens` is what it used in the end, `why` what the endpoint said."""
        self.in_flight -= 1
        ticket.tokens = ticket.tokens if tokens is None else tokens
        if ticket.probe or how == AttemptEnd.OK:
            self._probing = False
        if how == AttemptEnd.OK:
            self._answered()
        elif how == AttemptEnd.BUSY:
            own_s = self._turned_away(ticket, why)
            pause_s = pause_s or own_s
        elif how == AttemptEnd.DOWN:
            pause_s = max(pause_s, self._failed(ticket, why))
        elif how == AttemptEnd.REFUSED:
            self._refusals += 1
            # An endpoint that has answered takes such requests: some prompts are refused in a row.
            most = 4 * REFUSALS if self._has_answered else REFUSALS
            if self._refusals >= most and not self.closed:
                self.close(f"it refused {self._refusals} calls in a row as invalid; {why}")
        if pause_s > LONGEST_PAUSE_S:
            self.close(f"it asked for a pause of {pause_s:.0f} s", pause_s)
        elif pause_s:
            self.paused_until = max(self.paused_until, self._clock() + pause_s)
        self.pump()

    def _answered(self) -> None:
        self._failures = self._refusals = self._probes = self._busy = 0
        self._has_answered = True
        self._clean += 1
        if self._clean >= self.limit:
            self.limit, self._clean = min(self._most, self.limit * GROW), 0

    def _turned_away(self, ticket: Ticket, why: str) -> float:
        """Count a burst of 429; return the pause after it in seconds, where it asked for none."""
        self._clean = 0
        if ticket.episode != self._episode:  # calls sent before the cut say nothing about it
            return 0.0
        self.limit, self._episode = max(1.0, self.limit * SHRINK), self._episode + 1
        self._busy += 1
        if self._busy >= BUSY:
            self.close(f"it was busy {self._busy} times in a row, with a pause after each; {why}")
        return min(LONGEST_PAUSE_S, 2.0 ** min(self._busy - 4, 6))

    def _failed(self, ticket: Ticket, why: str) -> float:
        """Count a failure; return the pause in seconds before the next probe, 0 for none."""
        self._clean, self._failures = 0, self._failures + 1
        opens = self._failures == FAILURES
        if self._failures < FAILURES or not (ticket.probe or opens):
            return 0.0  # calls sent before the circuit opened are no probes
        self._probes += ticket.probe
        if self._probes >= PROBES:
            self.close(
                f"it failed {self._failures} times in a row and {PROBES} probes"
                f" {self._probe_s:g} s apart; {why}"
            )
        return self._probe_s if self._probes else self._probe_s / 15  # a short burst: a short wait

    def close(self, why: str, pause_s: float = float("inf")) -> None:
        """Turn away every call, those that wait included, for so many seconds."""
        self.closed = (
            f"Model {self.name!r} takes no more calls: {why}. Run the same command again once that"
            " is mended."
        )
        self.paused_until = self._clock() + pause_s
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(EndpointClosed(self.closed))


class Persistent(Admission):
    """Admission that never gives an endpoint up, for a server that outlives an outage.

    It starts with as many calls in flight as the catalog declares. Where another would close for
    good, calls are turned away for five seconds or the pause that is due, and where the endpoint
    asks for a long pause, for that time, at most an hour. Requests that the endpoint refuses are
    the fault of whoever asked, and change nothing for others.
    """

    def __init__(self, model: Model, *, probe_s: float = PROBE_S) -> None:
        super().__init__(model, probe_s=probe_s)
        if model.file is None:
            self.limit = float(model.max_in_flight or START)

    def leave(self, ticket: Ticket, how: AttemptEnd, **what: Any) -> None:
        """End an attempt; see `Admission.leave`."""
        super().leave(ticket, AttemptEnd.UNUSED if how == AttemptEnd.REFUSED else how, **what)

    def close(self, why: str, pause_s: float = float("inf")) -> None:
        """Turn away every call, for five seconds where no pause was asked for."""
        super().close(why, 5.0 if pause_s == float("inf") else min(pause_s, MOST_CLOSED_S))
