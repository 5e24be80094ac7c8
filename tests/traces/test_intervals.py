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


def test_whole_groups_are_drawn_as_often_as_there_are_groups(monkeypatch):
    groups = np.array([0, 1, 1, 2, 2, 2])
    counts = np.vstack(list(intervals.group_counts(groups, 300, seed=3)))
    for group in range(3):
        part = counts[:, groups == group]
        assert (part == part[:, :1]).all()
    one_of_each = [0, 1, 3]
    assert (counts[:, one_of_each].sum(axis=1) == 3).all()
    assert len(np.unique(counts.sum(axis=1))) > 1
    monkeypatch.setattr(intervals, "_AT_ONCE", 23)
    blocks = list(intervals.group_counts(groups, 10, seed=3))
    assert [len(block) for block in blocks] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.vstack(blocks), counts[:10])


def test_weights_sum_to_one_and_are_alike_in_the_first_row():
    weights = intervals.group_weights(np.array([0, 0, 1]), 20, seed=1)
    assert weights.shape == (21, 3)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(weights[0], 1 / 3)
    assert (weights[:, 0] == weights[:, 1]).all()


def test_counted_percentiles_are_those_of_repeated_values():
    rng = np.random.default_rng(4)
    values, counts = np.sort(rng.random(30)), rng.integers(0, 4, (100, 30))
    for q in (0.0, 0.5, 0.95, 1.0):
        np.testing.assert_allclose(
            intervals.counted_percentiles(values, counts, q),
            [np.quantile(np.repeat(values, row), q) for row in counts],
        )


def test_groups_have_the_means_and_percentiles_of_their_values():
    rng = np.random.default_rng(2)
    values = np.where(rng.random(200) < 0.3, np.nan, rng.random(200))
    groups = rng.integers(0, 6, 200)
    values[groups == 4] = np.nan
    sizes = np.bincount(groups, minlength=7)
    means = intervals.grouped_means(values, groups, 7)
    tails = intervals.grouped_percentiles(values, groups, sizes, 0.95)
    for group in range(7):
        mine = values[groups == group][:, None]
        assert means[group] == pytest.approx(*intervals.means(mine), nan_ok=True)
        recorded = mine[~np.isnan(mine)]
        tail = np.quantile(recorded, 0.95) if len(recorded) else np.nan
        assert tails[group] == pytest.approx(tail, nan_ok=True)
