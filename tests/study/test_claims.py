"""The paper's claims on traces that can be worked by hand."""

import numpy as np
import pytest

from ecollm_lab.policies import replay
from ecollm_lab.policies.slos import study_slos
from ecollm_lab.records import SLO, LabError
from ecollm_lab.study import complete, compute_claims, compute_hindsight
from ecollm_lab.traces import Trace
from tests.conftest import LARGE, SMALL, make_trace
from tests.support.traces import stage_trace

EDGE, CLOUD = f"none/bm25-1/none/{SMALL}", f"none/bm25-2/none/{LARGE}"


def of_kinds(trace, kinds):
    return Trace(trace.outcomes, trace.queries.assign(kind=kinds), trace.provenance)


def by_metric(frame):
    return frame.set_index("metric")


def four_queries():
    """The edge path answers two queries, the cloud path three, and takes ten times the money."""
    quality = [[1, 1], [1, 0], [0, 1], [0, 1]]
    trace = make_trace(quality, [[1e-6, 1e-5]] * 4, [[0.1, 0.4]] * 4)
    return of_kinds(trace, ["lookup", "lookup", "compare", "compare"])


def test_the_best_path_of_each_query_is_compared_with_the_best_cloud_path():
    found = by_metric(compute_hindsight(four_queries()))
    assert found.loc["best_cloud_quality", ["value", "path_id"]].tolist() == [0.75, CLOUD]
    assert found.loc["oracle_quality", "value"] == 1
    assert found.loc["oracle_over_best_cloud", "value"] == 0.25
    assert found.loc["oracle_over_best_path", ["value", "path_id"]].tolist() == [0.25, CLOUD]
    assert found.loc["cloud_over_edge", ["value", "path_id"]].tolist() == [0.25, EDGE]


def test_of_equally_good_paths_the_cheapest_and_the_fastest_count():
    """The edge serves the first two queries: (1 + 1 + 10 + 10) / 4 of 10, (1 + 1 + 4 + 4) / 4 of 4;
    with the first query in the cloud it would be 7.75 and 3.25.
    """
    found = by_metric(compute_hindsight(four_queries()))
    assert found.loc["oracle_cost_share", "value"] == pytest.approx(0.55)
    assert found.loc["oracle_latency_share", "value"] == pytest.approx(0.625)
    assert found.loc["oracle_cost_share", "quality_over"] == 0.25


def test_an_edge_path_serves_a_kind_where_it_is_at_most_two_points_below_the_best_cloud_path():
    quality = [[0.98, 1.0], [0.97, 1.0], [1.0, 0.5]]
    trace = of_kinds(make_trace(quality, 1e-6, 0.1), ["lookup", "compare", "general"])
    frame = compute_hindsight(trace)
    gaps = frame[frame["metric"] == "edge_over_cloud"].set_index("kind")["value"]
    assert gaps.to_dict() == pytest.approx({"lookup": -0.02, "compare": -0.03, "general": 0.5})
    row = by_metric(frame).loc["kinds_on_the_edge"]
    assert (row["value"], row["kinds"], row["n"]) == (2, "general, lookup", 3)


def test_a_kind_that_a_resample_lacks_counts_as_in_the_trace():
    trace = of_kinds(make_trace([[1, 1]] * 3, 1e-6, 0.1), ["lookup", "compare", "general"])
    row = by_metric(compute_hindsight(trace)).loc["kinds_on_the_edge"]
    assert (row["value"], row["low"], row["high"]) == (3, 3, 3)


def test_intervals_hold_the_value_and_queries_of_one_text_are_drawn_together():
    trace = make_trace([[1, 1]] * 30 + [[1, 0]] * 30, 1e-6, 0.1)
    alone = by_metric(compute_hindsight(trace)).loc["best_cloud_quality"]
    assert 0.3 < alone["low"] < 0.5 < alone["high"] < 0.7
    together = trace.queries.assign(text=["same"] * 30 + ["other"] * 30)
    wide = by_metric(compute_hindsight(Trace(trace.outcomes, together, trace.provenance)))
    assert wide.loc["best_cloud_quality", ["low", "high"]].tolist() == pytest.approx([0, 1])


def test_the_best_path_is_found_anew_in_each_resample():
    """Two cloud paths are right on one half each: the better one has 1/2 or more in any resample.

    One fixed path would have less than 1/2 in half of them.
    """
    paths = (LARGE, LARGE)
    trace = make_trace([[1, 0]] * 20 + [[0, 1]] * 20, 1e-6, 0.1, models=paths)
    row = by_metric(compute_hindsight(trace)).loc["best_cloud_quality"]
    assert row["low"] >= 0.5 - 1e-9
    assert row["value"] == pytest.approx(0.5)


def two_kinds(n=20, m=20):
    """Lookups are right on the small model's first path, comparisons on the large one's second."""
    quality = [[1, 0, 0, 0]] * n + [[0, 0, 0, 1]] * m
    trace = stage_trace(
        quality, [[1e-6, 2e-6, 2e-6, 4e-6]] * (n + m), [[0.1, 0.2, 0.2, 0.4]] * (n + m)
    )
    embeddings = np.repeat(np.eye(2, dtype=np.float32), [n, m], axis=0)
    return of_kinds(trace, ["lookup"] * n + ["compare"] * m), embeddings


def test_what_is_chosen_for_kinds_and_clusters_is_scored_on_other_queries():
    trace, embeddings = two_kinds()
    found = by_metric(compute_claims(trace, embeddings=embeddings, n_resamples=50))
    assert found.loc["best_cloud_quality", "value"] == pytest.approx(0.5)
    assert found.loc["kind_quality", "value"] == pytest.approx(1)
    share = found.loc["kind_cost_share", ["value", "quality_over"]].tolist()
    assert share == pytest.approx([(1 + 4) / 2 / 4, 0.5])
    assert found.loc["cluster_quality", "value"] == pytest.approx(1)
    assert found.loc["cluster_latency_share", "value"] == pytest.approx(0.625)


def test_a_kind_that_occurs_once_takes_the_path_that_is_best_for_the_others():
    quality = [[1, 0]] * 9 + [[0, 1]]
    trace = of_kinds(make_trace(quality, 1e-6, 0.1), ["lookup"] * 9 + ["compare"])
    embeddings = np.tile(np.eye(1, 2, dtype=np.float32), (10, 1))
    found = by_metric(compute_claims(trace, embeddings=embeddings, n_resamples=20))
    assert found.loc["oracle_quality", "value"] == 1
    assert found.loc["kind_quality", "value"] == pytest.approx(0.9)


def test_queries_about_one_product_are_in_one_fold_for_kinds_too():
    """So the other folds hold no general question, and these take the best path of all others."""
    trace, embeddings = two_kinds(20, 24)
    quality = np.where(np.arange(44) < 40, trace.array("quality").T, [[0], [1], [0], [0]]).T
    kinds = ["lookup"] * 20 + ["compare"] * 20 + ["general"] * 4
    queries = trace.queries.assign(kind=kinds, product=[""] * 40 + ["lamp"] * 4)
    outcomes = trace.outcomes.assign(quality=quality.ravel())
    trace = Trace(outcomes, queries, trace.provenance)
    found = by_metric(compute_claims(trace, embeddings=embeddings, n_resamples=20))
    assert found.loc["kind_quality", "value"] == pytest.approx(40 / 44)


def test_the_limits_are_those_of_the_study_set_on_the_training_split():
    trace, embeddings = two_kinds()
    heldout = np.arange(40) % 4 == 3
    queries = trace.queries.assign(split=np.where(heldout, "heldout", "train"))
    slower = trace.outcomes["latency_s"] * np.repeat(np.where(heldout, 1.3, 1.0), 4)
    trace = Trace(trace.outcomes.assign(latency_s=slower), queries, trace.provenance)
    limits = study_slos(trace.split("train"))["prefer_quality"]
    assert limits != study_slos(trace)["prefer_quality"]
    found = by_metric(compute_claims(trace, embeddings=embeddings, n_resamples=20))
    assert found.loc["limits_kept", "slo"] == str(limits)


def test_a_router_chooses_a_model_for_one_pipeline_and_ours_chooses_whole_paths():
    """The pipeline of the best path, in every fold, has one passage; with it no model answers
    comparisons.
    """
    trace, embeddings = two_kinds(24, 16)
    found = by_metric(compute_claims(trace, embeddings=embeddings, n_resamples=50))
    assert found.loc["router_quality", "value"] == pytest.approx(0.6)
    share = found.loc["cost_share_of_router", ["value", "quality_over"]].tolist()
    assert share == pytest.approx([(24 + 16 * 4) / 40, 0.4])
    assert found.loc["limits_kept", "value"] == pytest.approx(1)


def test_what_a_trace_does_not_record_has_no_row():
    quality = [[1, 0], [0, 1]] * 10
    trace = make_trace(quality, np.nan, [[0.1, 0.4]] * 20)
    trace = Trace(trace.outcomes, trace.queries, {"source": "recorded"})
    embeddings = np.tile(np.eye(2, dtype=np.float32), (10, 1))
    found = compute_claims(trace, embeddings=embeddings, n_resamples=20)["metric"].tolist()
    assert "oracle_over_best_path" in found
    assert "latency_share_of_router" in found
    assert "limits_kept" in found
    assert not [one for one in found if "cloud" in one or "cost" in one or one.startswith("kinds")]


def test_queries_with_a_gap_are_left_out_or_refused():
    trace = make_trace([[1, 0], [np.nan, 1], [0, 1]], [[1, 1], [1, 1], [1, np.nan]], np.nan)
    assert complete(trace).query_ids == ["q0"]
    with pytest.raises(LabError, match="2 of 3 are not"):
        compute_hindsight(trace)


def a_little_worse_for_little_money():
    """The edge path has 1 % less quality than the cloud path, and costs a tenth."""
    trace = make_trace([[0.98, 0.99]] * 60, [[1e-6, 1e-5]] * 60, [[0.1, 0.4]] * 60)
    return trace, np.tile(np.eye(2, dtype=np.float32), (30, 1))


def test_strict_rows_give_up_no_quality_and_the_others_the_default():
    trace, embeddings = a_little_worse_for_little_money()
    found = by_metric(compute_claims(trace, embeddings=embeddings, n_resamples=20))
    given_up = found.loc["cost_share_of_router", ["value", "quality_over"]].tolist()
    assert given_up == pytest.approx([0.1, -0.01])
    strict = found.loc["strict_cost_share_of_router", ["value", "quality_over"]].tolist()
    assert strict == pytest.approx([1.0, 0.0])
    assert found.loc["strict_latency_share_of_router", "value"] == pytest.approx(1.0)


def test_our_policy_is_scored_as_replay_scores_it():
    trace, embeddings = two_kinds()
    found = by_metric(compute_claims(trace, embeddings=embeddings, n_resamples=20))
    name = f"{found.loc['router_quality', 'policy']}_router"
    router = replay(name, trace, SLO(), embeddings=embeddings, folds=5)
    ours = replay("ours", trace, SLO(prefer="cost"), embeddings=embeddings, folds=5)
    share = ours["cost_usd"] / router["cost_usd"]
    assert found.loc["cost_share_of_router", "value"] == pytest.approx(share)
