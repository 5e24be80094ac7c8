"""A reply of status 200: a whole answer with its usage, or a named failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.cloud.attempts import (
    AttemptEnd,
    Failed,
    failed_with_status,
    shown,
    status_of,
    words,
)
from ecollm_lab.models.cloud.mends import Mend
from ecollm_lab.models.cloud.secrets import redact
from ecollm_lab.models.replies import CallState, storable, without_thoughts

MOST_TOKENS = 10**8  # a larger count is no count
# Endpoints name the end of an answer in their own way; None is what many local servers send.
_STOPPED = {None, "", "stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete"}
_CUT = {"length", "max_tokens", "max_output_tokens", "model_length"}
_FILTERED = {"content_filter", "safety", "recitation", "prohibited_content", "blocklist", "refusal"}
_TOOLS = {"tool_calls", "tool_use", "function_call"}


@dataclass(frozen=True, slots=True)
class Answer:
    """The text of a reply, the tokens it is billed for, and whether it ended or was cut."""

    text: str
    tokens_in: int
    tokens_out: int
    finish_reason: str

    @property
    def tokens(self) -> tuple[int, int]:
        """The tokens read and written."""
        return self.tokens_in, self.tokens_out


def read_answer(model: Model, raw: Any, limit: int) -> Answer | Failed:
    """Read a reply to a request whose answer was limited to so many tokens."""
    answer = _read(model, raw, limit)
    if isinstance(answer, Failed) and model.priced_by_tokens and answer.tokens:
        # No request reads nothing: such a usage does not say what was billed.
        answer.tokens = answer.tokens if answer.tokens[0] else None
    return answer


def _read(model: Model, raw: Any, limit: int) -> Answer | Failed:
    if not isinstance(raw, openai.types.chat.ChatCompletion):
        kind, text = type(raw).__name__, shown(model, raw)
        why = f"the endpoint did not send a completion; got {kind} {text}"
        return Failed(model.name, why, mend=Mend.PROTOCOL.of(model))
    tokens = _tokens(raw.usage)
    if error := (raw.model_extra or {}).get("error"):
        return _error_object(model, error, tokens)
    if tokens is None:
        why = (
            f"the endpoint did not send a completion with its usage; got {shown(model, raw.usage)}"
        )
        return Failed(model.name, why, retry=False, mend=Mend.USAGE.of(model))
    if not raw.choices:
        return Failed(model.name, "the completion has no choices", tokens=tokens)
    try:  # the client builds its types from whatever it is sent, unchecked
        return _read_choice(model, raw.choices[0], tokens, limit)
    except (AttributeError, KeyError, TypeError):
        why = f"the completion's choice is malformed: {shown(model, raw.choices)}"
        return Failed(model.name, why, tokens=tokens)


def _tokens(usage: Any) -> tuple[int, int] | None:
    """Return the tokens read and written, thoughts included; None where they are not credible.

    Some endpoints count thoughts in `completion_tokens`, others only in the total, or only in the
    details.
    """
    read = _count(getattr(usage, "prompt_tokens", None))
    wrote = _count(getattr(usage, "completion_tokens", None))
    if read is None or wrote is None:
        return None
    details = getattr(usage, "completion_tokens_details", None)
    thought = _count(getattr(details, "reasoning_tokens", None)) or 0
    total = _count(getattr(usage, "total_tokens", None)) or 0
    return read, max(wrote, total - read, wrote + thought if thought > wrote else 0)


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MOST_TOKENS else None


def _error_object(model: Model, error: Any, tokens: tuple[int, int] | None) -> Failed:
    """Return the failure that an error inside a reply of status 200 stands for."""
    said = words(model, error)
    body = error if isinstance(error, Mapping) else {}
    what = f"an error with status 200: {said}"
    failed = failed_with_status(model, status_of(body), body, what)
    failed.charged, failed.tokens = True, tokens  # it was answered, and may have been billed
    return failed


def _read_choice(model: Model, choice: Any, tokens: tuple[int, int], limit: int) -> Answer | Failed:
    message, ended = choice.message, choice.finish_reason
    reason = ended.lower() if isinstance(ended, str) else ended
    text = _text(message.content)
    refusal = getattr(message, "refusal", None)
    if reason in _FILTERED or refusal:
        said = f"the model refused to answer: {shown(model, refusal)}"
        said = said if refusal else "its content filter withheld the answer"
        return _in_vain(model, said, tokens, CallState.REFUSED)
    if reason in _TOOLS or (getattr(message, "tool_calls", None) and not text):
        return _in_vain(model, "it asked for a tool instead of answering", tokens)
    if reason not in _STOPPED | _CUT:
        why = f"the answer ended with finish_reason {shown(model, ended)}, which is no whole answer"
        return Failed(model.name, why, tokens=tokens)
    cut = reason in _CUT or (reason in (None, "") and tokens[1] >= limit)
    answer = without_thoughts(text or "")
    if not answer:
        return _empty(model, message, tokens, limit if answer is None or cut else 0)
    if model.priced_by_tokens and 0 in tokens:
        return _in_vain(model, f"it reports {tokens[0]} / {tokens[1]} tokens as usage", None)
    clean = storable(redact(model, answer)).strip()
    return Answer(clean, *tokens, "length" if cut else "stop")


def _empty(model: Model, message: Any, tokens: tuple[int, int], limit: int) -> Failed:
    """Return the failure of a reply without an answer; `limit` is 0 where it was not reached."""
    thoughts = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    if not limit and not thoughts:
        why = f"the answer is empty: content {shown(model, message.content)}"
        return _in_vain(model, why, tokens)
    why, mend = "it thought and gave no answer; ", Mend.THOUGHTS_ALONE
    if limit:
        why = f"{limit} tokens went into thinking before an answer began; raise {model.tokens_key}"
        why, mend = f"{why} of [models.{model.name}], or ", Mend.THINKING
    failed = _in_vain(model, f"{why}turn thinking off in its extra_body", tokens)
    failed.mend = mend.of(model)
    return failed


def _text(content: Any) -> str | None:
    """Return the text of a message: a string, or the text parts of a list; None without any."""
    if isinstance(content, str) or content is None:
        return content
    parts = [part if isinstance(part, Mapping) else vars(part) for part in content]
    texts = [part["text"] for part in parts if part.get("type") in ("text", "output_text")]
    return "".join(texts) if texts else None


def _in_vain(
    model: Model, why: str, tokens: tuple[int, int] | None, state: CallState = CallState.FAILED
) -> Failed:
    """Return the failure of a reply that was billed, and would be the same another time.

    The endpoint is well: it answered.
    """
    return Failed(model.name, why, end=AttemptEnd.OK, retry=False, tokens=tokens, state=state)
