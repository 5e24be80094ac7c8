"""The regression over queries and paths, against doing it the slow way."""

import numpy as np
import pytest

from ecollm_lab.policies.fitting import regression
from ecollm_lab.policies.fitting.regression import (
    LINEAR,
    centred,
    fit_regression,
    kernel,
    mean_left_out,
    stacked,
)


def signal(seed, n=40, n_topics=3):
    """Paths of two stages whose components suit topics; several queries share a text."""
    rng = np.random.default_rng(seed)
    paths = [f"{a}/{b}" for a in "uvw" for b in "xyz"]
    topic = rng.integers(n_topics, size=n)
    embeddings = np.eye(8)[topic] + 0.1 * rng.standard_normal((n, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    likes = rng.standard_normal((n_topics, 3, 1)) + rng.standard_normal((n_topics, 1, 3))
    y = likes.reshape(n_topics, 9)[topic] + rng.standard_normal((n, 9))
    return embeddings, y - y.mean(axis=0), paths, rng.integers(n // 2, size=n)


@pytest.mark.parametrize("bandwidths", [regression.BANDWIDTHS, [LINEAR]], ids=["radial", "linear"])
@pytest.mark.parametrize("sharing", ["none", "learned"])
def test_left_out_predictions_are_those_of_a_fit_without_the_group(
    sharing, bandwidths, monkeypatch
):
    embeddings, residual, paths, groups = signal(0)
    monkeypatch.setattr(regression, "SHARINGS", (sharing,))
    fitted = fit_regression(embeddings, residual, paths, groups, bandwidths)
    y = centred(residual)
    between = regression._covariance(sharing, y, paths)
    for g in np.unique(groups)[:6]:
        rest = groups != g
        seen = 1e4 + kernel(
            embeddings[rest], embeddings[rest], fitted.bandwidth
        )  # a constant of nearly any size: the intercept
        gram = np.kron(seen, between) + fitted.noise * np.eye(rest.sum() * 9)
        weights = np.linalg.solve(gram, y[rest].ravel()).reshape(-1, 9)
        predicted = (
            (1e4 + kernel(embeddings[~rest], embeddings[rest], fitted.bandwidth))
            @ weights
            @ between
        )
        predicted -= predicted.mean(axis=1, keepdims=True)
        assert np.allclose(fitted.left_out[~rest], predicted, atol=1e-2)


def test_sharing_between_related_paths_is_found_where_it_is_and_not_where_it_is_not():
    embeddings, residual, paths, _ = signal(1, n=80)
    assert fit_regression(embeddings, residual, paths, np.arange(80)).sharing == "learned"


def test_means_left_out_by_hand():
    y = np.array([[3.0, -3.0], [1.0, -1.0], [-4.0, 4.0]])
    np.testing.assert_allclose(mean_left_out(y, np.array([0, 0, 1])), [[-4, 4], [-4, 4], [2, -2]])


def test_stacking_finds_the_weights_and_leaves_out_what_does_not_help():
    rng = np.random.default_rng(0)
    good, other, useless = rng.standard_normal((3, 200, 5))
    weights = stacked([good, useless, -other, other], 0.7 * good + 0.2 * other)
    np.testing.assert_allclose(weights, [0.7, 0, 0, 0.2], atol=1e-9)


def test_landmarks_stand_for_many_queries(monkeypatch):
    embeddings, residual, paths, _ = signal(2, n=150)
    whole = fit_regression(embeddings, residual, paths, np.arange(150))
    monkeypatch.setattr(regression, "MOST_LANDMARKS", 40)
    few = fit_regression(embeddings, residual, paths, np.arange(150))
    assert len(few.landmarks) == 40
    fresh = signal(3)[0]
    assert np.corrcoef(whole.predict(fresh).ravel(), few.predict(fresh).ravel())[0, 1] > 0.98
