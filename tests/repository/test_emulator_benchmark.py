"""What the benchmark of the Emulator runs again, records, and refuses."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import emulator
from ecollm_lab.emulator import Emulator
from ecollm_lab.records import Outcome
from tests.repository.test_benchmarks import a_space

SEEDS = [
    {"trace": "a", "seed": 0, "edition": "old", "git_revision": "now"},
    {"trace": "a", "seed": 1, "edition": "new", "git_revision": "now"},
    {"trace": "a", "seed": 2},
    {"trace": "a", "seed": 3, "edition": "new", "git_revision": "then"},
    {"trace": "a", "seed": 4, "edition": "new", "git_revision": "now", "quick": True},
    {"trace": "b", "seed": 0, "edition": "old", "git_revision": "then"},
    {"trace": "b", "seed": 1, "quick": True},
    {"trace": "a", "metric": "a summary"},
]


def kept(records, revision):
    found = emulator.reusable(records, ["a"], revision)
    return [(record["trace"], record["seed"]) for record in found]


def call(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["emulator", *map(str, words)])
    emulator.main()


def test_seeds_of_another_edition_or_revision_or_of_a_quick_run_are_run_again(monkeypatch):
    """Other traces are left alone."""
    monkeypatch.setattr(emulator, "edition", lambda name: {"a": "new"}[name])
    assert kept(SEEDS, "now") == [("a", 1), ("b", 0)]


@pytest.mark.parametrize("revision", ["now+", "unknown"])
def test_a_changed_tree_has_no_revision_to_go_by(monkeypatch, revision):
    monkeypatch.setattr(emulator, "edition", lambda name: {"a": "new"}[name])
    records = [one | {"git_revision": revision} for one in SEEDS]
    assert kept(records, revision) == [("b", 0)]


def test_a_quick_run_is_not_recorded(tmp_path, monkeypatch, capsys):
    file = tmp_path / "e.parquet"
    with pytest.raises(SystemExit) as ended:
        call(monkeypatch, "--quick", "--json", tmp_path / "e.json", "--parquet", file)
    assert ended.value.code == 2
    assert "--parquet; leave one out" in capsys.readouterr().err
    assert not file.exists()


def test_a_quick_run_leaves_the_records_of_a_whole_one_alone(tmp_path, monkeypatch):
    file = tmp_path / "e.json"
    file.write_text(json.dumps(SEEDS[:1]))
    with pytest.raises(SystemExit, match="holds records of a whole run"):
        call(monkeypatch, "--quick", "--json", file)
    assert json.loads(file.read_text()) == SEEDS[:1]


def test_a_trace_that_is_not_at_hand_is_refused_with_those_that_are(tmp_path, monkeypatch):
    said = "No trace at hand is named smart_hom; there are: .*synthetic_300"
    with pytest.raises(SystemExit, match=said):
        call(monkeypatch, "--json", tmp_path / "e.json", "--traces", "smart_hom")


def test_what_is_recorded_of_traces_not_asked_for_stays(tmp_path, monkeypatch):
    file = tmp_path / "e.parquet"
    made = {"git_revision": "newer", "measured_at": "2026-01-01"}
    pd.DataFrame([{"trace": "other", "method": "ours", "heldout_kept": 0.75, **made}]).to_parquet(
        file
    )
    scores = dict.fromkeys(["hypervolume_ratio", "slo_loss", "answers_kept", "heldout_kept"], 0.5)
    records = [
        {"trace": name, "method": method, "budget_share": 0.05, "seed": 0, **scores}
        for name in ("synthetic_300", "other")
        for method in ("ours", "tpe_20")
    ]
    monkeypatch.setattr(emulator, "_run", lambda options: records)
    monkeypatch.setattr(emulator, "finish", lambda frame: [])
    monkeypatch.setattr(emulator, "large_batch", list)
    words = ("--json", tmp_path / "e.json", "--parquet", file, "--traces", "synthetic_300")
    call(monkeypatch, *words)
    found = pd.read_parquet(file)
    assert found["trace"].value_counts().to_dict() == {"synthetic_300": 2, "other": 1}
    assert found.loc[found["trace"] == "other", "heldout_kept"].tolist() == [0.75]
    assert json.loads((tmp_path / "e.json").read_text()) == records


class Steps:
    """Stands for an estimator, and notes how many steps it is asked to take."""

    n_outcomes = np.zeros(1)

    def __init__(self, *args, **kwargs):
        self.taken = None

    def update(self, *tables, iterations, n_draws):
        self.taken = iterations, n_draws


def test_our_estimator_takes_as_many_steps_on_what_others_saw_as_in_ours(monkeypatch):
    space, labels = a_space(), np.zeros(12, dtype=int)
    ours = Emulator(space.path_ids, [str(i) for i in range(12)], space.embeddings, labels=labels)
    ours.recall([Outcome("0", space.path_ids[0], 1.0, 0.0, 0.1, 0, 0)])
    ours.estimates = Steps()
    ours.refresh(thorough=True)
    monkeypatch.setattr(emulator, "Estimates", Steps)
    borrowed = emulator.estimated(space, labels, np.ones((12, 6), dtype=bool), 0)
    assert borrowed.taken == ours.estimates.taken
