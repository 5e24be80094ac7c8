"""Runs paths on a query; paths that share a prefix share its work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ecollm_lab.catalog import Catalog
from ecollm_lab.domains import Domain
from ecollm_lab.embed import Encoder
from ecollm_lab.grading import make_grader
from ecollm_lab.models import ModelPool, Reply
from ecollm_lab.records import Component, LabError, Outcome, Path, Query
from ecollm_lab.stages.prompt import build_prompt
from ecollm_lab.stages.refine import Refiner
from ecollm_lab.stages.retrieve import Retriever
from ecollm_lab.stages.rewrite import rewrite


class Pipeline:
    """The four stages over one domain.

    `executions` counts the stage executions that really ran, `requests` those that a run without sharing would have made.
    """

    def __init__(self, domain: Domain, catalog: Catalog, encoder: Encoder, models: ModelPool) -> None:
        self.domain, self.catalog = domain, catalog
        self._models = models
        self._retriever = Retriever(domain.passages, encoder)
        self._refiner = Refiner(domain.passages, encoder)
        self._grade = make_grader(domain.grading, encoder, models)
        self.executions: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        rewrite(Component("rewrite", "keywords"), "warm up")  # imports and buffers of a first call belong to no outcome
        self._retriever.find(Component("retrieve", "hybrid", 1), "warm up")

    def run(self, query: Query, paths: Iterable[Path]) -> Iterator[Outcome]:
        """Yield the outcome of a query on each path.

        A stage runs once per distinct input: outcomes of paths that share it carry its one measured latency. The cost adds
        the edge device's time for every stage before generation to the price of the generation.

        Raises
        ------
        LabError
            If a component is unknown or a model fails; names the query and the path.

        """
        memo: dict[tuple[object, ...], tuple[Any, float]] = {}
        for path in paths:
            try:
                yield self._run(query, path, memo)
            except LabError as error:
                raise LabError(f"Query {query.id} on path {path.id}: {error}") from error

    def _run(self, query: Query, path: Path, memo: dict[tuple[object, ...], tuple[Any, float]]) -> Outcome:
        def once(stage: str, key: tuple[object, ...], work: Callable[[], Any]) -> tuple[Any, float]:
            self.requests[stage] += 1
            if (stage, *key) not in memo:
                self.executions[stage] += 1
                started = time.perf_counter()
                value = work()
                memo[(stage, *key)] = (value, time.perf_counter() - started)
            return memo[(stage, *key)]

        rewriter, retriever, refiner, generator = path.components
        text, t_rewrite = once("rewrite", (rewriter,), lambda: rewrite(rewriter, query.text))
        found, t_retrieve = once("retrieve", (retriever, text), lambda: self._retriever.find(retriever, text))
        read, t_refine = once("refine", (refiner, found), lambda: self._refiner.refine(refiner, query.text, found))
        prompt = build_prompt(read, query.text)
        reply: Reply
        reply, _ = once("generate", (generator, prompt), lambda: self._models[generator.name].reply(prompt))
        before = t_rewrite + t_retrieve + t_refine
        model = self.catalog[generator.name]
        cost = before * self.catalog.edge_price_usd_per_hour / 3600
        return Outcome(
            query_id=query.id,
            path_id=path.id,
            quality=self._grade(query, reply.text),
            cost_usd=cost + model.cost_usd(reply.latency_s, reply.tokens_in, reply.tokens_out),
            latency_s=before + reply.latency_s + model.network_delay_s,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            answer=reply.text,
            stage_latency_s=(t_rewrite, t_retrieve, t_refine, reply.latency_s),
        )
