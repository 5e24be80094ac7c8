"""Faults 17 to 19 of docs/faults.md: what is asked anew, and pairs that fail for good."""

import dataclasses
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import llama_cpp
import pytest

from ecollm_lab.models import ModelPool, Reply, load_catalog
from ecollm_lab.models.edge.isolated import IsolatedModel
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.records import LabError
from ecollm_lab.sweeps import Store, SweepOptions, fingerprints, sweep
from ecollm_lab.sweeps.calls import Calls, call_key
from tests.conftest import SMALL, LetterEncoder
from tests.support.rig import cloud, domain, rig


def test_17_whatever_determines_an_answer_is_in_the_key_and_nothing_else(judge, tmp_path):
    base = cloud("ok", judge.base_url)
    prompt = "a prompt"
    flips = [
        dataclasses.replace(base, **change)
        for change in (
            {"remote_name": "ok~2"},
            {"base_url": judge.root + "/other/v1"},
            {"context": 512},
            {"threads": 2},
            {"placement": "edge"},
        )
    ]
    keys = {call_key(model.identity(), prompt) for model in [base, *flips]} | {
        call_key(base.identity(), "another prompt")
    }
    assert len(keys) == len(flips) + 2
    same = [
        {"name": "x"},
        {"price_in_usd_per_mtok": 9.0},
        {"timeout_s": 1.0},
        {"max_in_flight": 1},
        {"api_key_env": "K"},
        {"network_delay_s": 1.0},
    ]
    assert {
        call_key(dataclasses.replace(base, **change).identity(), prompt) for change in same
    } == {call_key(base.identity(), prompt)}
    file = tmp_path / "s.sqlite"
    for n_calls, model in [
        (10, base),
        (10, dataclasses.replace(base, price_out_usd_per_mtok=9.0)),
        (20, flips[1]),
    ]:
        with rig(file, [model], 10) as (go, _):
            assert go().done == 10
        assert (
            judge.requests("ok") == n_calls
        )  # the dearer model's outcomes are new, their calls are not
    for n_calls in (2, 4):  # both runs fail and ask again: an error is no answer
        with rig(file, [cloud("blank", judge.base_url)], 2) as (go, _):
            assert go().failed == 2
        assert judge.requests("blank") == n_calls


def test_17_grading_in_another_way_asks_nobody_again(judge, tmp_path):
    for grading in ("facts", "embedding"):
        with rig(tmp_path / "s.sqlite", [cloud("ok", judge.base_url)], 10, grading=grading) as (
            go,
            store,
        ):
            assert (go().done, judge.requests("ok")) == (10, 10)
            graded = {outcome.quality for outcome in store.outcomes(go.marks["ok"])}
        if grading == "facts":
            first = graded
    assert graded != first


def test_17_another_component_version_is_another_call(monkeypatch):
    from ecollm_lab.sweeps import calls

    key = calls.call_key("m", "p")
    monkeypatch.setattr(calls, "CALLS_VERSION", calls.CALLS_VERSION + 1)
    assert calls.call_key("m", "p") != key


def test_18_failed_pairs_stay_visible(judge, tmp_path):
    with rig(tmp_path / "s.sqlite", [cloud("perm:10", judge.base_url)], 200) as (go, store):
        progress = go()
        failures = store.failures(go.marks["perm:10"])
        assert 5 < progress.failed == len(failures) < 40
        assert progress.done + progress.failed == progress.total == 200
        assert all("not allowed" in failure.error and failure.attempts == 1 for failure in failures)
        again = go()
        assert (again.total, again.failed, again.reused) == (
            len(failures),
            len(failures),
            progress.done,
        )
        assert {failure.attempts for failure in store.failures(go.marks["perm:10"])} == {2}


def _crash():
    llama_cpp.llama_n_ctx(None)  # a null pointer: SIGSEGV within llama.cpp


def test_19_a_pair_that_kills_two_workers_in_llama_cpp_is_quarantined(tmp_path):
    catalog = load_catalog("tests/data/models.toml")
    home = domain(6)

    class Fragile(IsolatedModel):
        died = 0

        def _ask(self, prompt):
            if "number 3?" in prompt.user:
                self.died += 1
                self._pool.submit(_crash).result()
            return super()._ask(prompt)

    with Store(tmp_path / "s.sqlite") as store, Fragile(catalog[SMALL]) as model:
        pipeline = Pipeline(home, catalog, LetterEncoder(), {SMALL: model})
        paths = PathSpace.over([SMALL]).select([f"none/none/none/plain/{SMALL}"]).paths
        marks = fingerprints(home, catalog, "letters", paths)
        progress = sweep(pipeline, home.queries, paths, store, marks)
        assert (progress.done, progress.failed, model.died) == (5, 1, 2)
        (failure,) = store.failures(marks[paths[0].id])
        assert (failure.query_id, failure.state) == ("q00003", "quarantined")
        again = sweep(pipeline, home.queries, paths, store, marks)
        assert (again.total, again.quarantined, model.died) == (0, 1, 2)


def test_19_an_isolated_model_answers_as_one_in_this_process_and_ends_quietly(capfd):
    catalog = load_catalog("tests/data/models.toml")
    with ModelPool(catalog) as here, ModelPool(catalog, isolate=True) as apart:
        one, other = (
            pool[SMALL].reply("Question: how heavy is the Halo bulb?") for pool in (here, apart)
        )
    assert (one.text, one.tokens_in, one.tokens_out) == (
        other.text,
        other.tokens_in,
        other.tokens_out,
    )
    assert "Traceback" not in capfd.readouterr().err


def test_a_worker_that_could_not_be_replaced_is_tried_again_at_the_next_call():
    class Pool:
        def __init__(self, outcome):
            self.future = Future()
            good = isinstance(outcome, Reply)
            (self.future.set_result if good else self.future.set_exception)(outcome)

        def submit(self, *_):
            return self.future

        def shutdown(self, wait):
            pass

    class Mended(IsolatedModel):
        coming = iter(
            (BrokenProcessPool("killed"), LabError("no memory is left"), Reply("yes", 1, 1, 0.1))
        )

        def _new_pool(self):
            outcome = next(self.coming)
            if isinstance(outcome, LabError):
                raise outcome
            return Pool(outcome)

    with Mended(load_catalog("tests/data/models.toml")[SMALL]) as model:
        with pytest.raises(LabError, match="no memory is left"):
            model.reply("does it answer?")
        assert model.reply("does it answer?").text == "yes"


def test_a_call_that_cannot_be_started_is_no_call_in_flight(rig):
    class Broken:
        def submit(self, prompt, account):
            raise RuntimeError("the event loop is closed")

    _, pipeline, _, store = rig
    calls = Calls(store, pipeline.catalog, {"c": Broken()}, "sweep", SweepOptions())
    for _ in range(2):
        with pytest.raises(RuntimeError, match="is closed"):
            calls.get("c", "a question").result(timeout=5)
