"""Two hundred random sweeps: the bill of the scripted server never exceeds the cap."""

import random

from ecollm_lab.records import LabError
from ecollm_lab.sweeps import Ended
from tests.support.rig import cloud, rig
from tests.support.scripted_server import Judge

SWEEPS = 200


def test_the_cap_holds_over_200_random_sweeps(tmp_path, record_property):
    judge, most, used, stopped, refused = Judge(), 0.0, 0, 0, set()
    try:
        for seed in range(SWEEPS):
            rng = random.Random(seed)
            models = [
                cloud(
                    f"mixed~{seed}-{i}",
                    judge.base_url,
                    price_in_usd_per_mtok=10 ** rng.uniform(-2, 1.5),
                    price_out_usd_per_mtok=10 ** rng.uniform(-2, 2),
                    max_in_flight=rng.choice([1, 4, 16]),
                )
                for i in range(rng.choice([1, 1, 2]))
            ]
            n = rng.randint(4, 12)
            cap = (
                rng.uniform(0.1, 1.2)
                * n
                * sum(model.cost_usd(0.0, 173, 64) for model in models)
                / 2
            )
            for _ in range(1 + (seed % 4 == 0)):  # every fourth one is restarted under the same cap
                with rig(tmp_path / f"{seed}.sqlite", models, n, probe_s=0.02) as (go, store):
                    try:
                        stopped += go(max_cost_usd=cap).ended is Ended.BUDGET
                    except LabError as error:  # it refused to start
                        refused.add(str(error)[:45])
                    charged = store.spending("scripted")
            billed = judge.counters()["billed"]
            spent = sum(
                model.cost_usd(0.0, *billed.get(model.remote_name, (0, 0))) for model in models
            )
            assert spent <= charged.charged_usd + 1e-12, seed  # the ledger is never below the bill
            assert charged.charged_usd <= cap + 1e-12, seed
            assert charged.open_usd == 0.0, seed
            most, used = max(most, spent / cap), used + (spent > 0)
            judge.reset()
    finally:
        judge.close()
    record_property("most of a cap that was spent", most)
    record_property("sweeps the cap stopped", stopped)
    assert all("cannot buy one" in said for said in refused), refused
    assert used > SWEEPS * 0.8  # money was spent
    assert stopped > SWEEPS * 0.3  # and the cap was met
    assert 0.5 < most <= 1.0
