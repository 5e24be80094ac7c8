import numpy as np
import pytest

from ecollm_lab.paths import PathSpace
from ecollm_lab.sweeps import SweepOptions
from ecollm_lab.sweeps.preflight import calls_left, estimate, first_calls, missing_pairs
from tests.support.rig import cloud, domain, rig
from tests.support.scripted_server import Judge

MODELS = {"m": cloud("m", "")}  # a million tokens read cost 1 USD


class Known:
    def __init__(self, prices):
        self.prices = prices

    def tokens_paid(self, model):
        return [(1e6 * price, 0) for price in self.prices]


def test_nine_of_ten_intervals_hold_what_the_rest_will_cost():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(400):
        prices = rng.gamma(4.0, 0.25, 8 + 60)
        (one,) = estimate({"m": 60}, Known(prices[:8]), MODELS)
        inside += one.low_usd <= prices[8:].sum() <= one.high_usd
    assert 0.85 <= inside / 400 <= 0.95


def test_a_model_that_nothing_is_known_of_gets_a_few_first_calls(tmp_path):
    judge = Judge()
    try:
        with rig(tmp_path / "s.sqlite", [cloud("ok", judge.base_url)], 100) as (go, store):
            catalog = go.pipeline.catalog
            paths = PathSpace.over(["ok"]).select(["none/none/none/plain/ok"]).paths
            missing = missing_pairs(domain(100).queries, paths, store, go.by_path, catalog)
            assert len(missing["ok"]) == 100
            first = first_calls(missing, store)
            assert len(first) == 8
            assert estimate({"ok": 100}, store, catalog) == []
            go(only=first)
            (one,) = estimate({"ok": 92}, store, catalog)
            assert first_calls(missing, store) == set()
            before = store.spending("scripted").charged_usd
            go()
            assert one.low_usd <= store.spending("scripted").charged_usd - before <= one.high_usd
            assert "at most 92 calls" in str(one)
            dearer = {"ok": cloud("ok", "", price_in_usd_per_mtok=2.0, price_out_usd_per_mtok=8.0)}
            (then,) = estimate({"ok": 92}, store, catalog)
            (today,) = estimate({"ok": 92}, store, dearer)
            assert today.usd == pytest.approx(2 * then.usd)
    finally:
        judge.close()


def test_calls_that_are_repeated_or_judged_too_count_as_often_as_they_are_paid(tmp_path):
    models = [cloud(name, "http://127.0.0.1:9/v1") for name in ("other", "both")]
    with rig(tmp_path / "s.sqlite", models, 10) as (go, store):
        ids = [f"none/none/none/plain/{model.name}" for model in models]
        paths = PathSpace.of(go.pipeline.catalog).select(ids).paths
        given = (domain(10).queries, paths, store, go.by_path, go.pipeline.catalog)
        missing = missing_pairs(*given, "both")
        few = missing_pairs(*given, "both", {("q00000", path_id) for path_id in ids})
    often = SweepOptions(repeats=5, repeat_share=0.5)
    assert calls_left(missing, set(), SweepOptions(), "both") == {"other": 10, "both": 30}
    assert calls_left(missing, set(), often, "both") == {"other": 30, "both": 50}
    made = set(missing["other"][:4])
    assert calls_left(missing, made, often, "both") == {"other": 18, "both": 46}
    assert calls_left(few, set(), SweepOptions(), "both") == {"other": 1, "both": 3}
    assert len(first_calls({"both": missing["both"]}, Known([]))) == 8
