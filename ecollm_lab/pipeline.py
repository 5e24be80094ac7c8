"""Runs paths on a query; paths that share a prefix share its work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecollm_lab.catalog import Catalog
from ecollm_lab.domains import Domain
from ecollm_lab.embed import Encoder
from ecollm_lab.grading import make_grader
from ecollm_lab.judging import Models
from ecollm_lab.models import CallFailed, ModelPool, Reply
from ecollm_lab.records import Component, LabError, Outcome, Path, Query
from ecollm_lab.space import NO_HYDE
from ecollm_lab.stages.prompt import build_prompt
from ecollm_lab.stages.refine import Refiner
from ecollm_lab.stages.retrieve import Embed, Retriever
from ecollm_lab.stages.rewrite import build_hyde_prompt, rewrite

Memo = dict[tuple[object, ...], tuple[Any, float]]  # of one query: what a stage gave for an input, and the seconds it took


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
        self.ask_through(models)
        self.executions: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        rewrite(Component("rewrite", "keywords"), "warm up")  # imports and buffers of a first call belong to no outcome
        self._retriever.rank("hybrid", "warm up", lambda text: encoder.encode([text])[0])

    def ask_through(self, models: Models) -> None:
        """Let the judge, if the domain has one, and the model that rewrites be asked through `models`: a sweep's, whose calls are kept."""
        self._asked = models
        judge = self.domain.grading.judge_model
        if judge and self.catalog[judge].placement == "edge":
            raise LabError(f"judge_model {judge!r} runs on the edge device, where it would blur every latency. Name a cloud model.")
        self._grade = make_grader(self.domain.grading, self._encoder, models)

    def run(self, query: Query, paths: Iterable[Path]) -> Iterator[Outcome]:
        """Yield the outcome of a query on each path.

        A stage runs once per distinct input: outcomes of paths that share it carry its one measured latency. So does the embedding of a
        text, whose time is in the latency of every stage that needs it. The cost adds the edge device's time for every stage before
        generation, a call that rewrites included, to the price of the generation; tokens are those of the generation.

        Raises
        ------
        LabError
            If a component is unknown or a model fails; names the query and the path.

        """
        memo: Memo = {}
        for path in paths:
            try:
                prepared = self.prepare(query, path, memo)
                yield self.finish(prepared, self._generated(prepared, memo))
            except LabError as error:
                raise LabError(f"Query {query.id} on path {path.id}: {error}") from error

    def prepare(self, query: Query, path: Path, memo: Memo) -> Prepared:
        """Run the stages before generation; `memo` holds what other paths of the same query have run already."""
        rewriter, retriever, refiner, _ = path.components
        text, t_rewrite = self._rewritten(query, rewriter, memo)
        name, k = retriever.name, retriever.k
        ranking, t_retrieve = self._once(memo, "retrieve", (name, text), lambda embed: self._retriever.rank(name, text, embed))
        seen = ranking if refiner.name == "rerank" else ranking[:k]
        read, t_refine = self._once(
            memo, "refine", (refiner, k, seen), lambda embed: self._refiner.refine(refiner, query.text, seen, k, embed)
        )
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

    def _generated(self, prepared: Prepared, memo: Memo) -> Reply:
        model, prompt = prepared.path.model, prepared.prompt
        reply: Reply = self._once(memo, "generate", (model, prompt), lambda _: self.models[model].reply(prompt))[0]
        return reply

    def _rewritten(self, query: Query, rewriter: Component, memo: Memo) -> tuple[str, float]:
        """Return the search text and the seconds it took: of a model's call, those of the call, which may be one from the store."""
        if rewriter.name != "hyde":
            return self._once(memo, "rewrite", (rewriter,), lambda _: rewrite(rewriter, query.text))
        name = self.catalog.hyde_model
        if name is None:
            raise LabError(NO_HYDE)
        reply, _ = self._once(memo, "rewrite", (rewriter,), lambda _: self._asked[name].reply(build_hyde_prompt(query.text)))
        return rewrite(rewriter, query.text, reply.text), reply.latency_s

    def _once(self, memo: Memo, stage: str, key: tuple[object, ...], work: Callable[[Embed], Any]) -> tuple[Any, float]:
        self.requests[stage] += 1
        if (stage, *key) not in memo:
            self.executions[stage] += 1
            spared: list[float] = []
            started = time.perf_counter()
            try:
                value = work(lambda text: self._embed(text, memo, spared))
            except CallFailed as error:  # every path that needs this call fails with it: it is not tried again for each
                value = error
            memo[(stage, *key)] = (value, time.perf_counter() - started + sum(spared))
        value, took = memo[(stage, *key)]
        if isinstance(value, CallFailed):
            raise value
        return value, took

    def _embed(self, text: str, memo: Memo, spared: list[float]) -> np.ndarray:
        """Embed a text once per query; the seconds that another stage spent on it go into `spared`, for a request alone would need them."""
        key = ("embedding", text)
        if key in memo:
            spared.append(memo[key][1])
        else:
            started = time.perf_counter()
            vector = self._encoder.encode([text])[0]
            memo[key] = (vector, time.perf_counter() - started)
        return memo[key][0]
