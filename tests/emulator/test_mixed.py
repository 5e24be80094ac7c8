import numpy as np
import pytest

from ecollm_lab.emulator.design import Design
from ecollm_lab.emulator.mixed import NOISY, MixedModel


def table(n_queries, sizes, seen, seed):
    """A sparse table over a space of stages, with its design."""
    rng = np.random.default_rng(seed)
    ids = [f"{a}/{b}-{k}/m" for a in range(sizes[0]) for b in ("x", "y") for k in range(sizes[1])]
    embeddings = rng.standard_normal((n_queries, 6))
    labels = np.arange(n_queries) % 2
    y = rng.standard_normal((n_queries, len(ids)))
    y[rng.random(y.shape) > seen] = np.nan
    return y, Design.over(ids, embeddings, labels)


@pytest.mark.parametrize("most_effects", [4000, 0], ids=["at once", "by iteration"])
@pytest.mark.parametrize(
    "n_queries", [7, 40]
)  # fewer and more than the 12 paths: either block is integrated out
@pytest.mark.parametrize("seed", range(3))
def test_the_posterior_is_that_of_ordinary_bayesian_regression(
    n_queries, seed, most_effects, monkeypatch
):
    monkeypatch.setattr("ecollm_lab.emulator.mixed.MOST_EFFECTS", most_effects)
    y, design = table(n_queries, (3, 2), 0.4, seed)
    y[0] = np.nan  # a query that was never asked
    model = MixedModel(design)
    start = model.variances.copy()
    model.fit(y, rng=np.random.default_rng(seed), n_draws=4000)
    rows, columns = np.nonzero(~np.isnan(y))
    seen = y[rows, columns]
    z = (seen - seen.mean()) / seen.std()
    of_path = design.slopes.toarray()[columns]
    slopes = (design.basis[rows][:, :, None] * of_path[:, None, :]).reshape(len(rows), -1)
    x = np.hstack(
        [np.ones((len(rows), 1)), design.main.toarray()[columns], slopes, np.eye(n_queries)[rows]]
    )
    prior = np.concatenate([[1e-4], 1 / start[model._group], np.full(n_queries, 1 / start[-2])])
    covariance = np.linalg.inv(x.T @ x / start[-1] + np.diag(prior))
    mean = covariance @ (x.T @ z) / start[-1]
    assert np.concatenate([model.effect, model.query_effect]) == pytest.approx(mean, abs=1e-6), (
        f"seed {seed}"
    )
    draws, spread = np.vstack([model.effects, model.query_effects]), np.sqrt(np.diag(covariance))
    assert draws.std(axis=1) == pytest.approx(spread, rel=0.1)
    assert (draws.mean(axis=1) - mean) / spread == pytest.approx(0, abs=0.1)
    cells = np.hstack([np.ones((12, 1)), design.main.toarray()]) @ mean[: design.main.shape[1] + 1]
    assert model.levels() == pytest.approx(seen.mean() + seen.std() * cells)


def test_with_every_cell_seen_the_mean_is_the_measured_one_and_certain():
    y, design = table(20, (2, 2), 2.0, 0)
    model = MixedModel(design)
    model.fit(y, rng=np.random.default_rng(0), iterations=3)
    draws = model.mean_draws(np.arange(20), np.random.default_rng(1))
    assert draws.mean(axis=0) == pytest.approx(y.mean(axis=0))
    assert draws.std(axis=0) == pytest.approx(0, abs=1e-9)
    half = model.mean_draws(np.arange(10), np.random.default_rng(1))
    assert half.mean(axis=0) == pytest.approx(y[:10].mean(axis=0))


def test_variances_find_the_stage_that_matters():
    rng = np.random.default_rng(3)
    ids = [f"a{i}/b{j}" for i in range(8) for j in range(8)]
    effect = np.repeat(rng.standard_normal(8), 8)
    y = effect + 0.5 * rng.standard_normal((30, 64))
    y[rng.random(y.shape) > 0.3] = np.nan
    design = Design.over(ids, rng.standard_normal((30, 4)), np.zeros(30))
    model = MixedModel(design, slopes=False)
    model.fit(y, rng=rng, iterations=40)
    named = dict(zip([*design.kinds], model.variances, strict=False))
    assert model.variances[0] > 10 * model.variances[1]
    assert named["path"] < NOISY["path"] * 3
    assert np.corrcoef(model.levels(), effect)[0, 1] > 0.99


def test_components_are_read_from_ids_and_lists_of_models_stand_alone():
    embeddings, labels = np.eye(3), np.zeros(3)
    stages = Design.over(
        ["n/bm25-1/s", "n/bm25-3/s", "n/dense-1/l", "n/dense-3/l"], embeddings, labels
    )
    assert stages.kinds == (
        "component",
        "component",
        "pair",
        "path",
    )  # the first stage offers no choice
    assert (
        stages.main.toarray()[:, :4].tolist() == np.eye(4).tolist()
    )  # the slugs; then names and numbers
    alone = Design.over(["gpt-4o", "llama-70b", "qwen"], embeddings, labels)
    assert alone.kinds == ("alone",)
    assert alone.main.toarray().tolist() == np.eye(3).tolist()


def test_one_cell_one_path_one_query_and_no_variance_are_no_trouble():
    for y, ids in (
        (np.array([[0.7]]), ["only"]),
        (np.full((3, 4), 1.0), [f"p/{i}" for i in range(4)]),
    ):
        model = MixedModel(Design.over(ids, np.ones((len(y), 2)), np.zeros(len(y))))
        model.fit(y, rng=np.random.default_rng(0), iterations=5)
        assert model.mean_draws(np.arange(len(y)), np.random.default_rng(0)).mean(
            axis=0
        ) == pytest.approx(y.mean(axis=0))
        assert np.isfinite(model.cells()).all()
