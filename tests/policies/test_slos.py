"""The SLOs that policies are compared under."""

import numpy as np
import pandas as pd
import pytest

from ecollm_lab.policies.slos import slo_grid, study_slos
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace
from tests.conftest import make_trace


def test_limits_of_the_study_weigh_edge_and_cloud_alike_however_many_paths_they_have():
    """Nine edge paths of 1 to 9 s, three of the cloud of 10, 20, 30 s: the upper quartile is the
    middle one of the cloud.
    """
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


def test_limits_of_the_study_need_costs_and_latencies():
    trace = make_trace([[1.0, 0.5]] * 4, np.nan, 0.1)
    with pytest.raises(LabError, match="need the cost_usd of every path"):
        study_slos(trace)
    for cost, latency, told in ((0.0, 0.1, "cost_usd"), (1.0, 0.0, "latency_s")):
        with pytest.raises(LabError, match=f"The trace has no {told} above 0"):
            study_slos(make_trace([[1.0, 0.5]] * 4, cost, latency))


def test_the_slo_grid_lies_between_the_paths(measured):
    train = measured.split("train")
    for column in ("latency_s", "cost_usd"):
        limits = np.array([getattr(slo, f"max_{column}") for slo in slo_grid(train, column)])
        tails = np.nanquantile(train.array(column), 0.95, axis=0)
        assert (np.diff(limits) > 0).all()
        assert 6 <= len(limits) <= 12
        assert not np.isin(limits, tails).any()
        assert limits[0] > tails.min()
    assert [slo.max_cost_usd for slo in slo_grid(train, n=2, slo=SLO(max_cost_usd=1.0))] == [
        1.0,
        1.0,
    ]
    with pytest.raises(LabError, match="no latency_s above 0"):
        slo_grid(make_trace([[1.0]], 1.0, np.nan))
