"""Spans of OpenTelemetry by its conventions for generative AI, where its API is installed.

Each answer is a span, and each call of a model a span within it. They hold numbers and names, never
what was asked or answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ecollm_lab.models import Model, Reply
from ecollm_lab.serving.results import Answer, Ended, Refused
from ecollm_lab.traces.path_ids import model_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanKind, Tracer

ANY_PATH = "ecollm"  # the name of the model that stands for all paths


@cache
def _tracer() -> Tracer | None:
    """Return what makes spans, once; None where OpenTelemetry is not installed."""
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace.get_tracer("ecollm_lab")


@contextmanager
def _span(
    tracer: Tracer, model: str, kind: SpanKind, attributes: Mapping[str, Any]
) -> Iterator[Span]:
    """Yield a span; of what is raised it holds the type alone, as messages may quote a prompt."""
    about = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model, **attributes}
    with tracer.start_as_current_span(
        f"chat {model}",
        kind=kind,
        attributes=about,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Exception as error:
            _fail(span, type(error).__name__)
            raise


def _fail(span: Span, kind: str) -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", kind)


@contextmanager
def call_span(model: Model, max_tokens: int) -> Iterator[Span | None]:
    """Yield the span of one call of a model; None without OpenTelemetry."""
    tracer = _tracer()
    if tracer is None:
        yield None
        return
    from opentelemetry.trace import SpanKind

    attributes: dict[str, Any] = {"gen_ai.request.max_tokens": max_tokens}
    if model.base_url is None:
        attributes["gen_ai.provider.name"] = "llama.cpp"
    else:
        place = urlsplit(model.base_url)
        host = place.hostname or ""
        openai = host == "openai.com" or host.endswith(".openai.com")
        attributes |= {"gen_ai.provider.name": "openai" if openai else host, "server.address": host}
        if place.port is not None:
            attributes["server.port"] = place.port
    with _span(tracer, model.remote_name, SpanKind.CLIENT, attributes) as span:
        yield span


def note_call(span: Span | None, reply: Reply | Ended) -> None:
    """Note in its span how a call ended."""
    if span is None:
        return
    if isinstance(reply, Ended):
        _fail(span, reply.name.lower())
        return
    span.set_attributes(
        {
            "gen_ai.usage.input_tokens": reply.tokens_in,
            "gen_ai.usage.output_tokens": reply.tokens_out,
            "gen_ai.response.finish_reasons": [reply.finish_reason],
        }
    )


@contextmanager
def answer_span(path_id: str | None) -> Iterator[Span | None]:
    """Yield the span of a question, asked of one path or of all; None without OpenTelemetry."""
    tracer = _tracer()
    if tracer is None:
        yield None
        return
    from opentelemetry.trace import SpanKind

    provider = {"gen_ai.provider.name": "ecollm_lab"}
    with _span(tracer, path_id or ANY_PATH, SpanKind.INTERNAL, provider) as span:
        yield span


def note_answer(span: Span | None, result: Answer | Refused) -> None:
    """Note in its span what a question came to: what was expected and what happened."""
    if span is None:
        return
    attributes: dict[str, Any] = {
        "ecollm.attempts": len(result.attempts),
        "ecollm.cost_usd": result.cost_usd,
    }
    if isinstance(result, Refused):
        _fail(span, result.reason.name.lower())
    else:
        attributes |= {
            "gen_ai.response.model": model_of(result.path_id),
            "gen_ai.usage.input_tokens": result.tokens_in,
            "gen_ai.usage.output_tokens": result.tokens_out,
            "gen_ai.response.finish_reasons": ["length" if result.truncated else "stop"],
            "ecollm.path_id": result.path_id,
            "ecollm.kept": result.kept,
            "ecollm.bound": list(result.bound),
            "ecollm.predicted.quality": result.expected.quality,
            "ecollm.predicted.cost_usd": result.expected.cost_usd,
            "ecollm.predicted.latency_s": result.expected.latency_s,
        }
    span.set_attributes(attributes)
