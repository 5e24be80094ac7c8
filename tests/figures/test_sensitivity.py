"""Other prices and another network."""

import numpy as np
import pytest

from ecollm_lab import figures
from ecollm_lab.records import SLO, LabError
from tests.conftest import make_trace
from tests.support.traces import declared_trace, two_paths


def test_sensitivity_reprices_tokens_and_moves_the_network():
    slo = SLO(max_cost_usd=5e-3, max_latency_s=0.5)
    frame = figures.sensitivity.compute_sensitivity(
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
    cheap = figures.sensitivity.compute_sensitivity(
        declared_trace((1.0, 1.0)), price_factors=(0.0005, 1), delays_s=(0.08,)
    )
    assert cheap["mixed_share"].tolist() == [
        1.0,
        0.0,
    ]  # of equals the cheaper: 0.5e-6 against 1e-6 USD
    none = figures.sensitivity.compute_sensitivity(
        declared_trace(), SLO(max_latency_s=0.01), price_factors=(1,), delays_s=(0.08,)
    )
    assert none["path_id"].tolist() == [None]
    near = figures.sensitivity.compute_sensitivity(
        declared_trace(), SLO(max_latency_s=0.25), price_factors=(1,), delays_s=(0.02,)
    )
    assert near["placement"].tolist() == ["mixed"]  # 0.3 - 0.08 + 0.02 s
    figure = figures.sensitivity.plot_sensitivity(frame, "here")
    assert [list(row) for row in figure.data[0].z] == [[100.0, 0.0], [0.0, 0.0]]
    assert list(figure.data[1].text[0]) == ["mixed<br>1 of 2", "edge<br>1 of 2"]
    assert len(figure.layout.shapes) == 2  # the declared case is framed in both panels
    assert "none" in figures.sensitivity.plot_sensitivity(none, "here").data[1].text[0][0]


def test_sensitivity_needs_declared_prices_tokens_and_a_cloud():
    with pytest.raises(LabError, match="declares no price_in_usd_per_mtok"):
        figures.sensitivity.compute_sensitivity(two_paths())
    with pytest.raises(LabError, match="no path with a cloud model"):
        figures.sensitivity.compute_sensitivity(make_trace([[1.0]], 1.0, 1.0))
    with pytest.raises(LabError, match="no token counts"):
        figures.sensitivity.compute_sensitivity(declared_trace(tokens=np.nan))
