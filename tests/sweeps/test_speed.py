"""A model that has become much slower is noticed; a long prompt or a short call is not."""

import dataclasses
from concurrent.futures import Future

import numpy as np
import pytest

from ecollm_lab.models import Reply
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.sweeps import Store, SweepOptions, sweep
from ecollm_lab.sweeps.calls import Calls
from ecollm_lab.sweeps.speed import SpeedWatch, times_slower
from tests.paths.test_pipeline import CATALOG, Echo

SPACE = PathSpace.over(["s", "c"])
MARKS = {path.id: f"f{path.model}" for path in SPACE}


def timing(read, wrote, slower=1.0):
    """A machine with 0.05 s a call, 200 tokens read a second and 20 written."""
    return read, wrote, slower * (0.05 + read / 200 + wrote / 20)


def test_the_factor_is_that_of_the_time_which_the_tokens_would_usually_take():
    usual = [timing(100, 10), timing(200, 10), timing(100, 20), timing(300, 5), timing(50, 60)]
    assert times_slower(usual, [timing(1000, 1, 7.0)] * 3) == pytest.approx(7.0)
    assert times_slower(usual, [timing(10, 64, 0.5)] * 3) == pytest.approx(0.5)
    one_hiccup = [timing(100, 10), timing(100, 10, 90.0), timing(100, 10)]
    assert times_slower(usual, one_hiccup) == pytest.approx(1.0)
    assert times_slower(usual, [(1, 1, 0.04)] * 3) == 1.0  # too short to tell


def test_a_fit_that_does_not_converge_raises_no_alarm(monkeypatch):
    def endless(*_):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr("scipy.optimize.nnls", endless)
    assert times_slower([timing(100, 10)] * 5, [timing(100, 10, 50.0)] * 3) == 1.0


@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_a_reply_arrives_even_if_nothing_can_be_said_of_its_speed(tmp_path, monkeypatch, place):
    class Remote:
        def submit(self, prompt, account):
            done = Future()
            done.set_result(reply(100, 10))
            return done

    def broken(*_):
        raise OSError("the load of this machine is not known")

    monkeypatch.setattr(SpeedWatch, "add", broken)
    with Store(tmp_path / "s.sqlite") as store:
        model, text = (Echo({}), "how long?") if place == "here" else (Remote(), "text")
        calls = Calls(store, CATALOG, {"c": model}, "tiny", SweepOptions())
        for _ in range(2):
            assert calls.get("c", "how long?").result(10).text == text
        said = "OSError: the load of this machine is not known."
        assert calls.notices == [f"The speed of model 'c' is not watched: {said}"]


def watch(tmp_path, replies):
    with Store(tmp_path / "s.sqlite") as store:
        speed = SpeedWatch(CATALOG, store)
        return [speed.add("s", reply) for reply in replies]


def reply(read, wrote, slower=1.0):
    return Reply("text", *timing(read, wrote, slower))


@pytest.mark.parametrize("seed", range(5))
def test_prompts_of_any_length_on_a_steady_machine_raise_no_notice(tmp_path, seed):
    rng = np.random.default_rng(seed)
    lengths = zip(rng.integers(20, 1500, 200), rng.integers(1, 64, 200), strict=True)
    jitter = rng.lognormal(0, 0.2, 200)
    replies = [reply(int(r), int(w), j) for (r, w), j in zip(lengths, jitter, strict=True)]
    ordered = sorted(replies, key=lambda one: one.tokens_in)  # all short prompts come first
    assert not any(watch(tmp_path, replies))
    assert not any(watch(tmp_path, ordered))


def test_each_collapse_is_noticed_once_and_again_after_a_recovery(tmp_path):
    usual = [reply(100 + i, 10 + i % 7) for i in range(20)]
    collapsed = [reply(100 + i, 10 + i % 7, 50.0) for i in range(10)]
    said = watch(tmp_path, [*usual, *collapsed, *usual[:5], *collapsed])
    assert [i for i, notice in enumerate(said) if notice] == [24, 39]
    assert "Model 's' has become 50 times slower" in said[24]
    assert "with threads = 1" in said[24]
    assert "cores" in said[24]


def test_an_endpoint_is_blamed_for_its_own_slowness(tmp_path):
    model = dataclasses.replace(CATALOG["c"], base_url="http://127.0.0.1:9/v1", file=None)
    catalog = dataclasses.replace(CATALOG, models={"c": model})
    with Store(tmp_path / "s.sqlite") as store:
        speed = SpeedWatch(catalog, store)
        said = [speed.add("c", reply(100, 10 + i % 5, 1 + 9 * (i > 14))) for i in range(20)]
    assert "10 times slower" in said[-1]
    assert "the endpoint is busy" in said[-1]


class Paced(Echo):
    """Says how long it took, at a pace that the test sets."""

    slower = 1.0

    def reply(self, prompt):
        said = super().reply(prompt)
        _, _, seconds = timing(said.tokens_in, said.tokens_out, self.slower)
        return dataclasses.replace(said, latency_s=seconds)


def test_a_sweep_compares_with_what_its_store_holds_of_earlier_runs(domain, encoder, tmp_path):
    models = {"s": Paced({}), "c": Echo({})}
    paths = [path for path in SPACE if path.model == "s"]
    seen = []
    with Store(tmp_path / "s.sqlite") as store:
        pipeline = Pipeline(domain, CATALOG, encoder, models)
        thrice = SweepOptions(repeats=3, repeat_share=1.0)
        first = sweep(pipeline, domain.queries[:1], paths, store, MARKS, thrice)
        assert first.notices == []
        models["s"].slower = 30.0
        rest = sweep(
            pipeline,
            domain.queries,
            paths,
            store,
            MARKS,
            thrice,
            on_progress=lambda progress: seen.append(len(progress.notices)),
        )
    assert len(rest.notices) == 1
    assert "Model 's' has become 30 times slower" in rest.notices[0]
    assert seen[-1] == 1  # whoever watches sees it, too
