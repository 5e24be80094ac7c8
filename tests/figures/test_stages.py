"""What stages contribute, and which choices go together."""

from dataclasses import replace

import pytest

from ecollm_lab import figures
from ecollm_lab.records import LabError
from tests.conftest import LARGE, SMALL, make_trace
from tests.support.traces import (
    source_of,
    stage_trace,
)


def test_contributions_of_an_additive_grid_are_worked_by_hand():
    quality = [[0.1, 0.7, 0.3, 0.9]] * 3  # retrieve adds 0.2, the model 0.6
    trace = stage_trace(quality, cost=[[1.0, 100.0, 1.0, 100.0]] * 3)
    frame = figures.stages.compute_contribution(trace, n_resamples=20)
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
    figure = figures.stages.plot_contribution(frame, "here")
    bars = {t.name: t.x[0] for t in figure.data if t.type == "bar" and t.xaxis == "x"}
    assert bars["generate"] == pytest.approx(90)
    inks = {t.name: t.textfont.color for t in figure.data if t.type == "bar"}
    assert (inks["generate"], inks["retrieve"]) == ("#000000", "white")  # on orange, on blue
    assert "quality, difference" in figure.layout.xaxis4.title.text


def test_what_stages_do_only_together_is_told_apart():
    frame = figures.stages.compute_contribution(
        stage_trace([[0.0, 1.0, 1.0, 0.0]] * 2), n_resamples=5
    )
    share = frame[frame["metric"] == "quality"].set_index("stage")["share"]
    assert share["together"] == pytest.approx(1.0)
    with pytest.raises(LabError, match="same components"):
        figures.stages.compute_contribution(make_trace([[1.0]], 1.0, 1.0))
    one = make_trace([[1.0]], 1.0, 1.0)
    plain_models = replace(one, outcomes=one.outcomes.assign(path_id="gpt"))
    with pytest.raises(LabError, match="by stage has the form rewrite"):
        figures.stages.compute_contribution(plain_models)
    with pytest.raises(LabError, match="by stage has the form"):
        figures.stages.compute_passages(plain_models)


def test_the_interplay_figure_averages_by_kind_model_and_passages(measured):
    frame = figures.stages.compute_passages(measured)
    row = frame[
        (frame["kind"] == "lookup") & (frame["model"] == "pocket-s-f16") & (frame["passages"] == 3)
    ].iloc[0]
    lookup = measured.where(measured.queries["kind"] == "lookup")
    columns = [
        i
        for i, p in enumerate(lookup.path_ids)
        if p in {f"none/{found}-3/none/pocket-s-f16" for found in ("bm25", "dense", "hybrid")}
    ]
    assert len(columns) == 3  # not those that rewrite
    assert row["mean"] == pytest.approx(lookup.array("quality")[:, columns].mean())
    figure = figures.stages.plot_passages(frame, "here")
    assert {t.name for t in figure.data if t.showlegend is False} == set(frame["model"])
    assert source_of(figure) == "Source: here"
