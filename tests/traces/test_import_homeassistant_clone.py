from pathlib import Path

import numpy as np
import pytest

from ecollm_lab.records import LabError
from ecollm_lab.traces import import_outcomes
from ecollm_lab.traces.path_ids import placements
from tests.support.clone import QUOTA, Clone
from tests.support.recorded import outcome, where_present

SHARED = Path("../shared/inputs")


def read(folder, **options):
    return import_outcomes("homeassistant", folder, heldout_share=0, **options)


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path)


@where_present(SHARED)
@pytest.mark.parametrize("name", ["01_ha_clone_null_tokens", "02_ha_clone_quota_errors"])
def test_the_shared_clones_have_the_quality_of_their_complete_version(name):
    trace = read(SHARED / name)
    assert trace.array("quality").tolist() == [[1.0]] * 6
    assert trace.provenance["dropped"] == {"failed_runs": 6}
    assert trace.provenance["failed_runs"] == {"m-cloud": 6}
    cost = trace.outcomes["cost_usd"]
    full = (300 * 0.5 + 20 * 2.0) / 1e6
    if name.startswith("01"):  # one run has no count of tokens out
        assert cost.isna().tolist() == [False, False, True, False, False, False]
    np.testing.assert_allclose(cost.dropna(), full)


@pytest.mark.parametrize("null", ["null", "~", "", "Null"])
def test_what_a_run_does_not_record_is_unknown(clone, null):
    clone.model("m", cost={"input": 1, "output": 10})
    clone.run("t-lamp-0", "m", "2025.4.3", ms=null)
    clone.run("t-lamp-1", "m", "2025.4.3", tokens=((100, 5), (200, null)))
    clone.run("t-fan-0", "m", "2025.4.3", tokens=())
    trace = read(clone.folder)
    lamp, fan = outcome(trace, "assist/t-lamp", "m"), outcome(trace, "assist/t-fan", "m")
    # 0.5 s of the one run that has a duration; 20 tokens out of the one whose calls all have one
    assert (lamp.latency_s, lamp.tokens_in, lamp.tokens_out) == (0.5, 300, 20)
    assert lamp.cost_usd == pytest.approx((300 * 1 + 20 * 10) / 1e6)
    assert np.isnan([fan.tokens_in, fan.tokens_out, fan.cost_usd]).all()
    assert fan.latency_s == 0.5


def test_prices_of_models_give_costs_and_the_trace_says_so(clone):
    clone.model("big", cost={"input": 0.75, "output": 4.5})
    clone.model("free", place="local")
    clone.model("half", cost={"input": 0.75})
    for model in ("big", "free", "half"):
        clone.run("t-lamp-0", model, "2025.4.3", tokens=((1000, 10), (1000, 30)))
    trace = read(clone.folder)
    costs = dict(zip(trace.path_ids, trace.array("cost_usd")[0], strict=True))
    assert costs["big"] == pytest.approx((2000 * 0.75 + 40 * 4.5) / 1e6)
    assert np.isnan([costs["free"], costs["half"]]).all()
    assert placements(trace) == ["cloud", "edge", "cloud"]
    assert trace.provenance["notes"] == ["costs are tokens × the prices in models/*.yaml"]


def test_runs_that_hit_a_quota_are_left_out_and_counted(clone):
    clone.model("m")
    for repeat, failed in enumerate([False, True, False, True]):
        answer = QUOTA if failed else "Done."
        clone.run(f"t-lamp-{repeat}", "m", "2025.7.1", good=not failed, answer=answer)
    clone.run("t-fan-0", "m", "2025.7.1", good=False, answer="Which fan?")
    trace = read(clone.folder)
    assert outcome(trace, "assist/t-lamp", "m").quality == 1.0
    assert outcome(trace, "assist/t-lamp", "m").n_repeats == 2
    assert outcome(trace, "assist/t-fan", "m").quality == 0.0  # a wrong answer stays one
    assert trace.provenance["dropped"] == {"failed_runs": 2}
    assert trace.provenance["failed_runs"] == {"m": 2}


@pytest.mark.parametrize(("n_failed", "version"), [(0, "new"), (1, "new"), (2, "old"), (10, "old")])
def test_the_newest_version_that_answered_nearly_all_counts(clone, n_failed, version):
    clone.model("m")
    for task in range(10):
        failed = task < n_failed
        answer = QUOTA if failed else "Done."
        clone.run(f"t-task_{task}-0", "m", "2025.10.0", good=not failed, answer=answer)
        clone.run(f"t-task_{task}-0", "m", "2025.9.0", good=False, answer="No.", ms=900)
    trace = read(clone.folder)
    seconds = 0.5 if version == "new" else 0.9
    assert set(trace.outcomes["latency_s"]) == {seconds}
    assert len(trace.query_ids) == (10 - n_failed if version == "new" else 10)
    dropped = trace.provenance["dropped"]
    assert dropped.get("failed_runs", 0) == n_failed
    assert dropped.get("runs_of_other_versions", 0) == (10 if version == "new" else 10 - n_failed)


def test_versions_are_chosen_per_model_and_a_model_that_only_failed_is_absent(clone):
    clone.model("good")
    clone.model("bad")
    clone.run("t-lamp-0", "good", "2025.4.3", ms=400)
    clone.run("t-lamp-0", "good", "2025.5.0b1", ms=450)
    clone.run("t-lamp-0", "bad", "2025.5.0b1", good=False, answer=QUOTA)
    trace = read(clone.folder)
    assert trace.path_ids == ["good"]
    assert trace.outcomes["latency_s"].tolist() == [0.45]


def test_a_clone_whose_runs_all_failed_has_nothing_to_import(clone):
    clone.run("t-lamp-0", "m", "2025.4.3", good=False, answer=QUOTA)
    with pytest.raises(LabError, match=r"No outcome is left .*'failed_runs': 1"):
        read(clone.folder)


def test_only_numbers_and_nothing_are_durations(clone):
    clone.model("m")
    clone.run("t-lamp-0", "m", "2025.4.3", ms="soon")
    with pytest.raises(
        LabError, match=r"lamp-0\.yaml:\d+: duration_ms must be a number, got 'soon'"
    ):
        read(clone.folder)


def test_hidden_versions_and_models_are_not_read(clone):
    clone.model("m")
    listed = clone.folder / "models/m.yaml"
    (clone.folder / "models/z").mkdir()
    hidden = clone.folder / "models/z/.m.yaml"
    hidden.write_text(listed.read_text().replace("cloud", "local"))
    clone.run("t-lamp-0", "m", "2025.4.3")
    clone.run("t-lamp-0", "m", ".archive", good=False, ms=900)
    trace = read(clone.folder)
    assert trace.outcomes[["quality", "latency_s"]].to_numpy().tolist() == [[1.0, 0.5]]
    assert trace.provenance["dropped"] == {}
    assert placements(trace) == ["cloud"]
