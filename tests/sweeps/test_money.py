"""Fault 13 of docs/faults.md: the cap in US dollars is never exceeded."""

import pytest

from ecollm_lab.records import LabError
from ecollm_lab.sweeps import Ended, SweepOptions
from ecollm_lab.sweeps.calls import Calls
from tests.support.ledger import RESERVED, billed_usd, ledger
from tests.support.rig import cloud, rig


def test_13_a_budget_holds_under_concurrency_and_across_a_restart(judge, tmp_path):
    model = cloud("ok:10", judge.base_url)
    cap = 0.004
    with rig(tmp_path / "s.sqlite", [model], 200) as (go, store):
        first = go(max_cost_usd=cap)
        assert first.ended is Ended.BUDGET
        assert 0 < first.done < 200
    assert billed_usd(judge, model) <= cap
    assert billed_usd(judge, model) > cap - 0.00045  # less than one reservation is left over
    with rig(tmp_path / "s.sqlite", [model], 200) as (go, store):
        assert store.spending("scripted").charged_usd <= cap
        with pytest.raises(LabError, match="cannot buy one more call"):
            go(max_cost_usd=cap)
        assert go.pipeline._asked is go.pipeline.models  # not what asks through this store
        assert go(max_cost_usd=2 * cap).done > 0
    assert billed_usd(judge, model) <= 2 * cap


EXCESS = ["verbose:20", "prompted:5000", "thinks:700"]


@pytest.mark.parametrize("remote", EXCESS)
@pytest.mark.parametrize("in_flight", [1, 16])
def test_what_is_billed_beyond_a_reservation_is_said_and_reserved_from_then_on(
    judge, tmp_path, remote, in_flight
):
    model, cap = cloud(remote, judge.base_url, max_in_flight=in_flight), 0.06
    with rig(tmp_path / "s.sqlite", [model], 60) as (go, store):
        progress = go(max_cost_usd=cap)
        charged = store.spending("scripted").charged_usd
    assert progress.ended is Ended.BUDGET
    assert progress.done > 1
    assert len(progress.notices) >= 1
    assert f"Model '{remote}' billed" in progress.notices[0]
    assert charged == pytest.approx(billed_usd(judge, model), abs=1e-9)  # to the cent, and further
    assert 0.5 * cap < charged <= cap
    rows = ledger(tmp_path / "s.sqlite")
    assert rows[0][2] > rows[0][1]  # the first was billed more than it had reserved
    assert all(settled <= reserved for _, reserved, settled, _ in rows[2:])


@pytest.mark.parametrize("remote", EXCESS)
def test_a_resumed_sweep_reserves_at_once_what_earlier_runs_were_billed(judge, tmp_path, remote):
    model = cloud(remote, judge.base_url)
    with rig(tmp_path / "s.sqlite", [model], 6) as (go, store):
        assert go(limit=3).done == 3
    with rig(tmp_path / "s.sqlite", [model], 6) as (go, store):
        assert go().done == 3
        assert store.spending("scripted").charged_usd == pytest.approx(billed_usd(judge, model))
    rows = ledger(tmp_path / "s.sqlite")
    assert rows[0][2] > rows[0][1]
    assert all(settled <= reserved for _, reserved, settled, _ in rows[3:])


def test_without_usage_a_resumed_sweep_charges_all_that_it_reserved(judge, tmp_path):
    file, model = tmp_path / "s.sqlite", cloud("m", judge.base_url, remote_name="verbose:20")
    with rig(file, [model], 3) as (go, _):
        assert go().done == 3
    with rig(file, [cloud("m", judge.base_url, remote_name="free")], 3, probe_s=0.1) as (go, _):
        assert go().done == 0
    paid = ledger(file)[0][2]
    in_vain = ledger(file)[3:]
    assert in_vain
    assert all(settled == reserved > paid for _, reserved, settled, _ in in_vain)


@pytest.mark.parametrize("remote", ["free", "huge"])
def test_a_usage_that_cannot_be_true_is_charged_as_reserved_and_no_outcome(judge, tmp_path, remote):
    model, cap = cloud(remote, judge.base_url), 0.003
    with rig(tmp_path / "s.sqlite", [model], 40, probe_s=0.1) as (go, store):
        progress = go(max_cost_usd=cap)
        assert (progress.done, progress.ended) == (0, Ended.BUDGET)
        assert store.tokens_paid(remote) == []
    rows = ledger(tmp_path / "s.sqlite")
    assert rows
    assert all(settled == reserved == RESERVED for _, reserved, settled, _ in rows)
    assert billed_usd(judge, model) <= sum(settled for _, _, settled, _ in rows) <= cap


@pytest.mark.parametrize("remote", ["null", "empty", "refusal", "tools", "cutthought"])
def test_an_answer_of_no_use_is_paid_once_and_keeps_the_endpoint_open(judge, tmp_path, remote):
    model = cloud(remote, judge.base_url)
    with rig(tmp_path / "s.sqlite", [model], 12) as (go, store):
        progress = go()
        assert (progress.failed, progress.done, progress.ended) == (12, 0, None)
        assert store.spending("scripted").charged_usd == pytest.approx(billed_usd(judge, model))
    assert set(judge.counters()["per_key"][remote].values()) == {1}


@pytest.mark.parametrize("remote", ["refusal", "filter"])
def test_a_refusal_is_not_paid_again_when_the_sweep_is_resumed(judge, tmp_path, remote):
    with rig(tmp_path / "s.sqlite", [cloud(remote, judge.base_url)], 4) as (go, _):
        assert go().failed == 4
        again = go()
        assert (again.total, again.quarantined) == (0, 4)
    assert judge.requests(remote) == 4


def test_half_a_character_in_an_answer_ends_no_sweep(judge, tmp_path):
    with rig(tmp_path / "s.sqlite", [cloud("surrogate", judge.base_url)], 5) as (go, store):
        assert go().done == 5
        assert {o.answer for o in store.outcomes(go.marks["surrogate"])} == {"a cut emoji \ufffd"}
        assert go().reused == 5


@pytest.mark.parametrize("remote", ["empty", "cutthought", "refusal", "filter"])
def test_a_prompt_that_was_answered_in_vain_is_not_paid_for_again_on_another_path(
    judge, tmp_path, remote
):
    with rig(tmp_path / "s.sqlite", [cloud(remote, judge.base_url)], 1) as (go, store):
        models = go.pipeline.models
        calls = Calls(store, models.catalog, models, "scripted", SweepOptions())
        first, again = (calls.get(remote, "how heavy?").exception(10) for _ in range(2))
    assert first is again
    assert judge.requests(remote) == 1


def test_a_call_that_failed_without_an_answer_is_made_again_on_another_path(judge, tmp_path):
    with rig(tmp_path / "s.sqlite", [cloud("perm:100", judge.base_url)], 1) as (go, store):
        models = go.pipeline.models
        calls = Calls(store, models.catalog, models, "scripted", SweepOptions())
        errors = [calls.get("perm:100", "how heavy?").exception(10) for _ in range(2)]
    assert all("not allowed" in str(error) for error in errors)
    assert judge.requests("perm:100") == 2
