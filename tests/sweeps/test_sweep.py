import dataclasses
import re
import time
from itertools import count

import pytest

from ecollm_lab.models import CallFailed
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.records import LabError
from ecollm_lab.sweeps import Ended, Store, SweepOptions, fingerprints, run, sweep
from ecollm_lab.sweeps.job import Job
from ecollm_lab.sweeps.provenance import queries_frame
from ecollm_lab.traces import Trace
from tests.paths.test_pipeline import CATALOG, PLAIN, Echo

SPACE = PathSpace.over(["s", "c"], choices=PLAIN)
MARKS = {path.id: f"f{path.model}" for path in SPACE}


def test_a_sweep_fills_the_store_and_a_second_one_runs_nothing(rig):
    queries, pipeline, models, store = rig
    seen = []
    first = sweep(
        pipeline,
        queries,
        SPACE.paths,
        store,
        MARKS,
        on_progress=lambda p: seen.append((p.done, p.total)),
    )
    assert first.done == first.total == 2 * len(SPACE) == len(seen)
    calls = models["s"].calls
    again = sweep(pipeline, queries, SPACE.paths, store, MARKS)
    assert (again.done, again.reused, models["s"].calls) == (0, 2 * len(SPACE), calls)


def test_stopping_and_resuming_repeats_nothing(rig):
    queries, pipeline, _, store = rig
    for expected in (25, 50, 75):
        assert (
            sweep(pipeline, queries, SPACE.paths, store, MARKS, SweepOptions(limit=25)).done == 25
        )
        assert len(store.pairs("fs")) + len(store.pairs("fc")) == expected
    sweep(pipeline, queries, SPACE.paths, store, MARKS)
    assert len(store.pairs("fs")) == len(store.pairs("fc")) == len(SPACE)


def test_an_interrupt_keeps_every_outcome_that_was_finished(rig):
    queries, pipeline, _, store = rig

    def interrupt(progress):
        if progress.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(pipeline, queries, SPACE.paths, store, MARKS, on_progress=interrupt)
    stored = len(store.pairs("fs")) + len(store.pairs("fc"))
    assert stored >= 5
    assert sweep(pipeline, queries, SPACE.paths, store, MARKS).done == 2 * len(SPACE) - stored


def test_an_interrupt_while_results_are_gathered_loses_none_of_them(rig, monkeypatch):
    queries, pipeline, _, store = rig
    sleep, gathered = time.sleep, count()

    def interrupted(seconds):
        if seconds == run.GATHER_S and next(gathered) == 0:
            raise KeyboardInterrupt
        sleep(seconds)

    monkeypatch.setattr(run, "GATHER_S", 0.0123)
    monkeypatch.setattr(time, "sleep", interrupted)
    job = Job(lambda stop, report: sweep(pipeline, queries, SPACE.paths, store, MARKS))
    job.join(20)
    assert isinstance(job.error, KeyboardInterrupt)  # None: it waits for what it has lost
    stored = len(store.pairs("fs")) + len(store.pairs("fc"))
    assert 0 < stored < 2 * len(SPACE)
    assert stored == pipeline.requests["generate"]


def test_a_failure_keeps_what_was_measured_before(rig):
    queries, pipeline, models, store = rig
    del models["c"]
    with pytest.raises(KeyError):
        sweep(pipeline, queries, SPACE.paths, store, MARKS)
    assert len(store.pairs("fs")) >= 1
    models["c"] = Echo({})
    sweep(pipeline, queries, SPACE.paths, store, MARKS)
    assert len(store.pairs("fs")) == len(store.pairs("fc")) == len(SPACE)


def test_a_budget_stops_the_sweep(rig):
    queries, pipeline, _, store = rig
    sweep(pipeline, queries[:1], SPACE.paths, store, MARKS)
    before = store.spending("tiny")
    paid = [CATALOG["c"].cost_usd(0.0, *tokens) for tokens in store.tokens_paid("c")]
    assert before.charged_usd == pytest.approx(sum(paid))
    cap = before.charged_usd * 1.5
    part = sweep(pipeline, queries, SPACE.paths, store, MARKS, SweepOptions(max_cost_usd=cap))
    assert 0 < part.done < part.total
    assert part.ended is Ended.BUDGET
    assert before.charged_usd < store.spending("tiny").charged_usd <= cap
    with pytest.raises(LabError, match="cannot buy one more call to 'c'"):
        sweep(
            pipeline,
            queries,
            SPACE.paths,
            store,
            MARKS,
            SweepOptions(max_cost_usd=before.charged_usd),
        )


def test_a_cap_too_small_for_one_call_says_what_one_may_cost(rig):
    queries, pipeline, _, store = rig
    with pytest.raises(
        LabError,
        match=r"may cost 0\.\d+ USD, and 0\.000000 USD are spent on 'tiny'.*Give at least 0\.\d+",
    ) as refused:
        sweep(pipeline, queries, SPACE.paths, store, MARKS, SweepOptions(max_cost_usd=0))
    least = float(re.search(r"at least (\d\.\d+)", str(refused.value))[1])
    assert sweep(
        pipeline, queries, SPACE.paths, store, MARKS, SweepOptions(max_cost_usd=least)
    ).done


def test_the_fingerprint_changes_with_the_domain_the_model_and_the_encoder(domain):
    smaller = type(domain)(domain.name, domain.passages[:1], domain.queries)
    made = [
        fingerprints(*given, SPACE)
        for given in ((domain, CATALOG, "e"), (smaller, CATALOG, "e"), (domain, CATALOG, "f"))
    ]
    assert [set(marks) for marks in made] == [{path.id for path in SPACE}] * 3
    assert len({mark for marks in made for mark in marks.values()}) == 3 * 2  # one a model


def test_a_limit_below_nothing_is_refused():
    with pytest.raises(LabError, match="limit must be at least 0"):
        SweepOptions(limit=-1)


def test_only_the_pairs_named_are_run(rig):
    queries, pipeline, _, store = rig
    paths = SPACE.paths
    pairs = {(queries[0].id, paths[0].id), (queries[1].id, paths[-1].id)}
    progress = sweep(pipeline, queries, paths, store, MARKS, SweepOptions(only=pairs))
    assert (progress.done, progress.total, progress.reused) == (2, 2, 0)
    assert store.pairs("fs") | store.pairs("fc") == pairs
    assert sweep(pipeline, queries, paths, store, MARKS, SweepOptions(only=pairs)).reused == 2


class Slow(Echo):
    """Takes its time, each time another."""

    def reply(self, prompt):
        return dataclasses.replace(super().reply(prompt), latency_s=self.calls / 1000)


def test_a_sample_is_measured_repeatedly_and_carries_median_and_spread(domain, encoder, tmp_path):
    models = {"s": Slow({}), "c": Echo({})}
    paths = SPACE.select(["none/none/none/plain/s"]).paths
    with Store(tmp_path / "s.sqlite") as store:
        pipeline = Pipeline(domain, CATALOG, encoder, models)
        sweep(
            pipeline,
            domain.queries[:1],
            paths,
            store,
            MARKS,
            SweepOptions(repeats=5, repeat_share=1.0),
        )
        (outcome,) = store.outcomes("fs")
        assert models["s"].calls == 5
        assert outcome.repeats == 5
        assert outcome.stage_latency_s[-1] == pytest.approx(0.003)  # the median of 1 … 5 ms
        assert outcome.latency_spread_s == pytest.approx(0.002)
        sweep(
            pipeline,
            domain.queries[1:],
            paths,
            store,
            MARKS,
            SweepOptions(repeats=5, repeat_share=0.0),
        )
        assert models["s"].calls == 6


def test_pairs_that_need_the_same_call_share_it_across_runs_and_fingerprints(rig):
    queries, pipeline, models, store = rig
    sweep(pipeline, queries, SPACE.paths, store, MARKS)
    calls = models["s"].calls, models["c"].calls
    assert sweep(
        pipeline,
        queries,
        SPACE.paths,
        store,
        {path_id: f"other {mark}" for path_id, mark in MARKS.items()},
    ).done == 2 * len(SPACE)
    assert (models["s"].calls, models["c"].calls) == calls
    assert calls[0] == len(models["s"].answers)


def test_a_call_that_fails_costs_its_pair_and_not_the_sweep(domain, encoder, tmp_path):
    class Picky(Echo):
        def reply(self, prompt):
            if "Passages" in prompt.user:
                raise CallFailed("too long", attempts=3)
            return super().reply(prompt)

    with Store(tmp_path / "s.sqlite") as store:
        progress = sweep(
            Pipeline(domain, CATALOG, encoder, {"s": Picky({}), "c": Echo({})}),
            domain.queries,
            SPACE.paths,
            store,
            MARKS,
        )
        assert progress.failed == len(store.failures("fs")) > 0
        assert progress.done == progress.total - progress.failed
        assert {failure.error for failure in store.failures("fs")} == {"too long"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"repeats": 0}, "repeats must be"),
        ({"repeats": 2.5}, r"repeats must be .*got 2\.5 and 0\.05"),
        ({"repeat_share": "0.1"}, r"repeat_share within .*got 1 and '0\.1'"),
        ({"max_cost_usd": -1.0}, "max_cost_usd must be"),
        ({"max_cost_usd": "2"}, "max_cost_usd must be .*got '2'"),
        ({"limit": "3"}, "limit must be .*got '3'"),
        ({"limit": 2.5}, r"limit must be .*got 2\.5"),
        ({"queries_at_once": "4"}, "queries_at_once must be .*got '4'"),
    ],
)
def test_bad_options_are_named(options, says):
    with pytest.raises(LabError, match=says):
        SweepOptions(**options)


class Sure(Echo):
    """Says how sure it is of its answer."""

    def reply(self, prompt):
        return dataclasses.replace(super().reply(prompt), logprob=-0.25)


def test_the_log_probability_of_an_answer_reaches_store_and_trace(domain, encoder, tmp_path):
    models = {"s": Sure({}), "c": Echo({})}
    marks = dict(MARKS)
    with Store(tmp_path / "s.sqlite") as store:
        for _ in range(2):  # the second time, the replies come from the store
            sweep(
                Pipeline(domain, CATALOG, encoder, models),
                domain.queries,
                SPACE.paths,
                store,
                marks,
            )
            outcomes = [o for mark in set(marks.values()) for o in store.outcomes(mark)]
            trace = Trace.from_outcomes(
                outcomes, queries_frame(domain.queries), {"source": "measured"}
            )
            small = trace.outcomes["path_id"].str.endswith("/s")
            assert (trace.outcomes.loc[small, "logprob"] == -0.25).all()
            assert trace.outcomes.loc[~small, "logprob"].isna().all()
            marks = {path_id: f"again {mark}" for path_id, mark in marks.items()}
    assert models["s"].calls == len(models["s"].answers)
