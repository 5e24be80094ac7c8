"""The routing benchmark scores policies as it says."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import routing, routing_scores
from benchmarks.decision import peer, times_us
from benchmarks.routing import Fold, outcomes, slo_grid, together
from benchmarks.routing_groups import cluster_of
from benchmarks.routing_scores import aims, interval, over, records
from benchmarks.routing_tables import markdown
from ecollm_lab.traces import Trace
from tests.support.policies import noisy


@pytest.fixture(scope="module")
def frame():
    train, test = noisy(0, n=60)[0], noisy(1, n=40)[0]
    parts = [
        pd.DataFrame({**one, "seed": 0, "fold": 0, "query": range(40), "cluster": "all"})
        for one in outcomes(Fold(train, test))
    ]
    return pd.concat(parts, ignore_index=True).assign(trace="tiny"), train, test


def test_a_domain_is_scored_on_its_split_and_in_folds_that_part_no_product(monkeypatch):
    trace = noisy(0, n=60)[0]
    split, product = np.where(np.arange(60) < 40, "train", "heldout"), np.arange(60) // 3
    queries = trace.queries.assign(split=split, product=product.astype(str))
    trace = Trace.from_frame(trace.outcomes, queries, trace.provenance)
    monkeypatch.setattr(routing, "_measured", lambda name: trace)
    (one,) = routing.folds("smart_home", 0)
    assert (len(one.train.query_ids), len(one.test.query_ids)) == (40, 20)
    five = list(routing.folds("smart_home_crossed", 0))
    assert sorted(q for fold in five for q in fold.test.query_ids) == sorted(trace.query_ids)
    for fold in five:
        assert not set(fold.test.queries["product"]) & set(fold.train.queries["product"])


def test_every_policy_is_scored_on_every_query_by_what_was_recorded(frame):
    rows, train, test = frame
    assert (rows.groupby(["policy", "prefer", "slo"]).size() == 40).all()
    assert {
        "ours",
        "knn",
        "cluster",
        "matrix_factorisation",
        "ours_router",
        "carrot",
        "brane",
        "oracle",
    } <= set(rows["policy"])
    known = {
        tuple(row)
        for row in test.outcomes[["quality", "cost_usd", "latency_s"]].round(9).to_numpy().tolist()
    }
    assert {
        tuple(row)
        for row in rows[["quality", "cost_usd", "latency_s"]].round(9).to_numpy().tolist()
    } <= known
    grid = slo_grid(train)
    assert len(grid) == 9
    for key, part in rows[(rows["slo"] != "none") & (rows["policy"] == "ours")].groupby("slo"):
        assert (part["violated"] == ~grid[key].keeps(part["cost_usd"], part["latency_s"])).all()


def test_nobody_beats_the_oracle_and_differences_are_paired(frame):
    rows = frame[0]
    free = rows[(rows["slo"] == "none") & (rows["prefer"] == "quality")].pivot_table(
        index="query", columns="policy", values="quality"
    )
    assert (free.sub(free["oracle"], axis=0) <= 1e-12).all().all()
    found = {
        row["metric"]: row for row in aims(rows) if row.get("policy") != "ours_giving_up_nothing"
    }
    part = rows[(rows["slo"] != "none") & (rows["prefer"] == "quality")].pivot_table(
        index="query", columns="policy", values="quality"
    )
    gained = part["ours"] - part["knn"]
    assert found["quality_over_knn"]["value"] == pytest.approx(gained.mean())
    assert (
        found["quality_over_knn"]["ci_low"] <= gained.mean() <= found["quality_over_knn"]["ci_high"]
    )
    told = pd.DataFrame(records(rows))
    one = told[(told["policy"] == "ours") & (told["slo"] == "grid")].iloc[0]
    ours = rows[
        (rows["policy"] == "ours") & (rows["prefer"] == "quality") & (rows["slo"] != "none")
    ]
    assert one["quality"] == pytest.approx(ours["quality"].mean())
    assert one["slo_violation_rate"] == pytest.approx(ours["violated"].mean())


def test_policies_are_compared_where_both_can_attain_the_slo():
    cells = [
        ("ours", "a", 1, 0.5),
        ("ours", "b", 1, 0.9),
        ("ours", "a", 2, 0.4),
        ("other", "a", 1, 0.4),
        ("other", "a", 2, 0.8),
    ]
    rows = pd.DataFrame(cells, columns=["policy", "slo", "query", "quality"]).assign(
        prefer="quality", group="same"
    )
    assert over(rows, "ours", "other").tolist() == pytest.approx(
        [0.1, -0.4]
    )  # b, which the other calls infeasible, does not count


def test_intervals_draw_related_queries_together():
    values = np.repeat([0.0, 1.0], 50)
    alone, together = interval(values, np.arange(100)), interval(values, values)
    assert together == (0.0, 1.0)
    assert 0.35 < alone[0] < 0.5 < alone[1] < 0.65


def test_related_queries_have_one_group_and_others_their_own():
    trace = noisy(0, n=6)[0]
    texts, products = list("abacde"), ["x", "", "y", "", "y", ""]
    queries = trace.queries.assign(text=texts, product=products)
    found = together(Trace.from_frame(trace.outcomes, queries, trace.provenance))
    assert found.tolist() == ["a", "b", "a", "c", "a", "e"]  # the texts are one, then the products


def test_a_policy_that_always_does_as_ours_does_is_told_from_it_by_nothing(frame):
    rows = frame[0]
    twin = rows[rows["policy"] == "ours"].assign(policy="twin")
    found = {row["metric"]: row for row in aims(pd.concat([rows, twin]))}
    assert (found["quality_over_twin"]["value"], found["quality_over_twin"]["p"]) == (0.0, 1.0)


def test_competitors_that_heed_a_price_of_violations_are_compared_with_it(frame):
    rows = frame[0]
    worse = rows["policy"].isin(["knn_where_violations_cost"])
    found, before = (
        {row["metric"]: row["value"] for row in aims(part)}
        for part in (rows.assign(quality=rows["quality"] - worse), rows)
    )
    assert found["quality_if_kept_over_knn"] > before["quality_if_kept_over_knn"]
    assert found["quality_over_knn"] == before["quality_over_knn"]
    assert found["quality_if_kept_over_threshold"] == before["quality_if_kept_over_threshold"]


def test_a_price_of_violations_is_scored_over_the_grid_alone(frame):
    rows, train, _ = frame
    priced = rows[rows["policy"].str.endswith("_where_violations_cost")]
    weighing = {"ours", "knn", "cluster", "matrix_factorisation", "carrot", "brane", "best_single"}
    routers = {f"{name}_router" for name in ("ours", "knn", "best_single")}
    names = {name.removesuffix("_where_violations_cost") for name in priced["policy"]}
    assert names - {"cloud_only"} == weighing | routers
    assert set(priced["prefer"]) == {"quality"}
    assert set(priced["slo"]) == set(slo_grid(train))


def cells(broken_if_free, violated):
    """Return what four queries met, with two seeds, under one limit."""
    each = [("ours", seed, query) for seed in (0, 1) for query in range(4)]
    each += [("best_single", *cell[1:]) for cell in each]
    rows = pd.DataFrame(each, columns=["policy", "seed", "number"])
    rows["query"] = [f"{seed}.{number}" for seed, number in rows[["seed", "number"]].to_numpy()]
    rows["violated"] = rows["query"].isin(violated)
    rows["broken_if_free"] = rows["number"].isin(broken_if_free)
    rows["kind"], rows["cluster"] = "any", rows["number"].map("about {}".format)
    about = {"trace": "t", "slo": "c0", "limited": True, "group": rows["number"]}
    return rows.assign(**about)


def by_metric(rows):
    return {row.pop("metric"): row for row in routing_scores._violations(rows)}


def violations(*what):
    return by_metric(cells(*what))


def test_limits_that_bind_are_to_be_used_and_others_need_not_be_broken():
    binding = violations([0, 1], ["0.3"])
    assert binding["limits_binding"]["value"] == 1
    assert binding["slo_violation_rate_without_limits"]["value"] == 0.5
    rate = binding["slo_violation_rate"]
    assert (rate["at_least"], rate["at_most"]) == (0.03, 0.05)
    loose = pd.concat([cells([0, 1], ["0.3"]), cells([], []).assign(slo="c1")])
    mixed = by_metric(loose)
    assert mixed["limits_binding"]["value"] == 0.5
    some = mixed["slo_violation_rate_where_limits_bind"]
    assert (some["value"], some["at_least"]) == (0.125, 0.03)
    assert mixed["slo_violation_rate"]["value"] == 0.0625
    assert "at_least" not in mixed["slo_violation_rate"]
    free = violations([], ["0.3"])
    assert free["limits_binding"]["value"] == 0
    assert "at_least" not in free["slo_violation_rate"]
    assert "slo_violation_rate_where_limits_bind" not in free


def test_violations_are_told_by_fold_seed_and_in_the_worst_cluster():
    found = violations([0], ["0.3", "0.2", "1.3"])
    rate = found["slo_violation_rate"]
    assert (rate["value"], rate["seeds_low"], rate["seeds_high"]) == (0.375, 0.25, 0.5)
    worst = found["slo_violation_rate_of_worst_cluster"]
    assert (worst["cluster"], worst["value"]) == ("about 3", 1.0)


def test_what_choices_without_limits_would_break_is_told_of_each_limit(frame):
    rows, train, _ = frame
    ours = rows[(rows["policy"] == "ours") & (rows["prefer"] == "quality")]
    free = ours[ours["slo"] == "none"]
    for key, part in ours[ours["slo"] != "none"].groupby("slo"):
        broken = ~slo_grid(train)[key].keeps(free["cost_usd"], free["latency_s"])
        assert part["broken_if_free"].tolist() == broken.tolist()


def test_texts_are_in_the_cluster_of_their_like():
    class Letters:
        def encode(self, texts):
            return np.array([[1.0, 0.0] if "a" in text else [0.0, 1.0] for text in texts])

    found = cluster_of(
        ["a|" * n for n in range(1, 12)] + ["b" * n for n in range(1, 12)], Letters()
    )
    assert len(set(found.values())) == 2
    assert all(("a" in text) == ("a" in name) for text, name in found.items())
    assert not any("|" in name for name in found.values())
    assert cluster_of(["a", "b"], Letters()) == {"a": "all", "b": "all"}


def test_ours_is_to_be_above_knn_and_the_threshold_policy_on_measured_domains(frame):
    for trace, aim in (("smart_home_crossed", "above"), ("tiny", "not below")):
        found = aims(frame[0].assign(trace=trace))
        bound = {row["metric"]: row.get("at_least") for row in found}
        due = 0.0 if aim == "above" else None
        assert (bound["quality_over_knn"], bound["quality_over_threshold"]) == (due, due)
        assert bound["quality_over_cluster"] is None
        lines = markdown(pd.DataFrame(found).assign(slo=None)).splitlines()
        (line,) = [line for line in lines if "| quality_over_knn |" in line]
        assert f"| {aim} |" in line


def test_decisions_are_timed_one_by_one():
    seen = []
    taken = times_us(seen.append, [np.zeros(1), np.ones(1)], 30)
    assert taken.shape == (30,)
    assert (taken > 0).all()
    assert len(seen) == 32
    route = peer(3)
    assert route is not None
    assert route(np.ones(25))[0].startswith("model-")
