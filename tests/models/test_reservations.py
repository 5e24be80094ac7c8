"""Money: what the server bills and what the ledger charges agree, and a cap holds all the same."""

import time

import pytest

from ecollm_lab.models.cloud.client import CloudModel
from ecollm_lab.sweeps import Ended
from tests.support.endpoint import Endpoint, Journal, completion
from tests.support.ledger import billed_usd
from tests.support.rig import FAST, cloud, rig
from tests.support.scripted_server import Judge


@pytest.fixture(scope="module")
def server():
    running = Judge()
    yield running
    running.close()


def test_the_servers_counters_and_the_ledger_agree_to_the_cent(server, tmp_path):
    server.reset()
    names = ["ok", "parts", "surrogate", "length", "refusal", "tools", "cutthought", "null"]
    names += [f"finish:{n}" for n in range(4)]
    models = [cloud(name, server.base_url) for name in names]
    models += [cloud(f"thinks:{n}", server.base_url, thinking_tokens=900) for n in (1, 900)]
    with rig(tmp_path / "s.sqlite", models, 3) as (go, store):
        progress = go()
        charged = store.spending("scripted").charged_usd
    assert progress.done == 3 * 10  # what carries an answer is one
    assert progress.failed == 3 * 4
    assert progress.retried == 0
    assert charged == pytest.approx(sum(billed_usd(server, model) for model in models), abs=1e-9)


@pytest.mark.parametrize("name", ["verbose:9", "prompted:3000", "thinks:2000"])
def test_a_cap_holds_though_the_endpoint_bills_more_than_it_was_allowed(server, tmp_path, name):
    server.reset()
    model, cap = cloud(name, server.base_url), 0.02
    with rig(tmp_path / "s.sqlite", [model], 60) as (go, store):
        progress = go(max_cost_usd=cap)
        assert progress.ended is Ended.BUDGET
        assert 0 < progress.done < 60
        charged = store.spending("scripted").charged_usd
    assert charged == pytest.approx(billed_usd(server, model))
    assert charged <= cap


def test_a_usage_of_nothing_is_not_free(server, tmp_path):
    server.reset()
    model, cap = cloud("free", server.base_url), 0.002
    with rig(tmp_path / "s.sqlite", [model], 40) as (go, store):
        assert go(max_cost_usd=cap).ended is Ended.BUDGET
        assert 0.001 < store.spending("scripted").charged_usd <= cap
        assert billed_usd(server, model) <= cap
        assert all("0 / 0 tokens" in f.error for f in store.failures(go.marks["free"]))


def test_the_first_excess_is_said_once_and_reserved_from_then_on():
    journal = Journal()
    with (
        Endpoint({"m": completion("fine", usage=(40, 1000))}) as endpoint,
        CloudModel(cloud("m", endpoint.base_url), patience=FAST) as model,
    ):
        calls = [model.submit("a question", journal.account) for _ in range(10)]
        for call in calls:
            assert call.result(timeout=20).tokens_out == 1000
    first, *others = journal.reserved
    assert others == pytest.approx([first + 1000 * 4e-6] * 9)
    (notice,) = journal.notices
    assert "'m' billed 40 tokens read and 1000 written where at most 138 and 64" in notice


@pytest.mark.parametrize(("price", "alone"), [(1.0, True), (0.0, False)])
def test_the_first_paid_call_goes_alone_and_unpaid_ones_do_not_wait(price, alone):
    seen = []

    def answer(prompt):
        if not seen:
            seen.append(1)
            until = time.monotonic() + (0.5 if alone else 20.0)
            while endpoint.requests["m"] == 1 and time.monotonic() < until:
                time.sleep(0.01)
            seen[0] = endpoint.requests["m"]
        return "fine"

    prices = {"price_in_usd_per_mtok": price, "price_out_usd_per_mtok": price}
    with (
        Endpoint({"m": answer}) as endpoint,
        CloudModel(cloud("m", endpoint.base_url, timeout_s=60.0, **prices)) as model,
    ):
        calls = [model.submit(f"question {i}", Journal().account) for i in range(8)]
        assert {call.result(timeout=60).text for call in calls} == {"fine"}
    assert (seen[0] == 1) is alone


def test_after_a_first_call_that_failed_unbilled_the_next_one_goes_alone():
    order, beside = [], []

    def answer(prompt):
        order.append(prompt)
        if len(order) == 1:
            return 503, {"error": {"message": "not yet"}}
        if len(order) == 2:
            time.sleep(0.5)
            beside.append(endpoint.requests["m"])
        return "fine"

    with (
        Endpoint({"m": answer}) as endpoint,
        CloudModel(cloud("m", endpoint.base_url), patience=FAST) as model,
    ):
        calls = [model.submit(f"question {i}", Journal().account) for i in range(8)]
        assert {call.result(timeout=60).text for call in calls} == {"fine"}
    assert beside == [2]
