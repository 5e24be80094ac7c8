"""Faults 4 to 12 of docs/faults.md: what an endpoint may do; the scripted server counts."""

import time

import pytest

from ecollm_lab.models.cloud.client import CloudModel, Patience
from ecollm_lab.records import LabError
from ecollm_lab.sweeps.provenance import queries_frame
from ecollm_lab.traces import Trace
from tests.support.ledger import RESERVED, billed_usd, ledger
from tests.support.rig import cloud, domain, rig


def test_04_no_answer_one_attempt_is_one_request_charged_as_reserved(judge, tmp_path):
    model = cloud("hang", judge.base_url, timeout_s=0.2)
    with rig(tmp_path / "s.sqlite", [model], 3, probe_s=0.1) as (go, store):
        progress = go()
        assert (progress.done, progress.failed) == (0, 3)
        assert store.spending("scripted").charged_usd >= billed_usd(judge, model) > 0
    rows = ledger(tmp_path / "s.sqlite")
    assert judge.requests("hang") == len(rows)
    assert all(settled == reserved == RESERVED for _, reserved, settled, _ in rows)


def test_05_the_total_deadline_holds_against_a_slow_drip(judge, record_property):
    seconds = []
    with CloudModel(cloud("drip:20", judge.base_url, timeout_s=0.5)) as model:
        while (
            len(seconds) < 10 and min(seconds, default=9) > 0.6
        ):  # the machine may be busy with something else; the drip takes 6 s
            began = time.monotonic()
            with pytest.raises(LabError, match=r"no whole reply within 0\.5 s"):
                model.reply("number 1")
            seconds.append(time.monotonic() - began)
    record_property("seconds at a deadline of 0.5", min(seconds))
    assert min(seconds) <= 0.6


def test_06_retry_after_parks_the_endpoint_and_a_long_one_ends_the_sweep(judge, tmp_path):
    with rig(tmp_path / "s.sqlite", [cloud("limit:40:2", judge.base_url)], 120) as (go, _):
        assert go().done == 120
        admission = go.pipeline.models["limit:40:2"]._admission
    assert judge.counters()["inside"].get("limit:40:2", 0) == 0
    assert admission._episode == 1  # one cut for the whole burst
    with rig(tmp_path / "p.sqlite", [cloud("park:3600", judge.base_url)], 120) as (go, _):
        began = time.monotonic()
        progress = go()
        assert time.monotonic() - began < 30
        assert "pause of 3600 s" in progress.stopped
        assert judge.requests("park:3600") == 1


@pytest.mark.parametrize(
    ("remote", "n_requests"),
    [
        ("status:401", {1}),
        ("status:403", {1}),
        ("status:404", {1}),
        ("status:402", {1}),
        ("status:429:insufficient_quota", range(1, 21)),
        ("status:400", {5}),  # it may have been the prompts
    ],
)
def test_07_what_cannot_succeed_is_never_retried_and_ends_the_sweep(
    judge, tmp_path, remote, n_requests, record_property
):
    with rig(tmp_path / "s.sqlite", [cloud(remote, judge.base_url)], 200) as (go, _):
        progress = go()
        assert progress.done == 0
        assert progress.stopped
    record_property("requests", judge.requests(remote))
    assert judge.requests(remote) in n_requests
    assert set(judge.counters()["per_key"][remote].values()) == {1}


def test_08_a_fifth_of_5xx_is_ridden_out(judge, tmp_path, record_property):
    with rig(tmp_path / "s.sqlite", [cloud("flaky:20", judge.base_url)], 400, probe_s=1.0) as (
        go,
        _,
    ):
        progress = go()
        assert (progress.done, progress.failed) == (400, 0)
    requests = judge.requests("flaky:20")
    assert progress.retried == requests - 400
    record_property("retry share", progress.retried / requests)
    assert 0.1 < progress.retried / requests <= 0.25


def test_09_a_dead_endpoint_slows_no_other(judge, tmp_path, record_property):
    live = cloud("ok:100", judge.base_url, max_in_flight=8)

    def pace(name, *models):
        judge.reset()
        with rig(tmp_path / name, models, 200, probe_s=0.3) as (go, store):
            progress = go()
            assert len(store.pairs(go.marks["ok:100"])) == 200
        times = judge.counters()["times"]["ok:100"]
        return 200 / (times[-1] - times[0]), progress

    for attempt in range(6):  # the machine may be busy with something else
        alone, _ = pace(f"alone{attempt}.sqlite", live)
        beside, progress = pace(
            f"beside{attempt}.sqlite", live, cloud("status:503", judge.base_url)
        )
        if beside >= 0.9 * alone:
            break
    record_property("throughput beside / alone", beside / alone)
    assert beside >= 0.9 * alone
    assert "failed" in progress.stopped
    assert "probes" in progress.stopped
    assert judge.requests("status:503") == 5 + 4  # the failures in a row, and the probes


def test_10_a_cut_body_or_a_reset_is_never_stored(judge, tmp_path):
    with rig(
        tmp_path / "s.sqlite",
        [cloud("cut:each", judge.base_url), cloud("dropfirst", judge.base_url)],
        40,
        probe_s=0.2,
    ) as (
        go,
        store,
    ):
        progress = go()
        assert (progress.done, progress.failed, progress.retried) == (80, 0, 80)
        for name in go.marks:
            for outcome in store.outcomes(go.marks[name]):
                assert (
                    outcome.answer == "it said: Question: how heavy is the Halo bulb number"
                    f" {int(outcome.query_id[1:])}?"
                )
        charged = store.spending("scripted").charged_usd
    assert charged >= sum(billed_usd(judge, cloud(name, "")) for name in go.marks)


NAMED = {
    "html": "did not send a completion; got str",
    "json": "JSONDecodeError",
    "list": "did not send a completion; got list",
    "null": "content None",
    "empty": "content ''",
    "blank": "is empty",
    "nousage": "with its usage",
    "error": "finish_reason 'error'",
    "nochoices": "no choices",
    "filter": "content filter",
    "negative": "with its usage",
    "textchoice": "choice is malformed",
    "mapchoices": "choice is malformed",
}


def test_11_a_malformed_reply_is_named_and_never_an_outcome(judge, tmp_path):
    models = [cloud(kind, judge.base_url) for kind in NAMED]
    with rig(tmp_path / "s.sqlite", models, 2, probe_s=0.05) as (go, store):
        progress = go()
        assert progress.done == 0
        for kind, says in NAMED.items():
            failures = store.failures(go.marks[kind])
            assert len(failures) == 2, kind
            assert all(says in failure.error for failure in failures), (kind, failures[0].error)
        assert store.tokens_paid("nousage") == []
    assert all(
        settled > 0 for _, _, settled, _ in ledger(tmp_path / "s.sqlite")
    )  # missing usage is never 0 USD


def test_12_an_answer_cut_at_the_token_limit_says_so(judge, tmp_path):
    with rig(
        tmp_path / "s.sqlite", [cloud("length", judge.base_url), cloud("ok", judge.base_url)], 10
    ) as (go, store):
        go()
        assert all(o.truncated for o in store.outcomes(go.marks["length"]))
        assert not any(o.truncated for o in store.outcomes(go.marks["ok"]))
        outcomes = list(store.outcomes(go.marks["length"]))
    assert (
        Trace.from_outcomes(outcomes, queries_frame(domain(10).queries), {"source": "measured"})
        .outcomes["truncated"]
        .all()
    )


def test_a_key_echoed_by_the_endpoint_appears_nowhere(judge, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789abcdef")
    with rig(
        tmp_path / "s.sqlite", [cloud("echo401", judge.base_url, api_key_env="PLANTED_KEY")], 5
    ) as (go, store):
        progress = go()
        said = repr(progress) + repr(store.failures(go.marks["echo401"])) + progress.stopped
    assert any("sk-planted" in seen for seen in judge.counters()["authorization"])  # it was sent
    assert "refused the key" in said
    assert "sk-planted" not in said
    for file in tmp_path.iterdir():
        assert b"sk-planted" not in file.read_bytes(), file


def test_an_error_carries_no_request_and_no_header(judge, monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789abcdef")
    with CloudModel(
        cloud("status:500", judge.base_url, api_key_env="PLANTED_KEY"),
        patience=Patience(attempts=1),
    ) as model:
        with pytest.raises(LabError) as caught:
            model.reply("number 1")
        assert "sk-planted" not in repr(model)
    seen, error = [], caught.value
    while error is not None:
        seen.append(type(error).__name__)
        error = error.__cause__ or error.__context__
    assert not [
        name for name in seen if name.endswith("StatusError") or name == "InternalServerError"
    ], seen
