"""Runs paths on a query; paths that share a prefix share its work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np

from ecollm_lab.domains import Domain, make_grader
from ecollm_lab.domains.judging import Models
from ecollm_lab.models import CallFailed, Catalog, Encoder, ModelPool, Reply
from ecollm_lab.models.replies import EndpointClosed
from ecollm_lab.paths.components import find, run_component
from ecollm_lab.paths.evidence import compute_evidence
from ecollm_lab.paths.sources import Embed, Indexes, Sources
from ecollm_lab.paths.space import NO_HYDE
from ecollm_lab.paths.stages.rewrite import HYDE, build_hyde_prompt, hyde
from ecollm_lab.records import Component, LabError, Outcome, Path, Prompt, Query

SEARCHING = ("retrieve", "refine")  # stages whose components get `Sources`


@dataclass(frozen=True, slots=True)
class _Done:
    """What a stage gave for an input, its seconds without embedding, and the texts it embedded."""

    value: Any
    seconds: float
    embedded: tuple[str, ...] = ()


# Of one query: what has run already, and the embedding of each text.
Memo = dict[tuple[object, ...], _Done]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query on a path up to its prompt, and the seconds of each stage before generation."""

    query: Query
    path: Path
    prompt: Prompt
    stage_latency_s: tuple[float, ...]


class Pipeline:
    """The stages over one domain.

    `executions` counts the stage executions that really ran, `requests` those that a run without
    sharing would have made.
    """

    def __init__(
        self, domain: Domain, catalog: Catalog, encoder: Encoder, models: ModelPool
    ) -> None:
        self.domain, self.catalog, self.models = domain, catalog, models
        self.encoder, self._indexes = encoder, Indexes(domain.passages, encoder)
        self._warm: set[tuple[str, str]] = set()
        self.ask_through(models)
        self.executions: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()

    def ask_through(self, models: Models) -> None:
        """Ask the judge and the model that rewrites through `models`, such as a sweep's calls."""
        self._asked = models
        judge = self.domain.grading.judge_model
        if judge and self.catalog[judge].placement == "edge":
            raise LabError(
                f"judge_model {judge!r} runs on the edge device, where it would blur every latency."
                " Name a cloud model."
            )
        self._grade = make_grader(self.domain.grading, self.encoder, models)

    def run(self, query: Query, paths: Iterable[Path]) -> Iterator[Outcome]:
        """Yield the outcome of a query on each path.

        A stage runs once per distinct input: outcomes of paths that share it carry its one measured
        latency. So does the embedding of a text: its time is in the latency of the first stage of
        each path that needs it, whichever path embedded it. The cost adds the edge device's time
        for every stage before generation, a call that rewrites included, to the price of the
        generation; tokens are those of the generation.

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

    def prepare(
        self, query: Query, path: Path, memo: Memo, models: Models | None = None
    ) -> Prepared:
        """Run the stages before generation; `memo` holds what earlier paths have run.

        The model that rewrites is asked through `models`, if given, and else as usual.
        """
        rewriter, retriever, refiner, instructor, _ = path.components
        question, k = query.text, retriever.k
        # A text that a stage of this path has embedded is not embedded again by a later one.
        embedded: set[str] = set()

        def once(component: Component, key: object, *given: object) -> tuple[Any, float]:
            self._warm_up(component, given)
            return self._once(
                memo,
                component.stage,
                (component.name, component.k if component is refiner else 0, key),
                lambda embed: self._run(component, embed, given),
                embedded,
            )

        if rewriter.name == HYDE:
            text, t_rewrite = self._made_up(question, memo, models or self._asked)
        else:
            text, t_rewrite = once(rewriter, None, question)
        ranking, t_retrieve = once(retriever, text, text)
        found = ranking if find(refiner).whole_ranking else ranking[:k]
        read, t_refine = once(refiner, (k, found), question, found, k, refiner.k)
        prompt, t_instruct = once(instructor, read, read, question)
        return Prepared(query, path, prompt, (t_rewrite, t_retrieve, t_refine, t_instruct))

    def evidence(self, queries: Sequence[Query]) -> list[dict[str, float | str]]:
        """Return what retrieval says of each query before a model answers; see `evidence`."""
        texts = [query.text for query in queries]
        embeddings = dict(zip(texts, self.encoder.encode(texts), strict=True))
        sources = Sources(self._indexes, embeddings.__getitem__)
        return [compute_evidence(sources, text) for text in texts]

    def answer(self, prepared: Prepared, reply: Reply) -> str:
        """Return the answer in a reply, which is graded: after reasoning, what follows it."""
        return prepared.prompt.answer(reply.text)

    def finish(self, prepared: Prepared, reply: Reply) -> Outcome:
        """Grade a reply and add up what the path cost and took.

        The quality of a query without facts or references, as a live question is, is NaN.
        """
        before, model = sum(prepared.stage_latency_s), self.catalog[prepared.path.model]
        answer = self.answer(prepared, reply)
        gradable = prepared.query.facts or prepared.query.references
        cost = before * self.catalog.edge_price_usd_per_hour / 3600
        return Outcome(
            query_id=prepared.query.id,
            path_id=prepared.path.id,
            quality=self._grade(prepared.query, answer) if gradable else float("nan"),
            cost_usd=cost + model.cost_usd(reply.latency_s, reply.tokens_in, reply.tokens_out),
            latency_s=before + reply.latency_s + model.network_delay_s,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            answer=answer,
            stage_latency_s=(*prepared.stage_latency_s, reply.latency_s),
            queue_s=reply.queue_s,
            retry_s=reply.retry_s,
            repeats=reply.repeats,
            latency_spread_s=reply.spread_s,
            truncated=reply.finish_reason == "length",
            logprob=nan if reply.logprob is None else reply.logprob,
        )

    def _generated(self, prepared: Prepared, memo: Memo) -> Reply:
        model, prompt = prepared.path.model, prepared.prompt
        reply: Reply = self._once(
            memo, "generate", (model, prompt), lambda _: self.models[model].reply(prompt)
        )[0]
        return reply

    def _made_up(self, question: str, memo: Memo, models: Models) -> tuple[str, float]:
        """Return the search text with a made-up answer, and the seconds that the call reports."""
        name = self.catalog.hyde_model
        if name is None:
            raise LabError(NO_HYDE)
        prompt = build_hyde_prompt(question)
        reply, _ = self._once(memo, "rewrite", (HYDE,), lambda _: models[name].reply(prompt))
        return hyde(question, reply.text), reply.latency_s

    def _run(self, component: Component, embed: Embed, given: tuple[object, ...]) -> Any:
        """Run a component on what its stage gives it."""
        sources = (Sources(self._indexes, embed),) if component.stage in SEARCHING else ()
        return run_component(find(component), (*sources, *given))

    def _warm_up(self, component: Component, given: tuple[object, ...]) -> None:
        """Run a component once unmeasured: imports and indexes of a first call are no latency."""
        if (component.stage, component.name) not in self._warm:
            self._warm.add((component.stage, component.name))
            self._run(component, lambda text: self.encoder.encode([text])[0], given)

    def _once(
        self,
        memo: Memo,
        stage: str,
        key: tuple[object, ...],
        work: Callable[[Embed], Any],
        embedded: set[str] | None = None,
    ) -> tuple[Any, float]:
        """Return what a stage gives and its seconds on a path that has `embedded` these texts.

        The texts that the stage embeds itself are added to `embedded`.
        """
        self.requests[stage] += 1
        if (stage, *key) not in memo:
            self.executions[stage] += 1
            memo[(stage, *key)] = self._execute(work, memo)
        done = memo[(stage, *key)]
        if isinstance(done.value, (CallFailed, EndpointClosed)):
            raise done.value
        before = set() if embedded is None else embedded
        new = [text for text in done.embedded if text not in before]
        before.update(new)
        return done.value, done.seconds + sum(memo["embedding", text].seconds for text in new)

    def _execute(self, work: Callable[[Embed], Any], memo: Memo) -> _Done:
        """Run a stage; each text is embedded once per query, and that time is measured apart."""
        texts: list[str] = []
        apart = 0.0

        def embed(text: str) -> np.ndarray:
            nonlocal apart
            began = time.perf_counter()
            if ("embedding", text) not in memo:
                vector = self.encoder.encode([text])[0]
                memo["embedding", text] = _Done(vector, time.perf_counter() - began)
            if text not in texts:
                texts.append(text)
            embedding: np.ndarray = memo["embedding", text].value
            apart += time.perf_counter() - began
            return embedding

        started = time.perf_counter()
        try:
            value = work(embed)
        except (CallFailed, EndpointClosed) as error:  # for each path that needs the call, untried
            value = error
        return _Done(value, time.perf_counter() - started - apart, tuple(texts))
