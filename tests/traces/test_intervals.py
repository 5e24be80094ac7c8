import numpy as np
import pytest

from ecollm_lab.traces import intervals

NAN = np.nan


def test_means_and_percentiles_pass_over_what_is_not_recorded():
    values = np.array([[1.0, NAN, NAN], [2.0, 4.0, NAN], [6.0, 8.0, NAN]])
    np.testing.assert_array_equal(intervals.means(values), [3.0, 6.0, NAN])
    np.testing.assert_array_equal(intervals.means(values, axis=1), [1.0, 3.0, 7.0])
    np.testing.assert_array_equal(intervals.percentiles(values, 0.5), [2.0, 6.0, NAN])
    np.testing.assert_array_equal(intervals.percentiles(values, 0.75), [4.0, 7.0, NAN])


@pytest.mark.parametrize("seed", range(10))
def test_percentiles_agree_with_numpy(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(13, 4, 3))
    values[1:, 1:, 1:][rng.random((12, 3, 2)) < 0.4] = NAN
    for axis in (0, 1, 2):
        np.testing.assert_allclose(
            intervals.percentiles(values, 0.95, axis=axis),
            np.nanquantile(values, 0.95, axis=axis),
            err_msg=str(seed),
        )


def test_the_same_draws_make_the_difference_of_two_paths_certain():
    values = np.random.default_rng(0).random((50, 1)) + np.array([0.0, 0.1])
    counts = intervals.bootstrap_counts(50, 200, seed=1)
    assert (counts.sum(axis=1) == 50).all()
    resampled = intervals.resampled_means(values, counts)
    low, high = intervals.interval(resampled[:, 1] - resampled[:, 0])
    assert low == pytest.approx(0.1)
    assert high == pytest.approx(0.1)
    rows = intervals.drawn_rows(50, 200, seed=1)
    assert rows.shape == (200, 50)
    assert set(np.unique(rows)) <= set(range(50))


def test_an_interval_holds_the_middle_and_counts_only_values():
    low, high = intervals.interval(np.arange(1001.0))
    assert (low, high) == (25.0, 975.0)
    patchy = np.array([[0.0, NAN, NAN], [1.0, 2.0, NAN]])
    low, high = intervals.interval(patchy)
    np.testing.assert_allclose(low, [0.025, 2.0, NAN])
    np.testing.assert_allclose(high, [0.975, 2.0, NAN])
