import pytest

from ecollm_lab.catalog import Catalog, Model
from ecollm_lab.models import ScriptedModel
from ecollm_lab.pipeline import Pipeline
from ecollm_lab.records import LabError
from ecollm_lab.space import PathSpace
from ecollm_lab.stages.prompt import build_prompt


def model(name, placement):
    return Model(name, placement, None, None, None, name, None, 512, 1, 0.36, 1.0, 4.0, 0.5 if placement == "cloud" else 0.0)


CATALOG = Catalog({"s": model("s", "edge"), "c": model("c", "cloud")}, 0.36, "2026-01-01", "test", "x")


class Echo(ScriptedModel):
    """Answers with its own prompt, so that an answer states what was read."""

    def reply(self, prompt):
        self.answers[prompt] = prompt
        return super().reply(prompt)


@pytest.fixture
def models():
    return {"s": Echo({}), "c": Echo({})}


def test_outcomes_carry_quality_tokens_latency_and_cost(domain, encoder, models):
    paths = PathSpace.over(["s", "c"]).select(["none/bm25-1/none/s", "none/bm25-1/none/c", "none/none/none/s"])
    outcomes = {o.path_id: o for o in Pipeline(domain, CATALOG, encoder, models).run(domain.queries[0], paths)}
    edge, cloud, blind = (outcomes[i] for i in ("none/bm25-1/none/s", "none/bm25-1/none/c", "none/none/none/s"))
    assert (edge.quality, cloud.quality, blind.quality) == (1.0, 1.0, 0.0)
    assert edge.answer == build_prompt((domain.passages[0].text,), domain.queries[0].text)
    before = sum(edge.stage_latency_s[:3])
    assert edge.latency_s == pytest.approx(before + 0.001)
    assert cloud.latency_s == pytest.approx(before + 0.001 + 0.5)  # the declared network delay
    assert edge.cost_usd == pytest.approx((before + 0.001) * 0.36 / 3600)
    assert cloud.cost_usd == pytest.approx(before * 0.36 / 3600 + (cloud.tokens_in * 1.0 + cloud.tokens_out * 4.0) / 1e6)


def test_paths_that_share_a_prefix_share_its_work(domain, encoder, models):
    space = PathSpace.over(["s", "c"])
    pipeline = Pipeline(domain, CATALOG, encoder, models)
    list(pipeline.run(domain.queries[0], space))
    assert pipeline.requests["retrieve"] == len(space)
    assert pipeline.executions["rewrite"] == 2
    assert pipeline.executions["retrieve"] == 1 + 2 * 9  # none; nine retrievers for each of two search texts
    assert models["s"].calls == len(models["s"].answers)  # one call per distinct prompt
    list(pipeline.run(domain.queries[1], space))
    assert pipeline.executions["rewrite"] == 4  # nothing leaks from one query to the next


def test_a_failing_model_is_reported_with_query_and_path(domain, encoder):
    pipeline = Pipeline(domain, CATALOG, encoder, {"s": ScriptedModel({})})
    paths = PathSpace.over(["s"]).select(["none/none/none/s"])
    with pytest.raises(LabError, match="Query q1 on path none/none/none/s: The scripted model has no answer"):
        list(pipeline.run(domain.queries[0], paths))
