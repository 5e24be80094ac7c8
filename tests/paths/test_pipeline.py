import dataclasses
import time

import pytest

from ecollm_lab.models import Catalog, Model
from ecollm_lab.paths import PathSpace, Pipeline, read_path
from ecollm_lab.paths.stages import build_prompt
from ecollm_lab.records import Component, LabError, Prompt
from tests.support.scripted_model import ScriptedModel


def model(name, placement):
    return Model(
        name=name,
        placement=placement,
        remote_name=name,
        context=512,
        price_usd_per_hour=0.36,
        price_in_usd_per_mtok=1.0,
        price_out_usd_per_mtok=4.0,
        network_delay_s=0.5 if placement == "cloud" else 0.0,
    )


CATALOG = Catalog(
    {"s": model("s", "edge"), "c": model("c", "cloud")}, 0.36, "2026-01-01", "test", "x"
)


PLAIN = {"instruct": [Component("instruct", "plain")]}


class Echo(ScriptedModel):
    """Answers with its own prompt, so that an answer states what was read."""

    def reply(self, prompt):
        asked = Prompt.of(prompt).user
        self.answers[asked] = asked
        return super().reply(prompt)


@pytest.fixture
def models():
    return {"s": Echo({}), "c": Echo({})}


def test_outcomes_carry_quality_tokens_latency_and_cost(domain, encoder, models):
    paths = PathSpace.over(["s", "c"]).select(
        ["none/bm25-1/none/plain/s", "none/bm25-1/none/plain/c", "none/none/none/plain/s"]
    )
    outcomes = {
        o.path_id: o
        for o in Pipeline(domain, CATALOG, encoder, models).run(domain.queries[0], paths)
    }
    edge, cloud, blind = (
        outcomes[i]
        for i in ("none/bm25-1/none/plain/s", "none/bm25-1/none/plain/c", "none/none/none/plain/s")
    )
    assert (edge.quality, cloud.quality, blind.quality) == (1.0, 1.0, 0.0)
    assert edge.answer == build_prompt((domain.passages[0].text,), domain.queries[0].text)
    before = sum(edge.stage_latency_s[:4])
    assert edge.latency_s == pytest.approx(before + 0.001)
    assert cloud.latency_s == pytest.approx(before + 0.001 + 0.5)  # the declared network delay
    assert edge.cost_usd == pytest.approx((before + 0.001) * 0.36 / 3600)
    assert cloud.cost_usd == pytest.approx(
        before * 0.36 / 3600 + (cloud.tokens_in * 1.0 + cloud.tokens_out * 4.0) / 1e6
    )


def test_paths_that_share_a_prefix_share_its_work(domain, encoder, models):
    space = PathSpace.over(["s", "c"], choices=PLAIN)
    pipeline = Pipeline(domain, CATALOG, encoder, models)
    list(pipeline.run(domain.queries[0], space))
    assert pipeline.requests["retrieve"] == len(space)
    assert pipeline.executions["rewrite"] == 2
    assert (
        pipeline.executions["retrieve"] == 1 + 3 + 2
    )  # none; three retrievers for the query, two for its keywords; k only cuts
    assert models["s"].calls == len(models["s"].answers)  # one call per distinct prompt
    list(pipeline.run(domain.queries[1], space))
    assert pipeline.executions["rewrite"] == 4  # nothing leaks from one query to the next


def test_a_failing_model_is_reported_with_query_and_path(domain, encoder):
    pipeline = Pipeline(domain, CATALOG, encoder, {"s": ScriptedModel({})})
    paths = PathSpace.over(["s"]).select(["none/none/none/plain/s"])
    with pytest.raises(
        LabError, match="Query q1 on path none/none/none/plain/s: The scripted model has no answer"
    ):
        list(pipeline.run(domain.queries[0], paths))


def test_hyde_searches_for_what_the_rewriting_model_made_up_and_pays_the_edge_for_it(
    domain, encoder, models
):
    question = domain.queries[0].text
    write = ScriptedModel(
        {
            f"Write the sentence that would answer.\nQuestion: {question}": (
                "wake-up alarm for Mia " * 9
            )
        }
    )
    catalog = dataclasses.replace(
        CATALOG, models={**CATALOG.models, "h": model("h", "edge")}, hyde_model="h"
    )
    pipeline = Pipeline(domain, catalog, encoder, models | {"h": write})
    paths = PathSpace.of(catalog).select(
        ["none/dense-1/none/plain/c", "hyde/dense-1/none/plain/c", "hyde/hybrid-1/none/plain/c"]
    )
    plain, dense, hybrid = pipeline.run(domain.queries[0], paths)
    assert plain.answer == build_prompt((domain.passages[0].text,), question)
    assert (
        dense.answer == hybrid.answer == build_prompt((domain.passages[2].text,), question)
    )  # its words led there; they are not read
    assert write.calls == 1
    assert dense.stage_latency_s[0] == hybrid.stage_latency_s[0] == 0.001  # the call's own time
    assert dense.latency_s == pytest.approx(sum(dense.stage_latency_s) + 0.5)
    assert dense.cost_usd == pytest.approx(
        sum(dense.stage_latency_s[:4]) * 0.36 / 3600
        + (dense.tokens_in + 4.0 * dense.tokens_out) / 1e6
    )
    assert pipeline.executions["rewrite"] == 2


def test_hyde_without_a_model_says_what_to_add(domain, encoder, models):
    with pytest.raises(
        LabError, match=r"Query q1 on path hyde/dense-1/none/plain/s: .*hyde_model = \"NAME\""
    ):
        list(
            Pipeline(domain, CATALOG, encoder, models).run(
                domain.queries[0], [read_path("hyde/dense-1/none/plain/s")]
            )
        )


def test_a_text_is_embedded_once_a_query_and_is_in_the_latency_of_each_path_once(
    domain, encoder, models, monkeypatch
):
    pipeline = Pipeline(domain, CATALOG, encoder, models)
    paths = PathSpace.over(["s"], choices=PLAIN)
    list(pipeline.run(domain.queries[1], paths))  # a first call of a component is not measured
    once, before, nap = encoder.encode, encoder.texts, 0.2

    def slow(texts):
        time.sleep(nap)
        return once(texts)

    monkeypatch.setattr(encoder, "encode", slow)
    needs = {  # by path: does retrieval embed, does refinement
        "none/bm25-3/none/plain/s": (False, False),
        "none/bm25-3/extract-3/plain/s": (False, True),
        "none/dense-3/extract-3/plain/s": (True, False),  # the query again, which is embedded
        "none/hybrid-1/none/plain/s": (True, False),
        "keywords/hybrid-3/extract-3/plain/s": (True, True),  # the keywords first, the query then
    }
    outcomes = pipeline.run(domain.queries[0], paths.select(needs))
    found = {
        o.path_id: tuple(seconds >= nap for seconds in o.stage_latency_s[1:3]) for o in outcomes
    }
    assert found == needs
    assert encoder.texts == before + 2  # the query and its keywords
