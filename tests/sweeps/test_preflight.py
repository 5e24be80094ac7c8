import numpy as np

from ecollm_lab.paths import PathSpace
from ecollm_lab.sweeps.preflight import estimate, first_calls, missing_pairs
from tests.support.rig import cloud, domain, rig
from tests.support.scripted_server import Judge


class Known:
    def __init__(self, prices):
        self.prices = prices

    def prices_paid(self, model):
        return self.prices


def test_nine_of_ten_intervals_hold_what_the_rest_will_cost():
    rng, inside = np.random.default_rng(0), 0
    for _ in range(400):
        prices = rng.gamma(4.0, 0.25, 8 + 60)
        (one,) = estimate({"m": 60}, Known(prices[:8]))
        inside += one.low_usd <= prices[8:].sum() <= one.high_usd
    assert 0.85 <= inside / 400 <= 0.95


def test_a_model_that_nothing_is_known_of_gets_a_few_first_calls(tmp_path):
    judge = Judge()
    try:
        with rig(tmp_path / "s.sqlite", [cloud("ok", judge.base_url)], 100) as (go, store):
            paths = PathSpace.over(["ok"]).select(["none/none/none/plain/ok"]).paths
            missing = missing_pairs(
                domain(100).queries, paths, store, go.by_path, go.pipeline.catalog
            )
            assert len(missing["ok"]) == 100
            first = first_calls(missing, store)
            assert len(first) == 8
            assert estimate({"ok": 100}, store) == []
            go(only=first)
            (one,) = estimate({"ok": 92}, store)
            assert first_calls(missing, store) == set()
            before = store.spending("scripted").charged_usd
            go()
            assert one.low_usd <= store.spending("scripted").charged_usd - before <= one.high_usd
            assert "at most 92 calls" in str(one)
    finally:
        judge.close()
