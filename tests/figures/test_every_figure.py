"""What holds for every figure."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from plotly.subplots import make_subplots

from ecollm_lab import figures
from ecollm_lab.domains.clusters import find_clusters
from ecollm_lab.figures import axes
from ecollm_lab.policies import POLICIES, fit_policy
from ecollm_lab.policies.slos import slo_grid, study_slos
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace
from scripts.browser import find_chromium
from scripts.pictures import WIDTH, main
from tests.conftest import make_trace, thinned
from tests.support.traces import (
    declared_trace,
    stage_trace,
)

HOMES = {
    "front": figures.fronts,
    "latency": figures.latencies,
    "contribution": figures.stages,
    "sensitivity": figures.sensitivity,
}


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
    for name, module in HOMES.items():
        compute, plot = getattr(module, f"compute_{name}"), getattr(module, f"plot_{name}")
        if name in missing:
            with pytest.raises(LabError, match=missing[name]):
                compute(trace)
        else:
            assert plot(compute(trace), "here").to_json()
    with_intervals = figures.fronts.compute_front(trace, n_resamples=20)
    assert (with_intervals["quality_low"].isna() == with_intervals["quality"].isna()).all()


def test_a_logarithmic_axis_has_three_labels_or_more():
    ticks = [axes.log_axis([0.02, most], "s")["ticktext"] for most in (0.0201, 0.03, 0.3, 20.0)]
    assert ticks[2:] == [["0.02", "0.05", "0.1", "0.2"], ["0.1", "1", "10"]]
    assert ticks[1] == ["0.02", "0.022", "0.024", "0.026", "0.028", "0.03"]
    assert len(ticks[0]) >= 3
    assert axes.log_axis([1e-6, 1.0], "s")["dtick"] == 1


@pytest.fixture(scope="module")
def drawn():
    """Every compute/plot pair on a part of the measured trace: name → (frame, plot)."""
    trace = thinned(Trace.load("data/benchmarks/pocket_smart_home.parquet"), 70, 100)
    embeddings = np.random.default_rng(0).normal(size=(len(trace.query_ids), 6)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    clusters = find_clusters(embeddings)
    policies = [
        fit_policy(trace, name, embeddings=embeddings) for name in ("ours", "best_single", "random")
    ]
    slo = study_slos(trace)["prefer_quality"]
    priced_slos = [*slo_grid(trace, "cost_usd", n=3), SLO()]
    timed = slo_grid(trace, n=3)
    frames = {
        "front": figures.fronts.compute_front(trace, n_resamples=20),
        "latency": figures.latencies.compute_latency(trace),
        "stage_latency": figures.latencies.compute_stage_latency(trace),
        "attainment": figures.slos.compute_attainment(
            policies, trace, timed, embeddings=embeddings
        ),
        "choice_mix": figures.slos.compute_choice_mix(
            policies, trace, timed, embeddings=embeddings
        ),
        "equal": figures.comparisons.compute_equal(
            [*policies, "oracle"], trace, priced_slos, embeddings=embeddings, n_resamples=20
        ),
        "cluster_map": figures.clusters.compute_cluster_map(trace, embeddings, clusters),
        "cluster_winners": figures.clusters.compute_cluster_winners(
            trace, embeddings, clusters, n_resamples=20
        ),
        "sensitivity": figures.sensitivity.compute_sensitivity(trace, slo),
        "contribution": figures.stages.compute_contribution(trace, n_resamples=20),
        "passages": figures.stages.compute_passages(trace),
        "whole_paths": figures.whole_paths.compute_whole_paths(trace, n_budgets=10),
    }
    modules = [getattr(figures, name) for name in figures.__all__]
    plots = {name: plot for module in modules for name, plot in vars(module).items()}
    return {name: (frame, plots[f"plot_{name}"]) for name, frame in frames.items()}


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
                for unit in ("(s", "(ms", "USD", "×", "quality", "no unit", "passages", "path:")
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
        lambda t: figures.fronts.compute_front(t, n_resamples=20),
        figures.latencies.compute_latency,
        figures.latencies.compute_stage_latency,
        figures.sensitivity.compute_sensitivity,
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
        figures.stages.compute_contribution(t, n_resamples=9).sort_values(
            ["metric", "stage", "component"], ignore_index=True
        )
        for t in (grid, turned)
    )
    pd.testing.assert_frame_equal(one, other)


def test_pages_open_alone(drawn, tmp_path):
    frame, plot = drawn["passages"]
    one, two = plot(frame, "first source"), plot(frame, "second source")
    files = figures.pages.write_pages(
        {"smart_home": {"one": one, "two": two}, "none": {}}, tmp_path
    )
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
    modules = [getattr(figures, name) for name in figures.__all__]
    here = {name for module in modules for name in vars(module)}
    assert named == {name for name in here if name.startswith(("plot_", "compute_"))}


@pytest.mark.skipif(find_chromium() is None, reason="needs Chromium")
def test_a_picture_is_as_tall_as_its_figure(drawn, tmp_path):
    frame, plot = drawn["stage_latency"]
    figure = plot(frame, "here")
    figures.pages.write_pages({"smart_home": {"stage_latency": figure}}, tmp_path)
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


def text_sizes(part, inside=""):
    """Every size of text that a figure sets, with where it is set."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "size" and inside.endswith("font"):
                yield from ((inside, size) for size in np.atleast_1d(value))
            else:
                yield from text_sizes(value, key if key.endswith("font") else f"{inside}.{key}")
    elif isinstance(part, (list, tuple)):
        for one in part:
            yield from text_sizes(one, inside)


def test_no_text_is_smaller_than_nine_pixels(drawn):
    for name, (frame, plot) in drawn.items():
        figure = plot(frame, "here")
        found = list(text_sizes(figure.to_plotly_json()))
        assert found, name
        assert [one for one in found if one[1] < 9] == [], name
        assert figure.layout.uniformtext.minsize == 9, name


def test_the_strip_of_what_is_free_is_there_before_any_point():
    figure = make_subplots(1, 2)
    axes.mark_zero(figure, 0.1, 2)
    (strip,) = figure.layout.shapes
    assert (strip.xref, strip.x0 < 0.1 < strip.x1) == ("x2", True)


def test_every_policy_has_a_look_of_its_own_and_no_figure_can_be_uploaded(drawn):
    looks = [figures.style.policy_look(name)[:2] for name in (*POLICIES, "oracle")]
    assert len(set(looks)) == len(looks)
    assert set(POLICIES) <= set(figures.style.POLICIES)
    for frame, plot in drawn.values():
        assert "sendChartToCloud" in plot(frame, "here").layout.modebar.remove
