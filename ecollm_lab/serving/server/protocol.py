"""OpenAI's chat completions: what a request asks, and how an answer is written."""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecollm_lab.records import SLO, LabError
from ecollm_lab.serving.results import Answer
from ecollm_lab.serving.server.errors import Kind, Rejected

# Parameters that would change an answer in ways no path can; others, such as temperature, are
# ignored: answers are greedy.
UNSUPPORTED = (
    "audio",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "prediction",
    "response_format",
    "tool_choice",
    "tools",
    "top_logprobs",
    "web_search_options",
)
HARMLESS: tuple[Any, ...] = (None, False, [], {}, {"type": "text"}, "none", "auto")


class SLOFields(BaseModel):
    """An SLO in a request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    max_latency_s: float | None = None
    max_cost_usd: float | None = None
    min_quality: float | None = None
    prefer: Literal["quality", "cost", "latency"] = "quality"


class TextPart(BaseModel):
    """A part of a message; only texts are read."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        """The text of all parts."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """What a stream ends with."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """A request for a chat completion."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: int | None = 1
    slo: SLOFields | None = None

    @property
    def question(self) -> str:
        """The one question; a conversation of several messages is refused."""
        if len(self.messages) > 1 or self.messages[0].role != "user":
            raise Rejected(
                Kind.UNSUPPORTED,
                f"Send one message with the role 'user', not {len(self.messages)} with the roles"
                f" {', '.join(dict.fromkeys(one.role for one in self.messages))}: each question is"
                " answered by itself, as those were by which the forecasts were measured, with"
                " instructions that belong to the path. Write what earlier turns said into the"
                " question.",
                "messages",
            )
        return self.messages[0].text

    @property
    def most_tokens(self) -> int | None:
        """The most tokens of the answer."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        """The texts before which the answer ends."""
        return [self.stop] if isinstance(self.stop, str) else list(self.stop or [])


def read_request(body: bytes) -> ChatRequest:
    """Read a request; raise `Rejected` that names the field at fault."""
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or None
        text = f"{where}: {fault['msg']}." if where else f"{fault['msg']}."
        raise Rejected(Kind.INVALID, text, where) from None
    for name in UNSUPPORTED:
        if (request.model_extra or {}).get(name) not in HARMLESS:
            raise Rejected(Kind.UNSUPPORTED, f"{name} is not supported; leave it out.", name)
    if request.n not in (None, 1):
        raise Rejected(Kind.UNSUPPORTED, f"n must be 1, got {request.n}.", "n")
    return request


def read_slo(request: ChatRequest, headers: Mapping[str, str], usual: SLO) -> SLO:
    """Return the SLO of a request: its field `slo`, else its headers, else the usual one.

    The headers are X-SLO-Max-Latency-S, X-SLO-Max-Cost-USD, X-SLO-Min-Quality and X-SLO-Prefer.
    """
    numbers = ("max_latency_s", "max_cost_usd", "min_quality")
    try:
        if request.slo is not None:
            return SLO(**request.slo.model_dump())
        said = {name: headers.get(f"x-slo-{name.replace('_', '-')}") for name in numbers}
        prefer: Any = headers.get("x-slo-prefer")
        if prefer is None and not any(said.values()):
            return usual
        values = {name: float(value) for name, value in said.items() if value is not None}
        return SLO(**values, prefer=prefer or "quality")
    except (LabError, ValueError) as error:
        raise Rejected(Kind.INVALID, str(error), "slo") from None


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer as OpenAI's clients read it."""

    answer: Answer
    request: ChatRequest
    id: str
    created: int

    @classmethod
    def of(cls, answer: Answer, request: ChatRequest) -> Completion:
        """Give an answer an id and a time."""
        return cls(answer, request, f"chatcmpl-{uuid.uuid4().hex}", int(time.time()))

    @property
    def text(self) -> str:
        """The answer up to the first of the stop texts."""
        ends = [
            at for stop in self.request.stops if stop and (at := self.answer.text.find(stop)) >= 0
        ]
        return self.answer.text[: min(ends)] if ends else self.answer.text

    @property
    def finish_reason(self) -> Literal["stop", "length"]:
        """Why the answer ends: "length" if at its limit of tokens."""
        whole = self.text == self.answer.text
        return "length" if self.answer.truncated and whole else "stop"

    @property
    def usage(self) -> dict[str, int]:
        """The tokens of the generation."""
        read, wrote = self.answer.tokens_in, self.answer.tokens_out
        return {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}

    @property
    def details(self) -> dict[str, Any]:
        """What was chosen, expected and spent."""
        answer = self.answer
        return {
            "path_id": answer.path_id,
            "slo": asdict(answer.slo),
            "predicted": {name: _known(x) for name, x in asdict(answer.expected).items()},
            "actual": {
                "quality": answer.quality,
                "cost_usd": answer.cost_usd,
                "latency_s": answer.latency_s,
                "kept": answer.kept,
            },
            "bound": list(answer.bound),
            "attempts": [
                {"path_id": one.path_id, "ended": str(one.ended), "seconds": one.seconds}
                for one in answer.attempts
            ],
        }

    @property
    def headers(self) -> dict[str, str]:
        """The same in short."""
        answer, expected = self.answer, self.answer.expected
        values = {
            "path": answer.path_id,
            "predicted-quality": _short(expected.quality),
            "predicted-cost-usd": _short(expected.cost_usd),
            "predicted-latency-s": _short(expected.latency_s),
            "cost-usd": _short(answer.cost_usd),
            "latency-s": _short(answer.latency_s),
            "bound": ",".join(answer.bound),
        }
        told = {name: text for name, text in values.items() if text is not None and text.isascii()}
        return {f"x-ecollm-{name}": text for name, text in told.items()}

    def body(self) -> dict[str, Any]:
        """Return the whole completion."""
        message = {"role": "assistant", "content": self.text, "refusal": None}
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": self.finish_reason,
            "logprobs": None,
        }
        head = self._head("chat.completion")
        return {**head, "choices": [choice], "usage": self.usage, "ecollm": self.details}

    def events(self) -> Iterator[bytes]:
        """Yield the completion word by word, as server-sent events.

        The answer is whole before the first word is sent: only then is it known to keep its SLO.
        """
        yield self._event({"role": "assistant", "content": ""})
        for word in re.findall(r"\S+\s*|\s+", self.text):
            yield self._event({"content": word})
        yield self._event({}, self.finish_reason, ecollm=self.details)
        options = self.request.stream_options
        if options is not None and options.include_usage:
            head = self._head("chat.completion.chunk")
            yield _sent({**head, "choices": [], "usage": self.usage})
        yield b"data: [DONE]\n\n"

    def _event(self, delta: dict[str, str], ended: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": ended, "logprobs": None}
        return _sent({**self._head("chat.completion.chunk"), "choices": [choice], **more})

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.request.model,
        }


def _known(value: float) -> float | None:
    """Return a number, or None for what the trace does not record, as JSON has no NaN."""
    return value if math.isfinite(value) else None


def _short(value: float) -> str | None:
    return f"{value:.4g}" if math.isfinite(value) else None


def _sent(event: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(event, allow_nan=False)}\n\n".encode()
