"""Fault 13 of docs/faults.md: the cap in US dollars is never exceeded."""

import pytest

from ecollm_lab.records import LabError
from ecollm_lab.sweeps import Ended
from tests.support.ledger import billed_usd
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
        assert go(max_cost_usd=2 * cap).done > 0
    assert billed_usd(judge, model) <= 2 * cap
