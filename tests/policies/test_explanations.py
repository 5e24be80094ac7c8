"""Why a policy chose a path."""

import re

import numpy as np
import pytest

from ecollm_lab.policies import fit_policy
from ecollm_lab.records import SLO
from tests.support.policies import ONE_PATH, noisy, topics


def test_explain_names_the_choice_and_the_tightest_reason_of_every_other_path():
    trace, embeddings = noisy(1)
    policy, slo = fit_policy(trace, embeddings=embeddings), SLO(max_latency_s=0.75)
    told = policy.explain(embeddings[0], slo)
    assert (
        told.path_id
        == told.paths["path_id"][0]
        == fit_policy(trace, embeddings=embeddings).select(embeddings[:1], SLO(max_latency_s=0.75))[
            0
        ]
    )
    assert (told.paths["reason"] == "chosen").sum() == 1
    assert told.bound == ("max_latency_s",)
    best = told.paths.set_index("path_id").loc[trace.path_ids[3]]
    assert best["quality"] > told.quality
    assert "max_latency_s 0.75 against a 95th percentile of" in best["reason"]
    assert told.violation_share <= 0.05
    assert 0.3 < told.quality_sd < 0.6


def test_explain_says_when_the_quality_asked_for_is_not_expected():
    trace, embeddings = noisy(1)
    policy = fit_policy(trace, embeddings=embeddings)
    for prefer in ("cost", "quality"):
        told = policy.explain(embeddings[0], SLO(min_quality=0.999, prefer=prefer))
        assert (told.path_id, told.bound) == (trace.path_ids[3], ("min_quality",))
        assert told.quality < 0.999
    assert policy.explain(embeddings[0], SLO(min_quality=0.3, prefer="cost")).bound == ()
    assert policy.explain(embeddings[0], SLO(min_quality=0.95, max_latency_s=0.75)).bound == (
        "max_latency_s",
        "min_quality",
    )


@pytest.mark.parametrize("name", ONE_PATH)
def test_every_policy_explains_what_it_selects_by_what_decided(name):
    trace, embeddings, _ = topics(1)
    policy, slo = fit_policy(trace, name, embeddings=embeddings), SLO(max_latency_s=0.35)
    told = policy.explain(embeddings[0], slo)
    assert told.path_id == policy.select(embeddings[:1], slo)[0]
    reasons = dict(zip(told.paths["path_id"], told.paths["reason"], strict=True))
    assert reasons.pop(told.path_id) == "chosen"
    late = reasons.pop(trace.path_ids[1])
    if name != "cloud_only":
        assert (
            late
            == "breaks the limits in 100% of outcomes: max_latency_s 0.35 against a 95th percentile"
            " of 0.4"
        )
    said = {
        "cheapest": "not the cheapest",
        "fastest": "not the fastest",
        "random": "not drawn",
        "cloud_only": "not among the paths",
    }
    said["threshold"] = "of the two|not one of the two paths"
    for reason in reasons.values():
        assert re.match(
            said.get(name, r"expected quality -?\d\.\d+, the chosen path's \d\.\d+"), reason
        ), reason


def test_no_limit_is_blamed_for_what_it_did_not_do():
    trace, embeddings = noisy(1)
    for name in ("ours", "best_single"):
        told = fit_policy(trace, name, embeddings=embeddings).explain(embeddings[0], SLO())
        assert not told.paths["reason"].str.contains("limits").any()
    policy = fit_policy(trace, embeddings=embeddings, tolerance=0.9)
    slo = SLO(max_latency_s=3.0, prefer="cost")
    assert policy.rule(slo).price > 0
    told = policy.explain(embeddings[0], slo)
    better = told.paths[told.paths["quality"] > told.quality]
    assert len(better) > 0
    assert better["reason"].str.endswith("not worth the cost").all()


def test_no_share_of_outcomes_is_told_where_broken_limits_are_not_counted():
    trace, embeddings = noisy(1)
    policy = fit_policy(trace, embeddings=embeddings, violation_rate=None)
    told = policy.explain(embeddings[0], SLO(max_latency_s=0.75))
    late = told.paths.set_index("path_id").loc[trace.path_ids[3], "reason"]
    assert late.startswith(
        "its 95th percentiles break the limits with a probability of 100%: max_latency_s 0.75"
        " against a 95th percentile of"
    )
    refused = policy.rule(SLO(max_latency_s=1e-3))
    assert not refused.feasible
    assert np.isnan([told.violation_rate, refused.violation_rate]).all()
