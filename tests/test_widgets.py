import json

import numpy as np
import pytest

from ecollm_lab import explore
from ecollm_lab.figures import compute_front, plot_front
from ecollm_lab.fitting import fit_policy
from ecollm_lab.records import SLO
from tests.conftest import make_trace


def drag(slider, limit):
    """Move a slider to its last position not above a limit."""
    slider.value = max(v for _, v in slider.options if v <= limit)


def opacity(explorer):
    return {p: o for t in explorer.figure.data if t.customdata is not None for p, o in zip(t.customdata, t.marker.opacity, strict=True)}


def test_it_starts_at_the_best_path_without_limits(measured):
    explorer = explore(measured)
    assert explorer.slo == SLO()
    assert explorer.chosen == fit_policy(measured, "best_single").select(np.zeros((1, 2)), SLO())[0]
    assert explorer.chosen in explorer.sentence.value


@pytest.mark.parametrize("prefer", ["quality", "cost", "latency"])
def test_a_slider_moves_the_region_the_choice_and_the_sentence(measured, prefer):
    explorer = explore(measured)
    explorer.prefer.value = prefer
    f = explorer.frame
    for share in (0.9, 0.5, 0.2):
        drag(explorer.latency, f["latency_s"].quantile(share))
        limit = explorer.slo.max_latency_s
        within = f[f["latency_s"] <= limit]
        assert explorer.chosen in set(within["path_id"])
        chosen = within[within["path_id"] == explorer.chosen].iloc[0]
        if prefer == "quality":
            assert chosen["quality"] == within["quality"].max()
        else:
            near = within[within["quality"] >= within["quality"].max() - 0.02]
            assert (
                chosen[{"cost": "cost_usd", "latency": "latency_s"}[prefer]]
                == near[{"cost": "cost_usd", "latency": "latency_s"}[prefer]].min()
            )
        faint = {p for p, o in opacity(explorer).items() if o < 0.2}
        assert faint == set(f["path_id"]) - set(within["path_id"])
        assert explorer.figure.layout.shapes[1].x0 == limit
        assert f"{len(within)} of {len(f)} paths" in explorer.sentence.value
        halo = [t for t in explorer.figure.data if t.name == "chosen"]
        assert [t.y[0] for t in halo] == [chosen["quality"]] * 2


def test_an_infeasible_slo_says_so_and_takes_the_halo_away(measured):
    explorer = explore(measured)
    drag(explorer.cost, explorer.frame["usd_per_1k"].min())
    drag(explorer.latency, explorer.frame["latency_s"].min())
    assert explorer.chosen is None
    assert "Infeasible" in explorer.sentence.value
    assert all(len(t.x) == 0 for t in explorer.figure.data if t.name == "chosen")
    explorer.latency.value = explorer.cost.value = np.inf
    assert explorer.chosen is not None


def test_a_quality_floor_is_part_of_the_slo(measured):
    explorer = explore(measured)
    explorer.prefer.value = "cost"
    explorer.min_quality.value = 0.5
    f = explorer.frame
    assert f.set_index("path_id").loc[explorer.chosen, "cost_usd"] == f.loc[f["quality"] >= 0.5, "cost_usd"].min()
    explorer.min_quality.value = 1.0
    assert explorer.chosen is None or f.set_index("path_id").loc[explorer.chosen, "quality"] == 1.0


def test_one_path_is_enough():
    explorer = explore(make_trace([[1.0], [0.0]], 1e-6, 0.1))
    assert explorer.chosen == "none/bm25-1/none/pocket-s"


def test_no_button_sends_the_chart_to_a_cloud(measured):
    assert explore(measured).figure._config["showSendToCloud"] is False


def test_without_limits_all_that_goes_to_the_browser_is_plain_json(measured):
    shapes = explore(measured).figure.layout.to_plotly_json()["shapes"]
    assert json.loads(json.dumps(shapes, allow_nan=False)) == shapes
    assert [shape["visible"] for shape in shapes] == [False, False]
    static = plot_front(compute_front(measured), measured.source_line).layout.to_plotly_json()["shapes"]
    assert json.loads(json.dumps(static, allow_nan=False)) == static
