import numpy as np
import pytest

from ecollm_lab.records import LabError
from ecollm_lab.traces import hypervolume, is_on_front, pareto_front
from tests.conftest import make_trace


def naive(points):
    better = points * [-1, 1, 1]
    return np.array([not any((o <= p).all() and (o < p).any() for o in better) for p in better])


@pytest.mark.parametrize("seed", range(20))
def test_the_front_agrees_with_the_definition(seed):
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 5, (40, 3)).astype(float)  # many ties
    points.setflags(write=False)
    mask = is_on_front(points)
    np.testing.assert_array_equal(mask, naive(points))
    order = rng.permutation(len(points))
    np.testing.assert_array_equal(is_on_front(points[order]), mask[order])
    worse = points[0] + [-1, 1, 1]
    np.testing.assert_array_equal(is_on_front(np.vstack([points, worse])), [*mask, False])


def test_nan_is_never_on_the_front_and_dominates_nothing():
    assert is_on_front(np.array([[np.nan, 0, 0], [0.1, 1, 1]])).tolist() == [False, True]
    assert is_on_front(np.full((2, 3), np.nan)).tolist() == [False, False]
    with pytest.raises(LabError, match=r"\(n, 3\)"):
        is_on_front(np.zeros((2, 2)))


def test_hypervolume_by_hand():
    points = np.array([[0.5, 1.0, 1.0], [1.0, 2.0, 1.0], [np.nan, 0, 0]])
    # boxes down to quality 0, up to cost 3 and latency 2: 0.5·2·1 + 1·1·1 - 0.5·1·1
    assert hypervolume(points, np.array([0.0, 3.0, 2.0])) == pytest.approx(1.5)


def test_the_front_of_a_trace():
    frame = pareto_front(make_trace([[1, 0, 1], [1, 1, 0]], [[3.0, 1.0, 3.0]], [[1.0, 1.0, 1.0]]))
    assert frame["on_front"].tolist() == [True, True, False]
    assert frame["quality"].tolist() == [1.0, 0.5, 0.5]
    assert frame["cost_usd"].tolist() == [3.0, 1.0, 3.0]
    with pytest.raises(LabError, match=r"trace must be a Trace, got DataFrame.*Trace\.from_frame"):
        pareto_front(frame)


@pytest.mark.parametrize(
    ("cost", "latency", "on_front"),
    [
        ([[1.0, 2.0, 3.0]], np.nan, [True, True, False]),
        (np.nan, [[3.0, 1.0, 4.0]], [True, True, False]),
        (np.nan, np.nan, [True, False, False]),
        ([[np.nan, 2.0, 3.0]], np.nan, [False, True, False]),  # one path's cost is unknown
    ],
)
def test_an_objective_that_nobody_recorded_does_not_count(cost, latency, on_front):
    if np.isscalar(latency) and not np.isscalar(cost):
        quality = [[0.8, 0.9, 0.7]]
    else:
        quality = [[0.9, 0.8, 0.7]]
    trace = make_trace(quality, cost, latency)
    state = pareto_front(trace).set_index("path_id")["on_front"]
    assert state[trace.path_ids].tolist() == on_front
