"""What a server counts, in the format that Prometheus reads."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ecollm_lab.serving.results import Answer, Refused
from ecollm_lab.serving.runtime import Runtime

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters of one server."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.registry = registry = CollectorRegistry()
        self._answers = Counter(
            "ecollm_answers", "Answers by path.", ["path", "kept"], registry=registry
        )
        self._refusals = Counter(
            "ecollm_refusals", "Refused questions by reason.", ["reason"], registry=registry
        )
        self._attempts = Counter(
            "ecollm_attempts", "Attempts by how they ended.", ["ended"], registry=registry
        )
        self._cost = Counter(
            "ecollm_cost_usd", "What answers cost in US dollars.", registry=registry
        )
        self._seconds = Histogram(
            "ecollm_latency_seconds", "How long askers waited.", buckets=SECONDS, registry=registry
        )
        self.in_flight = Gauge(
            "ecollm_in_flight", "Questions that are being answered.", registry=registry
        )
        gauges = {
            "ecollm_violation_rate": "Share of answers under limits that broke one.",
            "ecollm_violation_bound": "The most that this share can be.",
            "ecollm_violation_price": "What a broken limit costs, in quality.",
        }
        self._gauges = {name: Gauge(name, text, registry=registry) for name, text in gauges.items()}
        self._open = Gauge(
            "ecollm_circuit_open",
            "1 where a model gets no questions because it failed.",
            ["model"],
            registry=registry,
        )

    def count(self, result: Answer | Refused) -> None:
        """Count a result."""
        for attempt in result.attempts:
            self._attempts.labels(attempt.ended.name.lower()).inc()
        self._cost.inc(result.cost_usd)
        if isinstance(result, Answer):
            self._answers.labels(result.path_id, str(result.kept).lower()).inc()
            self._seconds.observe(result.latency_s)
        else:
            self._refusals.labels(result.reason.name.lower()).inc()

    def text(self) -> bytes:
        """Return all counters as text."""
        adaptation = self._runtime.adaptation
        with self._runtime.learning:
            values = (adaptation.violation_rate, adaptation.bound, adaptation.price)
        for gauge, value in zip(self._gauges.values(), values, strict=True):
            gauge.set(value)
        for name, circuit in self._runtime.endpoints.circuits.items():
            self._open.labels(name).set(not circuit.usable(time.monotonic()))
        return generate_latest(self.registry)
