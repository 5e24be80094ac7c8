"""Outcomes on demand: what is offered, what it will cost, what is kept when it is stopped."""

import importlib
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from ecollm_lab.domains import load_domain
from ecollm_lab.emulator import Emulator, Measuring, measuring_domain, replay_from
from ecollm_lab.models import load_catalog
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.sweeps import Ended, Store
from ecollm_lab.sweeps.provenance import provenance, queries_frame
from ecollm_lab.traces import Trace
from tests.conftest import SMALL, LetterEncoder, make_trace
from tests.support.exploration import breaking_down, emulator_of

N, PATHS = 30, 4


@pytest.fixture
def whole():
    """Every outcome: costs 1, 2, 3, 4 micro-dollars and latencies 0.1, 0.2, 0.3, 0.4 s by path."""
    rng = np.random.default_rng(0)
    quality = (rng.random((N, PATHS)) < [0.2, 0.4, 0.6, 0.8]).astype(float)
    by_path = np.arange(1, PATHS + 1)[None]
    return make_trace(quality, 1e-6 * by_path, 0.1 * by_path)


def first(trace, n_queries, n_paths=PATHS):
    """The outcomes of the first queries on the first paths."""
    queries, paths = trace.query_ids[:n_queries], trace.path_ids[:n_paths]
    outcomes = trace.outcomes
    kept = outcomes["query_id"].isin(queries) & outcomes["path_id"].isin(paths)
    return Trace.from_frame(outcomes[kept], trace.queries, trace.provenance)


@pytest.fixture
def source(whole):
    about = {"source": "replayed"}
    return Measuring(emulator_of(whole), replay_from(whole), queries=whole.queries, about=about)


def asked(source):
    return int(source.emulator._asked.sum())


def test_a_trace_is_prepared_with_all_paths_and_its_outcomes_are_known(whole, source):
    part = source.prepared(first(whole, 5, 2))
    assert set(part.path_ids) == set(whole.path_ids)
    assert np.isnan(part.array("quality")).sum() == N * PATHS - 10
    assert source.emulator.n_told == 10
    again = source.prepared(part)
    assert (source.emulator.n_told, again.path_ids) == (10, part.path_ids)
    fresh = source.offer(20)
    assert {path for _, path in fresh.pairs} == set(whole.path_ids[2:])  # never measured


def test_an_offer_tells_the_cost_of_these_paths_before_anything_is_measured(whole, source):
    source.prepared(first(whole, 5))
    path = whole.path_ids[2]
    offer = source.offer(6, [path])
    assert {one for _, one in offer.pairs} == {path}
    assert offer.cost_usd == pytest.approx(6 * 3e-6)
    assert offer.seconds == pytest.approx(6 * 0.3)
    assert source.emulator.n_told == 20


def test_a_path_without_outcomes_is_expected_to_cost_what_the_others_do(whole, source):
    source.prepared(first(whole, 5, 2))
    offer = source.offer(9, whole.path_ids[2:])
    assert len(offer.pairs) == 2
    assert offer.cost_usd == pytest.approx(2 * 1.5e-6)
    unknown = Measuring(emulator_of(whole), replay_from(whole))
    assert np.isnan(unknown.offer(4).cost_usd)


def test_what_is_measured_is_told_and_grows_the_trace(whole, source):
    part = source.prepared(first(whole, 5))
    offer, found, seen = source.offer(12), [], []
    progress = source.run(offer, Event(), lambda p: seen.append(p.done), found.extend)
    assert progress.done == progress.total == len(found) == 12
    assert sorted(seen) == seen
    assert len(seen) > 1
    assert source.emulator.n_told == 32
    grown = source.grown(part, found)
    assert grown.path_ids == part.path_ids
    values, all_values = grown.array("quality"), whole.array("quality")
    assert (~np.isnan(values)).sum() == 32
    known = ~np.isnan(values)
    np.testing.assert_array_equal(values[known], all_values[known])
    assert grown.provenance["added"]["outcomes"] == 12
    assert "12 outcomes added 20" in grown.source_line
    assert grown.provenance["added"]["source"] == "replayed"
    assert source.grown(grown, found[:1]).provenance["added"]["outcomes"] == 13


def test_a_stop_keeps_what_was_measured_and_the_rest_may_be_asked_again(whole, source):
    source.prepared(first(whole, 5))
    offer, stop, found = source.offer(12), Event(), []
    assert asked(source) == 32
    progress = source.run(offer, stop, lambda _: stop.set(), found.extend)
    assert progress.ended is Ended.REQUEST
    assert 0 < len(found) < 12
    assert asked(source) == source.emulator.n_told == 20 + len(found)
    everything = source.offer(N * PATHS)
    assert len(everything.pairs) == N * PATHS - 20 - len(found)


def test_an_error_keeps_what_was_measured_before_it(whole):
    run, calls = breaking_down(replay_from(whole))
    source, found = Measuring(emulator_of(whole), run, queries=whole.queries), []
    source.prepared(first(whole, 5))
    with pytest.raises(LabError, match="the endpoint is gone"):
        source.run(source.offer(12), Event(), lambda _: None, found.extend)
    assert len(found) == len(calls[0]) + len(calls[1])
    assert asked(source) == source.emulator.n_told == 20 + len(found)


def test_questions_can_be_about_some_paths_and_withdrawn(whole, source):
    source.prepared(first(whole, 5))
    emulator, some = source.emulator, whole.path_ids[1:3]
    pairs = emulator.ask(1000, some)
    assert len(pairs) == len(set(pairs)) == 2 * (N - 5)
    assert {path for _, path in pairs} == set(some)
    assert emulator.ask(5, some) == []
    emulator.withdraw(pairs[:3])
    assert sorted(emulator.ask(5, some)) == sorted(pairs[:3])
    told = [(whole.query_ids[0], some[0])]
    emulator.withdraw(told)  # its outcome is there
    assert emulator.ask(5, some) == []
    with pytest.raises(LabError, match="not among those explored"):
        emulator.ask(1, ["none/such"])


def test_a_query_that_the_trace_does_not_have_is_refused(whole):
    emulator = Emulator(whole.path_ids, ["elsewhere"], np.ones((1, 3)) / np.sqrt(3))
    with pytest.raises(LabError, match="the query elsewhere, of which the trace has no outcome"):
        Measuring(emulator, replay_from(whole)).prepared(whole)


def test_something_must_measure(whole):
    with pytest.raises(LabError, match="needs run or opened"):
        Measuring(emulator_of(whole))


# --- with real models


@pytest.fixture
def where(tmp_path, monkeypatch):
    """A trace as if measured with the catalog, of three queries; files to measure more with."""
    encoder = LetterEncoder()  # of the questions; retrieval in these paths needs none
    for room in ("measured_domains", "live"):
        module = importlib.import_module(f"ecollm_lab.emulator.{room}")
        monkeypatch.setattr(module, "default_encoder", lambda: encoder)
    files = {
        "catalog_file": Path("tests/data/models.toml"),
        "store_file": tmp_path / "outcomes.sqlite",
    }
    loaded, catalog = load_domain("data/smart_home"), load_catalog(files["catalog_file"])
    paths = [f"none/none/none/{SMALL}", f"none/bm25-1/none/{SMALL}"]
    queries = loaded.split("train")[:3]
    outcomes = [Outcome(q.id, path, 1.0, 1e-7, 0.01, 9, 9) for q in queries for path in paths]
    about = provenance(loaded, catalog, encoder.name)
    return Trace.from_outcomes(outcomes, queries_frame(queries), about), files


def test_real_models_are_asked_and_what_they_answer_is_in_the_store(where):
    trace, files = where
    source = measuring_domain(trace, "data/smart_home", **files)
    part, found = source.prepared(trace), []
    offer = source.offer(4)
    assert offer.cost_usd > 0
    began = time.monotonic()
    progress = source.run(offer, Event(), lambda _: None, found.extend)
    assert [progress.done, len(found)] == [4, 4]
    assert all(0 < one.latency_s < time.monotonic() - began for one in found)
    grown = source.grown(part, found)
    assert grown.provenance["added"]["source"] == "measured"
    assert (grown.outcomes["answer"].fillna("") != "").sum() == 4
    with Store(files["store_file"]) as store:
        assert store._db.execute("SELECT count(*) FROM outcomes").fetchone()[0] == 4
    again = measuring_domain(trace, "data/smart_home", **files)  # after a restart
    assert again.prepared(trace).array("quality").size == grown.array("quality").size
    assert again.emulator.n_told == 6 + 4


def test_a_run_whose_budget_is_spent_ends_and_says_so(whole):
    calls = []

    @contextmanager
    def opened(progress):
        def run(pairs):
            calls.append(pairs)
            if len(calls) == 2:
                progress.ended, progress.stopped = Ended.BUDGET, "budget spent"
                return []
            return replay_from(whole)(pairs)

        yield run

    source = Measuring(emulator_of(whole), opened=opened, queries=whole.queries)
    source.prepared(first(whole, 5))
    offer, told = source.offer(12), []
    progress = source.run(offer, Event(), lambda p: told.append(p.stopped), lambda _: None)
    assert len(calls) == 2
    assert (progress.ended, progress.stopped) == (Ended.BUDGET, "budget spent")
    assert told == ["", "budget spent"]
    assert 0 < progress.done < progress.total
    assert asked(source) == 20 + progress.done  # the rest may be asked again


def test_outcomes_that_would_not_be_comparable_are_refused(where):
    trace, files = where
    with pytest.raises(LabError, match="not measured on this edition of the domain 'automotive'"):
        measuring_domain(trace, "data/automotive", **files)
    dearer = {**trace.provenance, "edge_price_usd_per_hour": 1.0}
    other = Trace.from_frame(trace.outcomes, trace.queries, dearer)
    with pytest.raises(LabError, match="do not agree on edge_price_usd_per_hour"):
        measuring_domain(other, "data/smart_home", **files)


def measured_with(trace, **changes):
    """The trace as if its model had been declared otherwise."""
    models = trace.provenance["models"]
    about = {**trace.provenance, "models": {**models, SMALL: {**models[SMALL], **changes}}}
    return Trace.from_frame(trace.outcomes, trace.queries, about)


def test_all_that_changes_an_answer_must_be_as_it_was_and_nothing_else(where, tmp_path):
    trace, files = where
    for change in ({"max_tokens": 9}, {"system": "Be brief."}, {"context": 99}, {"threads": 3}):
        with pytest.raises(LabError, match=f"do not agree on {SMALL}: files, settings"):
            measuring_domain(measured_with(trace, **change), "data/smart_home", **files)
    same = measured_with(trace, timeout_s=9.0, licence="MIT", price_date="2020-01-01")
    same.save(tmp_path / "t.parquet")
    for one in (same, Trace.load(tmp_path / "t.parquet")):
        assert len(measuring_domain(one, "data/smart_home", **files).offer(1).pairs) == 1
