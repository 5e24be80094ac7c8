"""Runs paths on a query; paths that share a prefix share its work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ecollm_lab.catalog import Catalog
from ecollm_lab.domains import Domain
from ecollm_lab.embed import Encoder
from ecollm_lab.grading import make_grader
from ecollm_lab.judging import Models
from ecollm_lab.models import ModelPool, Reply
from ecollm_lab.records import Component, LabError, Outcome, Path, Query
from ecollm_lab.stages.prompt import build_prompt
from ecollm_lab.stages.refine import Refiner
from ecollm_lab.stages.retrieve import Retriever
from ecollm_lab.stages.rewrite import rewrite

Memo = dict[tuple[object, ...], tuple[Any, float]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query on a path up to its prompt, and the seconds that rewrite, retrieve and refine took."""

    query: Query
    path: Path
    prompt: str
    stage_latency_s: tuple[float, float, float]


class Pipeline:
    """The four stages over one domain.

    `executions` counts the stage executions that really ran, `requests` those that a run without sharing would have made.
    """

    def __init__(self, domain: Domain, catalog: Catalog, encoder: Encoder, models: ModelPool) -> None:
        self.domain, self.catalog, self.models = domain, catalog, models
        self._retriever = Retriever(domain.passages, encoder)
        self._refiner = Refiner(domain.passages, encoder)
        self._encoder = encoder
        self.grade_through(models)
        self.executions: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        rewrite(Component("rewrite", "keywords"), "warm up")  # imports and buffers of a first call belong to no outcome
        self._retriever.find(Component("retrieve", "hybrid", 1), "warm up")

    def grade_through(self, models: Models) -> None:
        """Let a judge, if the domain has one, be asked through `models`: a sweep's, whose calls are journalled and kept."""
        judge = self.domain.grading.judge_model
        if judge and self.catalog[judge].placement == "edge":
            raise LabError(f"judge_model {judge!r} runs on the edge device, where it would blur every latency. Name a cloud model.")
        self._grade = make_grader(self.domain.grading, self._encoder, models)

    def run(self, query: Query, paths: Iterable[Path]) -> Iterator[Outcome]:
        """Yield the outcome of a query on each path.

        A stage runs once per distinct input: outcomes of paths that share it carry its one measured latency. The cost adds
        the edge device's time for every stage before generation to the price of the generation.

        Raises
        ------
        LabError
            If a component is unknown or a model fails; names the query and the path.

        """
        memo: Memo = {}
        for path in paths:
            try:
                prepared = self.prepare(query, path, memo)
                ask = partial(self.models[path.model].reply, prepared.prompt)
                reply, _ = self._once(memo, "generate", (path.model, prepared.prompt), ask)
                yield self.finish(prepared, reply)
            except LabError as error:
                raise LabError(f"Query {query.id} on path {path.id}: {error}") from error

    def prepare(self, query: Query, path: Path, memo: Memo) -> Prepared:
        """Run the stages before generation; `memo` holds what other paths of the same query have run already."""
        rewriter, retriever, refiner, _ = path.components
        text, t_rewrite = self._once(memo, "rewrite", (rewriter,), lambda: rewrite(rewriter, query.text))
        found, t_retrieve = self._once(memo, "retrieve", (retriever, text), lambda: self._retriever.find(retriever, text))
        read, t_refine = self._once(memo, "refine", (refiner, found), lambda: self._refiner.refine(refiner, query.text, found))
        return Prepared(query, path, build_prompt(read, query.text), (t_rewrite, t_retrieve, t_refine))

    def finish(self, prepared: Prepared, reply: Reply) -> Outcome:
        """Grade a reply and add up what the path cost and took."""
        before, model = sum(prepared.stage_latency_s), self.catalog[prepared.path.model]
        cost = before * self.catalog.edge_price_usd_per_hour / 3600
        return Outcome(
            query_id=prepared.query.id,
            path_id=prepared.path.id,
            quality=self._grade(prepared.query, reply.text),
            cost_usd=cost + model.cost_usd(reply.latency_s, reply.tokens_in, reply.tokens_out),
            latency_s=before + reply.latency_s + model.network_delay_s,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            answer=reply.text,
            stage_latency_s=(*prepared.stage_latency_s, reply.latency_s),
            queue_s=reply.queue_s,
            retry_s=reply.retry_s,
            repeats=reply.repeats,
            latency_spread_s=reply.spread_s,
            truncated=reply.finish_reason == "length",
        )

    def _once(self, memo: Memo, stage: str, key: tuple[object, ...], work: Callable[[], Any]) -> tuple[Any, float]:
        self.requests[stage] += 1
        if (stage, *key) not in memo:
            self.executions[stage] += 1
            started = time.perf_counter()
            value = work()
            memo[(stage, *key)] = (value, time.perf_counter() - started)
        return memo[(stage, *key)]
