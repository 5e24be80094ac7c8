"""The routing benchmark scores policies as it says."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import routing
from benchmarks.decision import peer, times_us
from benchmarks.routing import Fold, outcomes, slo_grid, together
from benchmarks.routing_scores import aims, interval, markdown, over, records
from ecollm_lab.traces import Trace
from tests.support.policies import noisy


@pytest.fixture(scope="module")
def frame():
    train, test = noisy(0, n=60)[0], noisy(1, n=40)[0]
    parts = [
        pd.DataFrame({**one, "fold": 0, "query": range(40)}) for one in outcomes(Fold(train, test))
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


def test_the_table_stars_what_is_a_mean_over_fewer_slos():
    rows = [
        {
            "trace": "t",
            "policy": name,
            "slo": "grid",
            "quality": 0.5,
            "n_choices": n,
            "metric": None,
        }
        for name, n in (("ours", 4), ("knn", 4), ("ours_router", 3))
    ]
    cells = [cell.strip() for cell in markdown(pd.DataFrame(rows)).splitlines()[2].split("|")]
    assert (cells.count("0.500"), cells.count("0.500*")) == (2, 1)


def test_decisions_are_timed_one_by_one():
    seen = []
    taken = times_us(seen.append, [np.zeros(1), np.ones(1)], 30)
    assert taken.shape == (30,)
    assert (taken > 0).all()
    assert len(seen) == 32
    route = peer(3)
    assert route is not None
    assert route(np.ones(25))[0].startswith("model-")
