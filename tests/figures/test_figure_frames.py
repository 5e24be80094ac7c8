"""The figures of paths, stages, SLOs, policies, clusters and prices: hand-worked frames, and what is drawn of them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecollm_lab import figures
from ecollm_lab.domains.clusters import Clusters, find_clusters
from ecollm_lab.figures import style
from ecollm_lab.figures.policies import _cost_at, _quality_at
from ecollm_lab.policies import Decision, fit_policy
from ecollm_lab.policies.slos import study_slos
from ecollm_lab.records import SLO, InfeasibleSLO, LabError
from ecollm_lab.traces import Trace
from scripts.browser import find_chromium
from scripts.pictures import WIDTH, main
from tests.conftest import LARGE, SMALL, make_trace, thinned

EMBEDDINGS = np.eye(300, dtype=np.float32)


class Fixed:
    """Chooses one path under an SLO with a limit, another without one."""

    def __init__(self, name, tight, loose):
        self.name, self.tight, self.loose = name, tight, loose

    def decide(self, queries, slo, ask=None):
        path = self.loose if slo.max_cost_usd is None and slo.max_latency_s is None else self.tight
        if path is None:
            raise InfeasibleSLO("no path")
        chosen = np.array([path] * len(queries), dtype=object)
        return Decision(chosen, chosen[:, None])


def priced(trace, **models):
    return Trace(trace.outcomes, trace.queries, {**trace.provenance, "models": models})


def declared_trace(quality=(0.5, 1.0), tokens=1000):
    """Path 0 on the edge: 0.1 s, 1e-6 USD. Path 1 in the cloud: 0.3 s of which 0.08 declared, 1e-3 USD of which 1e-3 for tokens."""
    trace = make_trace([quality] * 4, [[1e-6, 1e-3]] * 4, [[0.1, 0.3]] * 4)
    trace.outcomes["tokens_in"] = np.tile([0, tokens], 4)
    trace.outcomes["tokens_out"] = 0
    cloud = {
        "placement": "cloud",
        "price_in_usd_per_mtok": 1.0,
        "price_out_usd_per_mtok": 4.0,
        "network_delay_s": 0.08,
    }
    return priced(trace, **{SMALL: {"placement": "edge", "network_delay_s": 0.0}, LARGE: cloud})


def stage_trace(quality, cost=1e-6, latency=0.1):
    """One outcome per path of a 2 × 2 grid: retrieve bm25-1 or bm25-3, generate the small or the large model, in that order."""
    trace = make_trace(quality, cost, latency)
    names = [f"none/bm25-{k}/none/{model}" for k in (1, 3) for model in (SMALL, LARGE)]
    return replace(trace, outcomes=trace.outcomes.assign(path_id=np.tile(names, len(quality))))


# Fronts


def test_limits_of_the_study_weigh_edge_and_cloud_alike_however_many_paths_they_have():
    """Nine edge paths of 1 to 9 s, three of the cloud of 10, 20, 30 s: the upper quartile is the middle one of the cloud."""
    paths = [f"none/none/none/e{i}" for i in range(9)] + [f"none/none/none/c{i}" for i in range(3)]
    seconds = [*range(1, 10), 10, 20, 30]
    rows = [("q", path, 1.0, 0.1 * s, float(s)) for path, s in zip(paths, seconds, strict=True)]
    frame = pd.DataFrame(
        rows, columns=["query_id", "path_id", "quality", "cost_usd", "latency_s"]
    ).assign(text="?", kind="k", split="train")
    models = {
        path.rsplit("/", 1)[1]: {"placement": "cloud" if "/c" in path else "edge"} for path in paths
    }
    slos = study_slos(Trace.from_frame(frame, provenance={"source": "recorded", "models": models}))
    assert slos["prefer_cost"].max_latency_s == 25  # in the gap above it
    assert slos["prefer_latency"].max_cost_usd == pytest.approx(2.5)
    alone = study_slos(Trace.from_frame(frame))  # nothing is said of models: all paths alike
    assert alone["prefer_quality"].max_latency_s == 15


def test_a_paired_bootstrap_knows_that_a_path_is_always_worse_though_the_intervals_overlap():
    better = np.random.default_rng(0).random((30, 1)) * 0.8 + 0.1
    frame = figures.compute_front(
        make_trace(np.hstack([better, better - 0.05]), 1.0, 1.0), n_resamples=200
    ).set_index("path_id")
    assert frame["front_probability"].tolist() == [1.0, 0.0]
    assert frame["quality_low"].iloc[0] < frame["quality_high"].iloc[1]
    assert (frame["quality_low"] < frame["quality"]).all()
    assert (frame["quality"] < frame["quality_high"]).all()
    np.testing.assert_allclose(frame["usd_per_1k_low"], 1000.0)


def test_front_intervals_are_drawn_of_paths_on_the_front_alone(measured):
    frame = figures.compute_front(measured, n_resamples=50)
    figure = figures.plot_front(frame, "here", chosen=frame["path_id"][0])
    drawn = [t for t in figure.data if t.name == "95 % interval"]
    assert [len(t.x) for t in drawn] == [frame["on_front"].sum()] * 2
    np.testing.assert_allclose(
        drawn[0].error_y.array, (frame["quality_high"] - frame["quality"])[frame["on_front"]]
    )
    assert [t.text[0] for t in figure.data if t.name == "chosen" and t.text is not None] == [
        frame["path_id"][0]
    ]
    assert [t.name for t in figure.data if t.showlegend is None] == ["edge", "mixed", "cloud"]


def test_the_slo_box_shades_the_forbidden_side(measured):
    figure = figures.plot_front(figures.compute_front(measured), "here", SLO(max_latency_s=0.1))
    (box,) = [s for s in figure.layout.shapes if s.type == "rect"]
    assert (box.x0, box.xref) == (0.1, "x2")
    assert box.x1 > measured.summary()["latency_s"].max()


def test_a_free_path_stands_in_a_strip_and_unrecorded_cost_is_said():
    free = figures.compute_front(make_trace([[0.5, 0.9]], [[0.0, 4e-3]], [[1.0, 2.0]]))
    figure = figures.plot_front(free, "here")
    points = {
        t.customdata[0]: t.x[0] for t in figure.data if t.customdata is not None and t.xaxis == "x"
    }
    assert points[f"none/bm25-1/none/{SMALL}"] == pytest.approx(
        1.0
    )  # a quarter of the cheapest other
    assert "0" in [a.text for a in figure.layout.annotations]
    unknown = figures.plot_front(
        figures.compute_front(make_trace([[0.5, 0.9]], np.nan, [[1.0, 2.0]])), "here"
    )
    assert "not recorded" in [a.text for a in unknown.layout.annotations]


# Latency


def test_latency_has_median_tail_and_the_declared_network():
    trace = declared_trace()
    trace.outcomes.loc[trace.outcomes["path_id"].str.endswith(LARGE), "latency_s"] = [
        0.2,
        0.3,
        0.3,
        0.5,
    ]
    frame = figures.compute_latency(trace).set_index("placement")
    assert frame.loc["mixed", "latency_p50_s"] == pytest.approx(0.3)
    assert frame.loc["mixed", "latency_p95_s"] == pytest.approx(0.47)
    assert frame.loc["mixed", "network_share"] == pytest.approx(0.08 / 0.3)
    assert frame.loc["edge", "network_s"] == 0
    figure = figures.plot_latency(frame.reset_index(), "here")
    shade = next(t for t in figure.data if t.name == "mixed, declared network")
    assert shade.x[:2].tolist() == pytest.approx([0.22, 0.3])
    tail = next(t for t in figure.data if t.name == "mixed, tail")
    assert tail.x[:2].tolist() == pytest.approx([0.3, 0.47])
    assert "mixed (300 ms, 27% of it network)" in [t.name for t in figure.data]


def test_latency_without_values_says_so():
    with pytest.raises(LabError, match="no latency_s"):
        figures.compute_latency(make_trace([[1.0]], 1.0, np.nan))


def test_stage_latency_adds_up_to_latency(measured):
    frame = figures.compute_stage_latency(measured)
    sums = frame.groupby("path_id")[["seconds", "share"]].sum()
    means = measured.summary().set_index("path_id")["latency_s"]
    np.testing.assert_allclose(sums["seconds"], means[sums.index], rtol=1e-9)
    np.testing.assert_allclose(sums["share"], 1)
    figure = figures.plot_stage_latency(frame, "here")
    shown = {label.split()[0] for label in figure.data[0].y}
    assert (
        set(frame.loc[frame["on_front"], "path_id"]) <= shown
    )  # and the best that leaves the edge
    network = next(t for t in figure.data if t.name.startswith("network"))
    assert max(network.x) == pytest.approx(0.08)
    with pytest.raises(LabError, match=r"no latency by stage \(missing: rewrite_s"):
        figures.compute_stage_latency(make_trace([[1.0]], 1.0, 1.0))


# SLOs


def test_the_slo_grid_lies_between_the_paths(measured):
    train = measured.split("train")
    for column in ("latency_s", "cost_usd"):
        limits = np.array(
            [getattr(slo, f"max_{column}") for slo in figures.slo_grid(train, column)]
        )
        tails = np.nanquantile(train.array(column), 0.95, axis=0)
        assert (np.diff(limits) > 0).all()
        assert 6 <= len(limits) <= 12
        assert not np.isin(limits, tails).any()
        assert limits[0] > tails.min()
    assert [
        slo.max_cost_usd for slo in figures.slo_grid(train, n=2, slo=SLO(max_cost_usd=1.0))
    ] == [1.0, 1.0]
    with pytest.raises(LabError, match="no latency_s above 0"):
        figures.slo_grid(make_trace([[1.0]], 1.0, np.nan))


def two_paths():
    """A fast path on the edge that is half right, a slow mixed one that is right."""
    return make_trace([[0.5, 1.0]] * 20, [[1e-6, 1e-3]] * 20, [[0.1, 1.0]] * 20)


def test_attainment_sets_the_obtained_tail_against_the_limit():
    trace = two_paths()
    best = fit_policy(trace, "best_single")
    frame = figures.compute_attainment(
        [best, "oracle"], trace, [SLO(max_latency_s=s) for s in (0.05, 0.5, 2.0)]
    )
    single = frame[frame["policy"] == "best_single"]
    assert single["feasible"].tolist() == [False, True, True]
    assert single["obtained_p95_s"].tolist()[1:] == pytest.approx([0.1, 1.0])
    assert frame.loc[frame["policy"] == "oracle", "slo_violation_rate"].tolist() == [1.0, 0.0, 0.0]
    figure = figures.plot_attainment(frame, "here")
    band, diagonal, drawn, _ = figure.data
    assert drawn.name == "best_single (keeps 100%)"
    assert drawn.x.tolist() == [0.5, 2.0]
    np.testing.assert_allclose(diagonal.x, diagonal.y)
    np.testing.assert_allclose(np.divide(band.y, band.x), [0.9, 0.9, 1.1, 1.1])
    with pytest.raises(LabError, match="needs SLOs with max_latency_s"):
        figures.compute_attainment([best], trace, [SLO()])
    with pytest.raises(LabError, match="at least one policy"):
        figures.compute_attainment([], trace, [SLO(max_latency_s=1.0)])
    with pytest.raises(LabError, match="no policy finds"):
        figures.plot_attainment(frame[~frame["feasible"]], "here")


def test_the_choice_mix_counts_where_choices_run():
    trace = two_paths()
    slos = [SLO(max_latency_s=s) for s in (0.05, 0.5, 2.0)]
    frame = figures.compute_choice_mix([fit_policy(trace, "best_single"), "oracle"], trace, slos)
    shares = frame.pivot_table(
        index=["policy", "placement"], columns="max_latency_s", values="share", dropna=False
    )
    assert np.isnan(shares.loc[("best_single", "edge"), 0.05])
    assert shares.loc[("best_single", "edge")].tolist()[1:] == [1.0, 0.0]
    assert shares.loc[("oracle", "mixed")].tolist() == [
        1.0,
        0.0,
        1.0,
    ]  # where no path is fast enough, the best in violation
    figure = figures.plot_choice_mix(frame, "here")
    assert [a.text for a in figure.layout.annotations[:2]] == ["best_single", "oracle"]
    assert figure.data[0].y.tolist()[1:] == [100.0, 0.0]
    assert list(figure.data[0].x) == ["50", "500", "2000"]


# Policies


def test_a_mix_of_two_points_is_linear_between_them():
    costs, qualities = np.array([3.0, 1.0]), np.array([0.9, 0.5])
    assert _quality_at(costs, qualities, 2.0) == pytest.approx(0.7)
    assert _quality_at(costs, qualities, 9.0) == 0.9
    assert _quality_at(costs, qualities, 0.5) == -np.inf
    assert _cost_at(costs, qualities, 0.6) == pytest.approx(1.5)
    assert _cost_at(costs, qualities, 0.4) == 1.0
    assert _cost_at(costs, qualities, 0.95) == np.inf


def three_points():
    trace = make_trace([[0.5, 0.9, 0.6]] * 10, [[1.0, 3.0, 2.0]] * 10, 1.0)
    a, b, c = trace.path_ids
    return trace, [
        Fixed("ours", a, b),
        Fixed("best_single", None, c),
        Fixed("cheapest", a, a),
        "oracle",
    ]


def test_policies_are_compared_at_equal_cost_and_quality():
    trace, policies = three_points()
    frame = figures.compute_equal(
        policies, trace, [SLO(max_cost_usd=1.5), SLO()], embeddings=EMBEDDINGS[:10], n_resamples=50
    )
    gains = frame.set_index(["policy", "comparison"])["gain"]
    assert gains["ours", "equal cost"] == pytest.approx(
        0.1
    )  # half of either: 0.7 for 2, against 0.6
    assert gains["ours", "equal quality"] == pytest.approx(0.75)  # 0.6 for 1.5
    assert gains["best_single"].tolist() == [0.0, 1.0]
    assert gains["cheapest", "equal cost"] == pytest.approx(-0.1)
    assert np.isnan(gains["cheapest", "equal quality"])
    assert (
        frame.loc[frame["policy"] == "ours", "gain_low"]
        <= frame.loc[frame["policy"] == "ours", "gain"] + 1e-12
    ).all()
    figure = figures.plot_equal(frame, "here")
    rows = next(t for t in figure.data if t.name.startswith("policy") and t.xaxis == "x")
    assert rows.y.tolist() == ["ours", "best_single", "cheapest"]
    assert "not reached" in [a.text for a in figure.layout.annotations]
    assert [t.x[0] for t in figure.data if t.name == "oracle"] == pytest.approx([0.1, 0.75])
    assert "best_single" in figure.layout.xaxis.title.text


def test_equal_cost_needs_cost_a_known_reference_and_all_outcomes():
    trace, policies = three_points()
    slos = [SLO(max_cost_usd=1.5), SLO()]
    with pytest.raises(
        LabError, match="reference must be one of ours, best_single, cheapest, oracle; got 'knn'"
    ):
        figures.compute_equal(policies, trace, slos, embeddings=EMBEDDINGS[:10], reference="knn")
    with pytest.raises(LabError, match="no cost_usd"):
        figures.compute_equal(policies, make_trace([[1.0]], np.nan, 1.0), slos)
    partial = make_trace([[np.nan, 0.9, 0.6]] * 10, [[1.0, 3.0, 2.0]] * 10, 1.0)
    with pytest.raises(LabError, match="lacks outcomes"):
        figures.compute_equal(policies[:3], partial, slos, embeddings=EMBEDDINGS[:10])


def test_an_interval_without_an_upper_end_runs_off_the_panel():
    """Half of the queries like the dear path: in many resamples no mix reaches the reference."""
    quality = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]] * 5)
    trace = make_trace(quality, [[1.0, 3.0, 2.0]] * 10, 1.0)
    a, _, c = trace.path_ids
    policies = [Fixed("ours", a, a), Fixed("best_single", c, c)]
    frame = figures.compute_equal(policies, trace, [SLO()], embeddings=EMBEDDINGS[:10])
    row = frame[(frame["policy"] == "ours") & (frame["comparison"] == "equal quality")].iloc[0]
    assert (row["gain"], row["gain_high"]) == (0.5, np.inf)
    figure = figures.plot_equal(frame, "here")
    dots = next(t for t in figure.data if t.name.startswith("policy") and t.xaxis == "x2")
    assert np.log10(max(np.add(dots.x, dots.error_x.array))) > figure.layout.xaxis2.range[1]
    assert "not always reached" in dots.customdata[dots.y.tolist().index("ours")]


def test_a_policy_that_costs_nothing_stands_in_a_strip():
    trace = make_trace([[0.9, 0.9]] * 4, [[0.0, 1.0]] * 4, 1.0)
    free, dear = trace.path_ids
    policies = [Fixed("ours", free, free), Fixed("best_single", dear, dear)]
    figure = figures.plot_equal(
        figures.compute_equal(policies, trace, [SLO()], embeddings=EMBEDDINGS[:4], n_resamples=5),
        "here",
    )
    dots = next(t for t in figure.data if t.name.startswith("policy") and t.xaxis == "x2")
    assert dict(zip(dots.y, dots.x, strict=True)) == {
        "ours": 0.25,
        "best_single": 1.0,
    }  # a quarter of the least other
    assert "0" in [a.text for a in figure.layout.annotations]
    assert "times the cost: 0 [0, 0]" in dots.customdata[list(dots.y).index("ours")]
    with pytest.raises(LabError, match="ours costs nothing"):
        figures.compute_equal(policies, trace, [SLO()], embeddings=EMBEDDINGS[:4], reference="ours")


def test_policies_that_bound_the_others_are_lines():
    row = {
        "quality": 0.5,
        "quality_low": 0.4,
        "quality_high": 0.6,
        "cost_usd": 1e-3,
        "latency_s": 1,
        "slo_violation_rate": 0,
        "regret": 0,
    }
    table = pd.DataFrame(
        [row] * 4, index=pd.Index(["ours", "cheapest", "random", "oracle"], name="policy")
    )
    figure = figures.plot_policies(figures.compute_policies({"prefer_cost": table}), "here")
    assert {t.name: t.mode for t in figure.data} == {
        "ours": "markers",
        "cheapest": "markers",
        "random": "lines",
        "oracle": "lines",
    }
    assert len({(t.marker.symbol, t.marker.color) for t in figure.data if t.mode == "markers"}) == 2
    assert figure.data[-1].x.tolist() == [1.0]  # USD per 1,000


# Clusters


def two_clusters():
    trace = make_trace([[1.0, 0.5, 0.0]] * 3 + [[0.0, 0.5, 1.0]] * 2, 1.0, 1.0)
    x = np.repeat(np.eye(2), [3, 2], axis=0)
    return trace, x, Clusters(np.repeat([0, 1], [3, 2]), np.eye(2), np.array([0, 3]))


def test_cluster_winners_and_what_the_others_lose():
    trace, x, clusters = two_clusters()
    frame = figures.compute_cluster_winners(trace, x, clusters, n_resamples=20)
    wide = frame.pivot_table(index="cluster", columns="path_id", values="regret")
    first, _, last = trace.path_ids
    assert wide.columns.tolist() == [first, last]  # the middle one wins nowhere
    assert wide.loc[0].tolist() == [0.0, 1.0]
    assert wide.loc[1].tolist() == [1.0, 0.0]
    assert frame.loc[frame["overall_best"], "path_id"].unique().tolist() == [first]
    assert frame.groupby("cluster")["n"].first().tolist() == [3, 2]
    figure = figures.plot_cluster_winners(frame, "here")
    assert np.array(figure.data[0].text).tolist() == [["★", "<b>1.00</b>"], ["<b>1.00</b>", "★"]]
    assert list(figure.data[0].y) == ["text 0 (3)", "text 3 (2)"]
    assert "best of all" in figure.layout.xaxis.ticktext[0]
    with pytest.raises(LabError, match="of the trace's own 5 queries; got 4 embeddings"):
        figures.compute_cluster_winners(trace, x[:4], clusters)


def test_of_equal_winners_the_cheapest_counts():
    trace, x, clusters = two_clusters()
    trace.outcomes["quality"] = 1.0
    trace.outcomes["cost_usd"] = np.tile([3.0, 1.0, 2.0], 5)
    frame = figures.compute_cluster_winners(trace, x, clusters, n_resamples=5)
    assert frame["path_id"].unique().tolist() == [trace.path_ids[1]]


# Prices and network


def test_sensitivity_reprices_tokens_and_moves_the_network():
    slo = SLO(max_cost_usd=5e-3, max_latency_s=0.5)
    frame = figures.compute_sensitivity(
        declared_trace(), slo, price_factors=(1, 10), delays_s=(0.08, 0.5)
    )
    cases = frame.set_index(["price_factor", "delay_s"])
    assert cases["placement"].tolist() == [
        "mixed",
        "edge",
        "edge",
        "edge",
    ]  # ten times the price or half a second breaks a limit
    assert cases["mixed_share"].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert cases["declared"].tolist() == [True, False, False, False]
    assert cases.loc[(1, 0.08), "front_off_edge_share"] == 0.5
    cheap = figures.compute_sensitivity(
        declared_trace((1.0, 1.0)), price_factors=(0.0005, 1), delays_s=(0.08,)
    )
    assert cheap["mixed_share"].tolist() == [
        1.0,
        0.0,
    ]  # of equals the cheaper: 0.5e-6 against 1e-6 USD
    none = figures.compute_sensitivity(
        declared_trace(), SLO(max_latency_s=0.01), price_factors=(1,), delays_s=(0.08,)
    )
    assert none["path_id"].tolist() == [None]
    near = figures.compute_sensitivity(
        declared_trace(), SLO(max_latency_s=0.25), price_factors=(1,), delays_s=(0.02,)
    )
    assert near["placement"].tolist() == ["mixed"]  # 0.3 - 0.08 + 0.02 s
    figure = figures.plot_sensitivity(frame, "here")
    assert [list(row) for row in figure.data[0].z] == [[100.0, 0.0], [0.0, 0.0]]
    assert list(figure.data[1].text[0]) == ["mixed<br>1 of 2", "edge<br>1 of 2"]
    assert len(figure.layout.shapes) == 2  # the declared case is framed in both panels
    assert "none" in figures.plot_sensitivity(none, "here").data[1].text[0][0]


def test_sensitivity_needs_declared_prices_tokens_and_a_cloud():
    with pytest.raises(LabError, match="declares no price_in_usd_per_mtok"):
        figures.compute_sensitivity(two_paths())
    with pytest.raises(LabError, match="no path with a cloud model"):
        figures.compute_sensitivity(make_trace([[1.0]], 1.0, 1.0))
    with pytest.raises(LabError, match="no token counts"):
        figures.compute_sensitivity(declared_trace(tokens=np.nan))


# Stages


def test_contributions_of_an_additive_grid_are_worked_by_hand():
    quality = [[0.1, 0.7, 0.3, 0.9]] * 3  # retrieve adds 0.2, the model 0.6
    trace = stage_trace(quality, cost=[[1.0, 100.0, 1.0, 100.0]] * 3)
    frame = figures.compute_contribution(trace, n_resamples=20)
    cells = frame.set_index(["metric", "stage", "component"])
    assert cells.loc[("quality", "retrieve", "bm25-3"), "effect"] == pytest.approx(0.1)
    assert cells.loc[("quality", "generate", SMALL), "effect"] == pytest.approx(-0.3)
    assert cells.loc[("quality", "retrieve", "bm25-1"), "share"] == pytest.approx(
        0.1
    )  # 0.1² of 0.1² + 0.3²
    assert cells.loc[("quality", "together", ""), "share"] == pytest.approx(0, abs=1e-9)
    assert cells.loc[("cost_usd", "generate", LARGE), "effect"] == pytest.approx(10.0)
    assert cells.loc[("cost_usd", "generate", SMALL), "share"] == pytest.approx(1.0)
    assert "rewrite" not in frame["stage"].tolist()  # nothing varies there
    figure = figures.plot_contribution(frame, "here")
    bars = {t.name: t.x[0] for t in figure.data if t.type == "bar" and t.xaxis == "x"}
    assert bars["generate"] == pytest.approx(90)
    assert "quality, difference" in figure.layout.xaxis4.title.text


def test_what_stages_do_only_together_is_told_apart():
    frame = figures.compute_contribution(stage_trace([[0.0, 1.0, 1.0, 0.0]] * 2), n_resamples=5)
    share = frame[frame["metric"] == "quality"].set_index("stage")["share"]
    assert share["together"] == pytest.approx(1.0)
    with pytest.raises(LabError, match="same components"):
        figures.compute_contribution(make_trace([[1.0]], 1.0, 1.0))
    one = make_trace([[1.0]], 1.0, 1.0)
    plain_models = replace(one, outcomes=one.outcomes.assign(path_id="gpt"))
    with pytest.raises(LabError, match="by stage has the form rewrite"):
        figures.compute_contribution(plain_models)
    with pytest.raises(LabError, match="by stage has the form"):
        figures.compute_interplay(plain_models)


# What holds for all


@pytest.mark.parametrize(
    ("quality", "cost", "latency", "missing"),
    [
        (
            np.full((9, 1), 0.5),
            1e-6,
            0.1,
            {"contribution": "same components", "sensitivity": "no path with a cloud"},
        ),
        (np.full((1, 4), 0.5), 1e-6, 0.1, {"sensitivity": "declares no price"}),
        (np.eye(9, 4), np.nan, 0.1, {"sensitivity": "declares no price"}),
        (
            np.eye(9, 4),
            0.0,
            np.nan,
            {"latency": "no latency_s", "sensitivity": "declares no price"},
        ),
        (np.where(np.eye(9, 4) > 0, 0.5, np.nan), 1e-6, 0.1, {"sensitivity": "declares no price"}),
        (np.eye(9, 4), 1e-6, [[0.1, np.nan, 0.3, 0.4]], {"sensitivity": "declares no price"}),
    ],
    ids=[
        "one path",
        "one query",
        "no cost",
        "free, no latency",
        "a diagonal of outcomes",
        "a path without latency",
    ],
)
def test_a_poor_trace_is_drawn_or_the_message_says_what_is_missing(quality, cost, latency, missing):
    trace = make_trace(quality, cost, latency)
    for name in ("front", "latency", "contribution", "sensitivity"):
        compute, plot = getattr(figures, f"compute_{name}"), getattr(figures, f"plot_{name}")
        if name in missing:
            with pytest.raises(LabError, match=missing[name]):
                compute(trace)
        else:
            assert plot(compute(trace), "here").to_json()
    with_intervals = figures.compute_front(trace, n_resamples=20)
    assert (with_intervals["quality_low"].isna() == with_intervals["quality"].isna()).all()


def test_a_narrow_logarithmic_axis_has_more_ticks():
    ticks = [style.decades(pd.Series([0.02, most]))["ticktext"] for most in (0.3, 20.0)]
    assert ticks[0][:4] == ["0.01", "0.02", "0.05", "0.1"]
    assert ticks[1] == ["0.01", "0.1", "1", "10", "100"]
    assert style.decades(pd.Series([1e-6, 1.0])) == style.LOG


@pytest.fixture(scope="module")
def drawn():
    """Every compute/plot pair on a part of the measured trace: name → (frame, plot)."""
    trace = thinned(Trace.load("data/traces/smart_home.parquet"), 70, 100)
    embeddings = np.random.default_rng(0).normal(size=(len(trace.query_ids), 6)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    clusters = find_clusters(embeddings)
    policies = [
        fit_policy(trace, name, embeddings=embeddings) for name in ("ours", "best_single", "random")
    ]
    slo = study_slos(trace)["prefer_quality"]
    priced_slos = [*figures.slo_grid(trace, "cost_usd", n=3), SLO()]
    timed = figures.slo_grid(trace, n=3)
    frames = {
        "front": figures.compute_front(trace, n_resamples=20),
        "latency": figures.compute_latency(trace),
        "stage_latency": figures.compute_stage_latency(trace),
        "attainment": figures.compute_attainment(policies, trace, timed, embeddings=embeddings),
        "choice_mix": figures.compute_choice_mix(policies, trace, timed, embeddings=embeddings),
        "equal": figures.compute_equal(
            [*policies, "oracle"], trace, priced_slos, embeddings=embeddings, n_resamples=20
        ),
        "cluster_map": figures.compute_cluster_map(trace, embeddings, clusters),
        "cluster_winners": figures.compute_cluster_winners(
            trace, embeddings, clusters, n_resamples=20
        ),
        "sensitivity": figures.compute_sensitivity(trace, slo),
        "contribution": figures.compute_contribution(trace, n_resamples=20),
        "interplay": figures.compute_interplay(trace),
        "whole_paths": figures.compute_whole_paths(trace, n_budgets=10),
    }
    return {name: (frame, getattr(figures, f"plot_{name}")) for name, frame in frames.items()}


def test_every_figure_asks_a_question_names_its_units_and_its_source(drawn):
    for name, (frame, plot) in drawn.items():
        before = frame.copy()
        figure = plot(frame, "measured <b>here</b>")
        pd.testing.assert_frame_equal(frame, before)
        assert "?" in figure.layout.title.text, name
        assert figure.layout.annotations[-1].text == "Source: measured &lt;b&gt;here&lt;/b&gt;", (
            name
        )
        titles = [
            figure.layout[axis].title.text for axis in figure.layout if axis.startswith("xaxis")
        ]
        assert any(titles), name
        for title in filter(None, titles):
            assert any(
                unit in title
                for unit in ("(s", "(ms)", "USD", "×", "quality", "no unit", "passages", "path:")
            ), (name, title)
        assert figure.to_plotly_json()["data"], name
        assert any(t.hovertemplate or t.hoverinfo == "skip" for t in figure.data), name


def test_hover_says_how_many_queries(drawn):
    n = str(len(drawn["cluster_map"][0]))
    for name in (
        "front",
        "latency",
        "stage_latency",
        "attainment",
        "choice_mix",
        "equal",
        "sensitivity",
        "contribution",
        "whole_paths",
    ):
        frame, plot = drawn[name]
        cards = [
            str(np.asarray(part, dtype=object).tolist())
            for t in plot(frame, "here").data
            for part in (t.customdata, t.text, t.hovertemplate)
            if part is not None
        ]
        assert any(n in card for card in cards), name


def test_the_order_of_outcomes_changes_no_frame():
    rng = np.random.default_rng(1)
    trace = declared_trace()
    stages = {
        f"{stage}_s": [0.0, 0.01] * 4 for stage in ("rewrite", "retrieve", "refine", "generate")
    }
    trace = replace(trace, outcomes=trace.outcomes.assign(**stages))
    shuffled = replace(trace, outcomes=trace.outcomes.sample(frac=1, random_state=rng))
    for compute in (
        lambda t: figures.compute_front(t, n_resamples=20),
        figures.compute_latency,
        figures.compute_stage_latency,
        figures.compute_sensitivity,
    ):
        one, other = (
            f.sort_values(
                f.select_dtypes("str").columns.tolist() or f.columns[0], ignore_index=True
            )
            for f in (compute(trace), compute(shuffled))
        )
        pd.testing.assert_frame_equal(one, other, check_exact=False)
    grid = stage_trace([[0.1, 0.7, 0.3, 0.8]] * 2)
    turned = replace(grid, outcomes=grid.outcomes.iloc[::-1])
    one, other = (
        figures.compute_contribution(t, n_resamples=9).sort_values(
            ["metric", "stage", "component"], ignore_index=True
        )
        for t in (grid, turned)
    )
    pd.testing.assert_frame_equal(one, other)


def test_pages_open_alone(drawn, tmp_path):
    frame, plot = drawn["interplay"]
    one, two = plot(frame, "first source"), plot(frame, "second source")
    files = figures.write_pages({"smart_home": {"one": one, "two": two}, "none": {}}, tmp_path)
    assert [f.name for f in files] == ["smart_home_one.html", "smart_home_two.html", "index.html"]
    for file in files:
        page = file.read_text()
        assert page.count("plotly.js v") == 1, file  # the library itself, once
        assert "<script src=" not in page
        assert '"showSendToCloud": false' in page
    assert "first source" in page
    assert "second source" in page
    assert 'href="smart_home_two.html"' in page


def test_the_page_about_figures_names_every_one():
    named = set(re.findall(r"`((?:plot|compute)_\w+)`", Path("docs/figures.md").read_text()))
    assert named == {name for name in figures.__all__ if name.startswith(("plot_", "compute_"))}


@pytest.mark.skipif(find_chromium() is None, reason="needs Chromium")
def test_a_picture_is_as_tall_as_its_figure(drawn, tmp_path):
    frame, plot = drawn["stage_latency"]
    figure = plot(frame, "here")
    figures.write_pages({"smart_home": {"stage_latency": figure}}, tmp_path)
    main(["smart_home_stage_latency"], tmp_path)
    data = (tmp_path / "smart_home_stage_latency.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (
        WIDTH,
        figure.layout.height,
    )
    assert len(data) > 10_000
    with pytest.raises(SystemExit, match="No figure 'smart_home_speed'"):
        main(["smart_home_speed"], tmp_path)
