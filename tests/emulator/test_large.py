"""Spaces too large for one factor of all effects, or for a table of every pair."""

import numpy as np
import pytest

from ecollm_lab.emulator import Budget, Emulator, Estimates, emulate, replay_from
from ecollm_lab.records import LabError
from ecollm_lab.traces import memory
from tests.support.exploration import a_trace, an_emulator


def test_estimates_by_iteration_are_those_at_once(monkeypatch):
    trace = a_trace(n=60)
    rng = np.random.default_rng(0)
    tables = [trace.array(name) for name in ("quality", "cost_usd", "latency_s")]
    hidden = [np.where(rng.random(tables[0].shape) < 0.3, table, np.nan) for table in tables]
    found = []
    for most in (4000, 0):
        monkeypatch.setattr("ecollm_lab.emulator.mixed.MOST_EFFECTS", most)
        embeddings = np.random.default_rng(1).standard_normal((60, 4))
        estimates = Estimates(trace.path_ids, trace.query_ids, embeddings, seed=0)
        estimates.update(*hidden, iterations=4, n_draws=2000)
        found.append(estimates.draws())
    one, other = found
    spread = one.std(axis=0)
    assert np.abs(one.mean(axis=0) - other.mean(axis=0)).max(axis=0) == pytest.approx(
        0, abs=0.3 * spread.max()
    )
    assert np.median(other.std(axis=0) / spread, axis=0) == pytest.approx(1, abs=0.15)


def test_an_exploration_by_iteration_asks_what_is_left_and_counts_it(monkeypatch):
    monkeypatch.setattr("ecollm_lab.emulator.mixed.MOST_EFFECTS", 0)
    trace = a_trace(n=40)
    emulator = an_emulator(trace)
    emulate(emulator, replay_from(trace), Budget(share=0.5))
    assert emulator.n_told == emulator._told.sum() == round(0.5 * emulator.n_pairs)
    for axis in (0, 1):
        np.testing.assert_array_equal(emulator._asked_of[axis], emulator._asked.sum(axis=1 - axis))


def test_what_would_not_fit_into_memory_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(memory, "SMALL", 0)
    little = type("Memory", (), {"available": 1000})
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: little)
    ids, embeddings = [f"q{i}" for i in range(100)], np.eye(100)
    with pytest.raises(LabError, match=r"100 queries × 9 paths were asked needs .* GB"):
        Emulator([f"p{i}" for i in range(9)], ids, embeddings, labels=np.zeros(100, dtype=int))
    monkeypatch.setattr("ecollm_lab.emulator.mixed.MOST_EFFECTS", 0)
    estimates = Estimates(["a/x", "a/y"], ids, embeddings, labels=np.zeros(100, dtype=int))
    with pytest.raises(LabError, match=r"Estimating \d+ effects that paths share on 100 queries"):
        estimates.update(*[np.full((100, 2), 0.5)] * 3)


def test_many_queries_do_not_make_many_clusters():
    rng = np.random.default_rng(0)
    topics = np.repeat(rng.standard_normal((120, 6)), 10, axis=0)
    embeddings = topics + 0.01 * rng.standard_normal(topics.shape)
    estimates = Estimates(["a", "b"], [f"q{i}" for i in range(1200)], embeddings)
    assert len(np.unique(estimates.labels)) <= 64
