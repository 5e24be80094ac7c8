import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks import spaces
from benchmarks.allocations import BASELINES, cells_of
from benchmarks.emulator_scores import Truth, _trace, recommend, score_raw
from benchmarks.emulator_summary import aims, beaten_by, best_of_trials, calls, calls_ratio
from benchmarks.spaces import Space, keep, recorded, renewed, synthetic
from ecollm_lab.policies import fit_policy


def a_space(seed=0, n=12):
    rng = np.random.default_rng(seed)
    ids = [f"a{i}/b{j}" for i in range(2) for j in range(3)]
    tables = np.stack(
        [rng.random((n + 6, 6)), 1e-6 * (1 + rng.random((n + 6, 6))), 1 + rng.random((n + 6, 6))]
    )
    embeddings = rng.standard_normal((n + 6, 4))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Space("tiny", ids, tables[:, :n], tables[:, n:], embeddings[:n], embeddings[n:])


@pytest.mark.parametrize("method", BASELINES)
def test_every_baseline_pays_for_each_cell_once_and_in_the_end_for_all(method):
    space = a_space()
    cells = list(
        itertools.islice(
            cells_of(method)(space, np.arange(12) % 2, np.random.default_rng(0)), 12 * 6 * 3
        )
    )
    unique = list(dict.fromkeys(cells))
    assert len(unique) == 12 * 6
    if method not in ("racing",) and not method.startswith(
        ("tpe", "nsga2")
    ):  # these end by filling up with what is left
        assert len(cells) == 12 * 6


@pytest.mark.parametrize("usd", [0.0, 1e-6])
def test_racing_drops_beaten_paths_though_all_cost_the_same(usd):
    """The first path alone is right, and takes half as long; costs of 0 stand for none recorded."""
    tables = np.ones((3, 12, 6))
    tables[0, :, 1:] = 0.0
    tables[1] = usd
    tables[2, :, 0] = 0.5
    space = replace(a_space(), tables=tables)
    cells = cells_of("racing")(space, np.zeros(12, dtype=int), np.random.default_rng(0))
    paths = [path for _, path in itertools.islice(cells, 5 * 6 + 7)]
    assert set(paths[: 5 * 6]) == set(range(6))
    assert set(paths[5 * 6 :]) == {0}


def test_seeing_everything_is_the_truth():
    space = a_space()
    truth = Truth(space)
    scores = score_raw(space, truth, np.ones((12, 6), dtype=bool))
    assert scores["hypervolume_ratio"] == pytest.approx(1)
    assert scores["slo_loss"] == pytest.approx(0)
    assert scores["heldout_kept"] == pytest.approx(1)
    assert scores["answers_kept"] == pytest.approx(1)
    assert scores["optimism"] == pytest.approx(0)


def test_a_wrong_pick_loses_its_quality_and_an_infeasible_one_all():
    truth = Truth(a_space())
    best = truth.slo_loss(np.array([_best(truth, box) for box in truth.boxes]))
    assert best == pytest.approx(0)
    nothing = truth.slo_loss(np.full(len(truth.boxes), -1))
    feasible = [
        truth.means[_kept(truth, box), 0].max() for box in truth.boxes if _kept(truth, box).any()
    ]
    assert nothing == pytest.approx(np.mean(feasible))


def _kept(truth, box):
    return (truth.means[:, 1] <= box[0]) & (truth.means[:, 2] <= box[1])


def _best(truth, box):
    kept = _kept(truth, box)
    return int(np.where(kept, truth.means[:, 0], -1).argmax()) if kept.any() else -1


def test_recommendations_are_cut_to_the_size_and_filled_from_the_next_front():
    points = np.array(
        [[0.9, 3.0, 1.0], [0.5, 1.0, 1.0], [0.6, 1.5, 1.0], [0.4, 2.0, 1.0], [np.nan, 1.0, 1.0]]
    )
    assert sorted(recommend(points, 3)) == [0, 1, 2]
    assert sorted(recommend(points, 4)) == [0, 1, 2, 3]
    assert len(recommend(points, 2)) == 2
    assert 4 not in recommend(points, 9)


def some_records():
    medians = {
        "ours": (0.8, 0.9, 0.95),
        "uniform": (0.5, 0.6, 0.9),
        "tpe_10": (0.1, 0.1, 0.1),
        "tpe_20": (0.5, 0.5, 0.5),
    }
    return pd.DataFrame(
        [
            {
                "trace": "pocket_smart_home",
                "method": method,
                "budget_share": share,
                "seed": seed,
                "answers_kept": kept,
                "heldout_kept": kept,
            }
            for method, row in medians.items()
            for share, kept in zip((0.01, 0.05, 0.2), row, strict=True)
            for seed in range(4)
        ]
    ).assign(hypervolume_ratio=0.9, slo_loss=0.1)


def test_optuna_is_reported_with_the_trial_size_that_serves_it_best():
    kept = best_of_trials(some_records())
    assert set(kept["method"]) == {"ours", "uniform", "tpe"}
    assert kept.loc[kept["method"] == "tpe", "queries_per_trial"].unique().tolist() == [20]


def test_calls_ratios_and_competitors_that_win_are_counted():
    frame = best_of_trials(some_records())
    assert calls_ratio(frame) == (pytest.approx(4.0), "")
    frame.loc[frame["method"] == "uniform", "heldout_kept"] -= 0.1
    assert calls_ratio(frame) == (pytest.approx(4.0), "more than")
    assert beaten_by(frame) == []
    frame["heldout_kept"] += 1e-3 * frame["seed"]
    frame.loc[(frame["method"] == "tpe") & (frame["budget_share"] == 0.05), "heldout_kept"] += 0.5
    assert len(beaten_by(frame)) == 1
    assert "pocket_smart_home 0.05 heldout_kept: tpe by 0.1" in beaten_by(frame)[0]


def test_a_competitor_that_is_there_with_the_smallest_budget_needs_at_most_that():
    frame = best_of_trials(some_records().assign(optimism=0.01, coverage=0.9))
    frame.loc[frame["method"] == "uniform", "heldout_kept"] += 0.45
    assert calls_ratio(frame) == (pytest.approx(0.2), "at most")
    assert "| pocket_smart_home | at most 0.2 | – | 0.900 |" in calls(frame)
    (row,) = (one for one in aims(frame) if one["metric"] == "calls_ratio_best_competitor")
    assert row["note"].endswith("at most this")


def test_aims_carry_their_bound():
    records = aims(best_of_trials(some_records().assign(optimism=0.01, coverage=0.9)))
    one = next(r for r in records if r["metric"] == "heldout_kept_at_0.05")
    assert one == {
        "metric": "heldout_kept_at_0.05",
        "trace": "pocket_smart_home",
        "value": pytest.approx(0.9),
        "at_least": 0.97,
    }


def test_new_records_of_a_trace_replace_its_old_ones_alone(tmp_path):
    file = tmp_path / "r.parquet"
    old = renewed(file, pd.DataFrame({"trace": ["a", "b", "b"], "value": [1.0, 2.0, 3.0]})).assign(
        git_revision="old"
    )
    old.to_parquet(file)
    new = renewed(file, pd.DataFrame({"trace": ["a", "c"], "value": [4.0, 5.0]}))
    assert new[["trace", "value"]].values.tolist() == [
        ["a", 4.0],
        ["b", 2.0],
        ["b", 3.0],
        ["c", 5.0],
    ]
    assert [line.split(": ")[1] for line in recorded(new)] == ["a, c.", "b."]
    assert recorded(pd.DataFrame({"trace": ["a"]})) == []
    kept = renewed(
        file,
        pd.DataFrame({"trace": ["d"], "git_revision": ["then"], "measured_at": ["2026-01-01"]}),
    )
    assert recorded(kept)[-1] == "Recorded 2026-01-01 at revision then: d."


def test_the_file_of_a_trace_is_read_once_for_its_edition(monkeypatch):
    files = []
    monkeypatch.setattr(spaces, "digest", lambda file: files.append(file) or "x")
    assert [spaces.edition("made up for this") for _ in range(3)] == ["x"] * 3
    assert len(files) == 1


def test_the_synthetic_space_repeats_and_has_structure():
    one, two = synthetic("synthetic_300", 3), synthetic("synthetic_300", 3)
    assert (one.tables == two.tables).all()
    assert one.tables.shape == (3, 400, 300)
    assert set(np.unique(one.tables[0])) == {0.0, 1.0}
    last = np.array([path_id.split("/")[-1] for path_id in one.path_ids])
    latency = one.tables[2].mean(axis=0)
    within = np.mean([latency[last == level].var() for level in set(last)])
    assert within < 0.3 * latency.var()


def test_where_answers_count_an_slo_that_no_path_keeps_often_enough_is_answered_all_the_same():
    space = a_space(n=20)
    tables = np.concatenate([space.tables, space.heldout], axis=1)
    tables[0], tables[1] = 1.0, 1e-6
    tables[2] = np.where(np.arange(tables.shape[1]) % 5 == 0, 9.0, 1.0)[:, None]  # a fifth is late
    space = replace(space, tables=tables[:, :20], heldout=tables[:, 20:])
    truth = Truth(space)
    truth.tail_boxes = np.array([[1.0, 2.0]])
    policy = fit_policy(_trace(space, np.ones((20, 6), dtype=bool)), embeddings=space.embeddings)
    kept = (space.heldout[2][:, 0] <= 2.0).mean()
    assert 0.5 < kept < 1
    assert truth.heldout_quality(policy, "answers_kept") == pytest.approx(kept)
    assert truth.heldout_quality(policy, "heldout_kept") == 0.0


def test_new_records_are_kept_beside_those_of_other_traces_in_a_folder_that_is_made(tmp_path):
    file = tmp_path / "new" / "r.parquet"
    keep(pd.DataFrame({"trace": ["a"], "value": [1.0]}), None)
    assert not list(tmp_path.iterdir())
    for trace, value in (("a", 1.0), ("b", 2.0), ("a", 3.0)):
        keep(pd.DataFrame({"trace": [trace], "value": [value]}), file)
    assert pd.read_parquet(file).set_index("trace")["value"].to_dict() == {"a": 3.0, "b": 2.0}
