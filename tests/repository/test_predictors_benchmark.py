"""The benchmark of predictors, on queries of which the right path is known."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import predictor_candidates, predictors
from benchmarks.predictor_candidates import candidates, risks
from benchmarks.routing import Fold
from ecollm_lab.traces import Trace
from tests.conftest import LetterEncoder, make_trace

N = 40
CONFORMAL = ("conformal", "conformal_pooled", "conformal_shrunk")


@pytest.fixture(autouse=True)
def _letters(monkeypatch):
    monkeypatch.setattr(predictor_candidates, "encoder", LetterEncoder)


def asked(start):
    """Questions of why, which the first path answers, and of how many, which the second does."""
    numbers = np.arange(start, start + N)
    why = numbers % 2 == 0
    quality = np.column_stack([why, 0.8 * ~why, 0 * why]).astype(float)
    latency = np.where(why, 1.0, 4.0)[:, None] * np.array([[1.0, 1.5, 2.0]])
    latency = latency * np.exp(0.05 * np.sin(numbers))[:, None]
    trace = make_trace(quality, 1e-6, latency)
    texts = [
        f"why is lamp {n} dark" if one else f"how many lamps has room {n}"
        for n, one in zip(numbers, why, strict=True)
    ]
    return Trace.from_frame(trace.outcomes, trace.queries.assign(text=texts), trace.provenance)


@pytest.fixture
def fold():
    return Fold(asked(0), asked(100))


def test_what_the_words_tell_is_found_by_those_that_look_at_them(fold):
    truth = fold.test.array("quality")
    right = {
        name: (predicted.argmax(axis=1) == truth.argmax(axis=1)).mean()
        for name, predicted, _ in candidates(fold, seed=0)
    }
    assert right["means"] == 0.5
    assert {"ridge", "knn", "boosting", "with_characteristics", "ours", "chosen"} <= set(right)
    assert "evidence" not in right  # the trace does not say what retrieval met
    for name in ("characteristics", "with_characteristics", "boosting", "ours", "chosen"):
        assert right[name] == 1.0, name


def test_evidence_is_looked_at_where_a_trace_has_it(fold):
    def met(trace):
        low = trace.array("quality")[:, 0]
        table = trace.queries.assign(evidence_bm25_top=low, evidence_first_source="faq")
        return Trace.from_frame(trace.outcomes, table, trace.provenance)

    found = {
        name: predicted
        for name, predicted, _ in candidates(Fold(met(fold.train), met(fold.test)), seed=0)
    }
    truth = fold.test.array("quality")
    assert (found["evidence"].argmax(axis=1) == truth.argmax(axis=1)).all()
    assert "with_evidence" in found


def test_forecasts_of_broken_limits_know_more_than_the_rate(fold):
    brier = {
        name: np.square(forecast - truth).mean()
        for name, forecast, truth in risks(fold, seed=0)
        if truth.any()
    }
    assert set(brier) == {"rate", "normal", "ours", *CONFORMAL}
    assert all(brier[name] < 0.3 * brier["rate"] for name in brier if name != "rate")


def test_the_share_explained_is_one_where_all_is_told_and_zero_for_means(monkeypatch, fold):
    monkeypatch.setattr(predictors, "folds", lambda *_, **__: [fold])
    frame = predictors.outcomes("any", seeds=2)
    found = pd.DataFrame(predictors.records(frame)).set_index(["metric", "candidate"])
    assert found.loc[("explained_share", "means"), "value"] == 0.0
    assert found.loc[("explained_share", "characteristics"), "value"] > 0.9
    assert found.loc[("gained", "ours"), "value"] == pytest.approx(0.4)
    assert found.loc[("gained_over_ours", "ours"), ["value", "low", "high"]].tolist() == [0, 0, 0]
    table = predictors.markdown(found.reset_index().assign(trace="any"))
    assert "| boosting | +0.400" in table


def test_paths_in_another_order_are_the_same_paths(fold):
    turned = fold.test.outcomes.iloc[::-1]
    other = Trace.from_frame(turned, fold.test.queries, fold.test.provenance)
    assert other.path_ids != fold.train.path_ids
    again = predictors.in_order(Fold(fold.train, other)).test
    assert again.path_ids == fold.train.path_ids
    np.testing.assert_array_equal(again.array("latency_s"), fold.test.array("latency_s"))
