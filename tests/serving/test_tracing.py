"""Spans by OpenTelemetry's conventions for generative AI, and none without it."""

import asyncio
import sys

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ecollm_lab.records import SLO
from ecollm_lab.serving import tracing
from ecollm_lab.serving.server import create_app
from tests.serving.conftest import CLOUD, EDGE

QUESTION = "how heavy is the Halo bulb?"


@pytest.fixture
def exporter(monkeypatch):
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    tracing._tracer.cache_clear()
    yield exporter
    tracing._tracer.cache_clear()


def test_an_answer_is_a_span_with_the_call_of_its_model_within(runtime, exporter):
    answer = runtime.answer(QUESTION, SLO(max_latency_s=3.0))
    call, whole = exporter.get_finished_spans()
    assert (call.name, whole.name) == ("chat big", "chat ecollm")
    assert (call.kind, whole.kind) == (SpanKind.CLIENT, SpanKind.INTERNAL)
    assert call.parent.span_id == whole.context.span_id
    assert dict(call.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "127.0.0.1",
        "gen_ai.request.model": "big",
        "gen_ai.request.max_tokens": 64,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.response.finish_reasons": ("stop",),
        "server.address": "127.0.0.1",
        "server.port": 9,
    }
    assert whole.attributes["ecollm.path_id"] == answer.path_id == CLOUD
    assert whole.attributes["gen_ai.response.model"] == "big"
    assert whole.attributes["ecollm.predicted.quality"] == 0.9
    assert whole.attributes["ecollm.kept"] is True


def test_a_failed_call_and_a_refusal_are_errors_without_the_words_of_the_question(
    runtime, exporter, big, small
):
    big.down = True
    runtime.answer(QUESTION, path_id=CLOUD)
    runtime.answer(QUESTION, SLO(max_latency_s=0.01))
    failed, refused, infeasible = exporter.get_finished_spans()
    assert (failed.name, refused.name) == ("chat big", f"chat {CLOUD}")
    assert failed.attributes["error.type"] == "CallFailed"
    assert refused.attributes["error.type"] == "endpoints"
    assert infeasible.attributes["error.type"] == "infeasible"
    for span in (failed, refused, infeasible):
        assert span.status.status_code is StatusCode.ERROR
        assert "Halo" not in span.to_json()


def test_a_served_answer_is_within_the_span_of_its_request(runtime, exporter):
    body = {"model": EDGE, "messages": [{"role": "user", "content": QUESTION}]}
    app = create_app(runtime)

    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            with trace.get_tracer("request").start_as_current_span("request"):
                return await client.post("/v1/chat/completions", json=body)

    assert asyncio.run(ask()).status_code == 200
    call, whole, request = exporter.get_finished_spans()
    assert whole.parent.span_id == request.context.span_id
    assert call.attributes["gen_ai.provider.name"] == "llama.cpp"
    assert whole.attributes["gen_ai.request.model"] == EDGE
    assert "Halo" not in whole.to_json()


def test_without_opentelemetry_questions_are_answered_all_the_same(runtime, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    tracing._tracer.cache_clear()
    assert runtime.answer(QUESTION).path_id == CLOUD
    assert tracing._tracer() is None
    tracing._tracer.cache_clear()
