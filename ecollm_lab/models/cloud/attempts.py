"""What an attempt at an endpoint came to: a reply, or a named failure.

A failure says whether another attempt may help and whether the attempt may be billed.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any

import openai

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.cloud.secrets import redact
from ecollm_lab.models.replies import Reply

_NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_NOT_REACHED = {"ConnectError", "ConnectTimeout"}
_GIVEN_UP = {
    401: "it refused the key",
    402: "its quota is exhausted",
    403: "it refused the key",
    404: "it does not know the model or address",
}


class Failed(Exception):
    """An attempt without a usable reply.

    `how` is the word of `Admission` for it. `retry`: another attempt may help; `fatal`: no call to
    this model will. `charged`: it may have been billed, by the `tokens` it reported if it did.
    `pause_s`: seconds the endpoint asked to be left alone.
    """

    def __init__(
        self,
        model: str,
        why: str,
        *,
        how: str = "down",
        retry: bool = True,
        fatal: bool = False,
        charged: bool = True,
        tokens: tuple[int, int] | None = None,
        pause_s: float | None = None,
    ) -> None:
        super().__init__(
            f"Model {model!r}: the endpoint failed ({why}). Nothing was recorded for this outcome;"
            " run the same command again to go on."
        )
        self.why, self.how, self.retry, self.fatal, self.charged = why, how, retry, fatal, charged
        self.tokens, self.pause_s = tokens, pause_s

    @classmethod
    def of(cls, model: Model, error: Exception) -> Failed:
        """Name what a request raised; the key, should the endpoint echo it, is struck out."""
        name, said = model.name, " ".join(redact(model, str(error)).split())[:200]
        what = f"{type(error).__name__}: {said}"
        if isinstance(error, openai.APIStatusError):
            return cls._status(name, error, what)
        if isinstance(error, TimeoutError):
            return cls(name, f"no whole reply within {model.timeout_s:g} s")
        if isinstance(error, openai.APIConnectionError):
            return cls(name, what, charged=type(error.__cause__).__name__ not in _NOT_REACHED)
        return cls(name, f"the reply cannot be read, {what}")

    @classmethod
    def _status(cls, name: str, error: openai.APIStatusError, what: str) -> Failed:
        status, pause_s = error.status_code, retry_after_s(error.response.headers)
        if status in _GIVEN_UP or (status == 429 and ({error.code, error.type} & _NO_MONEY)):
            why = _GIVEN_UP.get(status, "its quota is exhausted")
            return cls(
                name, f"{why}; {what}", how="refused", retry=False, fatal=True, charged=False
            )
        if status == 429:
            return cls(name, what, how="busy", charged=False, pause_s=pause_s)
        if status in (408, 409) or status >= 500:
            return cls(name, what, charged=False, pause_s=pause_s)
        return cls(name, what, how="refused", retry=False, charged=False)


def retry_after_s(headers: Any) -> float | None:
    """Return the seconds of a Retry-After header, which holds seconds or a date; None without."""
    said = headers.get("retry-after")
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None


def judge(model: Model, raw: Any) -> Failed | None:
    """Return what is wrong with a reply of status 200; None for a whole answer with its usage."""
    if not isinstance(raw, openai.types.chat.ChatCompletion):
        return Failed(
            model.name,
            f"the endpoint did not send a completion; got {type(raw).__name__}"
            f" {_shown(model, raw)}",
        )
    usage = raw.usage
    read, wrote = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    if not isinstance(read, int) or not isinstance(wrote, int) or min(read, wrote) < 0:
        return Failed(
            model.name,
            f"the endpoint did not send a completion with its usage; got {_shown(model, usage)}",
        )
    tokens = (read, wrote)
    if not raw.choices:
        return Failed(model.name, "the completion has no choices", tokens=tokens)
    try:  # the client builds its types from whatever it is sent, unchecked
        return _judge_choice(model, raw.choices[0], tokens)
    except (AttributeError, KeyError):
        return Failed(
            model.name,
            f"the completion's choice is malformed: {_shown(model, raw.choices)}",
            tokens=tokens,
        )


def _shown(model: Model, value: object) -> str:
    """Quote the beginning of what an endpoint sent, its key struck out first."""
    return redact(model, repr(value))[:80]


def _judge_choice(model: Model, choice: Any, tokens: tuple[int, int]) -> Failed | None:
    ended, text = choice.finish_reason, choice.message and choice.message.content
    if ended == "content_filter":
        return Failed(
            model.name,
            "its content filter withheld the answer",
            how="refused",
            retry=False,
            tokens=tokens,
        )
    if ended not in ("stop", "length"):
        why = f"the answer ended with finish_reason {_shown(model, ended)}, not 'stop' or 'length'"
        return Failed(model.name, why, tokens=tokens)
    if not isinstance(text, str) or not text.strip():
        return Failed(
            model.name, f"the answer is empty: content {_shown(model, text)}", tokens=tokens
        )
    return None


def read(
    model: Model, raw: Any, latency_s: float, queue_s: float, retry_s: float, attempts: int
) -> Reply:
    """Turn a completion that passed `judge` into a reply, without the key if it was echoed."""
    choice, usage = raw.choices[0], raw.usage
    return Reply(
        redact(model, choice.message.content).strip(),
        usage.prompt_tokens,
        usage.completion_tokens,
        latency_s,
        choice.finish_reason,
        queue_s,
        retry_s,
        attempts,
    )
