"""The benchmark of the testbed, on what can be worked by hand."""

from dataclasses import replace

import pytest

from benchmarks import spaces, testbed, testbed_tables
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace
from tests.conftest import make_trace
from tests.support.lamps import a_domain


def of_lamps(quality, **changes):
    """A trace of the first lamps, on an edge and a cloud path."""
    n = len(quality)
    trace = make_trace(quality, [[1e-6, 1e-5]] * n, [[0.1, 0.2]] * n)
    outcomes = trace.outcomes.assign(**{"answer": "100 grams", **changes})
    about = {**trace.provenance, "domain": "tiny", "domain_digest": a_domain().digest}
    return Trace(outcomes, trace.queries, about)


def by_metric(records):
    return {record["metric"]: record for record in records}


def test_a_domain_is_counted():
    found = by_metric(testbed.written(a_domain()))
    values = {metric: record["value"] for metric, record in found.items()}
    assert {**values, "unique_5gram_share": 0} == {
        "passages": 9,
        "queries": 9,
        "kinds": 1,
        "heldout_share": 1,
        "unique_5gram_share": 0,
    }
    # "the weight of the lamp" nine times; all others hold the lamp's number: 4 of the 5 in each
    assert values["unique_5gram_share"] == pytest.approx(4 / 5, abs=0.05)
    assert testbed_tables.verdict(found["kinds"]) == "no"
    assert testbed_tables.verdict(found["kinds"] | {"value": 9}) == "yes"
    assert testbed_tables.verdict(found["kinds"] | {"value": 10}) == "no"


def test_a_trace_is_reported_with_what_it_covers_and_misses():
    records = list(testbed.measured(a_domain(), of_lamps([[1, 1], [1, 0], [0, 1], [0, 1]])))
    found = by_metric(records)
    assert (found["queries_measured"]["value"], found["paths"]["value"]) == (4, 2)
    assert found["cloud_over_edge"]["value"] == pytest.approx(0.25)
    assert found["cloud_over_edge"]["low"] <= 0.25 <= found["cloud_over_edge"]["high"]
    assert found["oracle_cost_share"]["at_most"] == 0.35
    assert found["oracle_cost_share"]["value"] == pytest.approx(0.55)
    assert found["kinds_on_the_edge"]["kinds"] == ""
    text = testbed_tables.markdown(records)
    assert "| tiny | queries_measured | 4 | 4 | ≥ 320 | no |" in text
    assert "| tiny | cloud_over_edge | 4 | 0.250 [" in text


def test_outcomes_measured_again_are_compared_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(spaces, "RECORDED", tmp_path)
    trace = of_lamps([[1, 1], [1, 0], [0, 1], [0, 1]])
    assert list(testbed.again(a_domain(), trace)) == []
    now = trace.outcomes.iloc[::2].assign(answer=["100 grams", "100 grams", "no", "100 grams"])
    now = now.assign(latency_s=now["latency_s"] * 3)
    some = Trace.from_frame(now, trace.queries, trace.provenance)
    some.save(testbed.again_file("tiny"))
    found = by_metric(testbed.again(a_domain(), trace))
    assert (found["same_answer_share"]["value"], found["same_answer_share"]["n"]) == (0.75, 4)
    other = replace(trace, outcomes=trace.outcomes.iloc[4:])
    with pytest.raises(LabError, match="2 of 4 outcomes that were measured again are not in"):
        list(testbed.again(a_domain(), other))


def test_the_latencies_of_paths_measured_again_are_compared_by_rank():
    trace = of_lamps([[1, 1], [1, 0]])
    turned = trace.outcomes.assign(latency_s=[0.2, 0.1, 0.2, 0.1])
    found = testbed.compare_outcomes(trace.outcomes, turned)
    assert found["latency_rank_correlation"] == pytest.approx(-1)
    assert found["latency_ratio_median"] == pytest.approx((2 + 0.5) / 2)
    assert found["quality_agreement_rate"] == 1


def test_a_trace_of_another_edition_of_the_domain_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(spaces, "RECORDED", tmp_path)
    assert spaces.domain_trace(a_domain()) is None
    trace = of_lamps([[1, 1]])
    trace.save(spaces.trace_file("tiny"))
    assert spaces.domain_trace(a_domain()).query_ids == ["q0"]
    Trace(trace.outcomes, trace.queries, {**trace.provenance, "domain_digest": "old"}).save(
        spaces.trace_file("tiny")
    )
    with pytest.raises(LabError, match="another edition"):
        spaces.domain_trace(a_domain())


def test_a_value_that_rounds_to_its_aim_and_misses_it_is_written_out():
    record = {"domain": "tiny", "metric": "share", "at_most": 0.5}
    assert "| 0.500300 | ≤ 0.5 | no |" in testbed_tables.markdown([record | {"value": 0.5003}])
    assert "| 0.500 | ≤ 0.5 | yes |" in testbed_tables.markdown([record | {"value": 0.4998}])


def test_what_is_not_a_number_meets_no_aim():
    assert testbed_tables.verdict({"value": float("nan"), "at_least": 0.9}) == "no"
    assert testbed_tables.verdict({"value": 0.9, "at_least": 0.9}) == "yes"
    assert testbed_tables.verdict({"value": 9, "at_most": 8}) == "no"
    assert testbed_tables.verdict({"value": 9}) == ""
