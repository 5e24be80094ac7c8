from dataclasses import replace

import numpy as np
import pytest

from ecollm_lab.emulator import Estimates, resemblance
from ecollm_lab.emulator.design import Design
from ecollm_lab.emulator.estimates import slo_regret
from ecollm_lab.emulator.resemblance import Resemblance
from ecollm_lab.policies import fit_policy, load_policy, save_policy
from ecollm_lab.policies.training import Spend, Training
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import OBJECTIVES, is_on_front
from tests.conftest import SMALL, LetterEncoder, make_trace


def a_space(seed, n=60, seen=1.0):
    """Twelve structured paths with known chances; returns estimates, tables and the true chance."""
    rng = np.random.default_rng(seed)
    ids = [f"r{i}/b-{k}/m{m}" for i in range(2) for k in (1, 3) for m in range(3)]
    chance = np.array(
        [
            0.3 + 0.05 * i + 0.1 * (k == 3) + 0.2 * m
            for i in range(2)
            for k in (1, 3)
            for m in range(3)
        ]
    )
    embeddings = rng.standard_normal((n, 8))
    tables = np.stack(
        [
            (rng.random((n, 12)) < chance).astype(float),
            np.exp(np.arange(12) / 3 + 0.2 * rng.standard_normal((n, 12))) * 1e-6,
            np.exp(np.arange(12) / 4 + 0.3 * rng.standard_normal((n, 12))),
        ]
    )
    hidden = np.where(rng.random((n, 12)) < seen, tables, np.nan)
    return Estimates(ids, [str(i) for i in range(n)], embeddings, seed=seed), hidden, tables


def test_everything_seen_gives_the_measured_means_and_percentiles():
    estimates, tables, _ = a_space(0)
    estimates.update(*tables)
    draws = estimates.draws()
    assert draws.mean(axis=0) == pytest.approx(tables.mean(axis=1).T)
    assert draws.std(axis=0) == pytest.approx(0, abs=1e-9)
    for i, column in ((1, "cost_usd"), (2, "latency_s")):
        tails = estimates.tail_draws(column)
        assert tails[0] == pytest.approx(np.quantile(tables[i], 0.95, axis=0))
        assert (tails == tails[0]).all()
        likely = estimates.likely_outcomes(column)
        assert likely == pytest.approx(np.sort(tables[i], axis=0))
        assert (np.diff(likely, axis=0) >= 0).all()


def test_a_tenth_seen_is_nearer_the_truth_than_raw_means_and_covers_it():
    errors, covered = [], []
    for seed in range(8):
        estimates, hidden, tables = a_space(seed, seen=0.1)
        estimates.update(*hidden, iterations=12, n_draws=256)
        draws, truth = estimates.draws(), tables.mean(axis=1).T
        points = draws.mean(axis=0), np.nanmean(hidden, axis=1).T
        errors.append([np.nanmean(np.abs(p - truth), axis=0) for p in points])
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        covered.append((low <= truth) & (truth <= high))
    ours, raw = np.mean(errors, axis=0)
    assert (ours < 0.95 * raw).all(), f"{ours} against {raw}"
    assert ours[0] < 0.75 * raw[0]
    assert 0.8 < np.mean(covered) < 0.97


def test_the_tails_of_paths_that_were_hardly_asked_are_wide_but_finite():
    estimates, _, tables = a_space(0, n=200)
    few = np.full(tables.shape, np.nan)
    few[:, :3, :6] = tables[:, :3, :6] ** 6  # levels far apart; of the other paths nothing is known
    estimates.update(*few, n_draws=256)
    for column in ("cost_usd", "latency_s"):
        tails = estimates.tail_draws(column)
        assert np.isfinite(tails).all()
        assert (np.quantile(tails, 0.95, axis=0) > 3 * np.median(tails, axis=0)).any()


def tailed(n, rng):
    """Latencies on 12 paths: what lies around a level depends on the model alone, a third of it.

    Model a answers at length one time in seven, b never does.
    """
    ids = [f"{stage}/{model}" for stage in "pqrstu" for model in "ab"]
    long = np.where(rng.random((n, 12)) < 1 / 7, rng.uniform(1, 2, (n, 12)), 0.0)
    around = np.where(np.arange(12) % 2, rng.uniform(-0.3, 0.3, (n, 12)), long)
    return ids, np.exp(np.arange(12) / 6 + around + 0.02 * rng.standard_normal((n, 12)))


def test_the_tail_of_a_path_is_told_by_the_paths_that_resemble_it(monkeypatch):
    errors, covered = {"learned": [], "all alike": [], "raw": []}, []
    candidates = {"learned": resemblance.APART, "all alike": (0.0,)}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        ids, latency = tailed(200, rng)
        hidden = np.where(rng.random(latency.shape) < 0.06, latency, np.nan)
        truth = np.quantile(latency, 0.95, axis=0)
        tails = {"raw": np.nanquantile(hidden, 0.95, axis=0)[None]}
        for name, apart in candidates.items():
            monkeypatch.setattr(resemblance, "APART", apart)
            estimates = Estimates(ids, [str(i) for i in range(200)], rng.random((200, 3)))
            estimates.update(hidden * 0.1, hidden * 1e-6, hidden, iterations=8)
            tails[name] = estimates.tail_draws("latency_s", n_draws=64)
        for name, draws in tails.items():
            errors[name].append(np.abs(np.log(np.median(draws, axis=0) / truth)).mean())
        low, high = np.quantile(tails["learned"], [0.05, 0.95], axis=0)
        covered.append((low <= truth) & (truth <= high))
    learned, alike, raw = (np.mean(errors[name]) for name in ("learned", "all alike", "raw"))
    assert learned < 0.85 * min(alike, raw), (learned, alike, raw)
    assert np.mean(covered) > 0.8


def test_stages_that_change_no_tail_are_not_held_apart():
    design = Design.over([f"{a}/{b}" for a in "pqrs" for b in "xy"], np.eye(3), np.zeros(3))
    rng = np.random.default_rng(0)
    columns = np.repeat(np.arange(8), 40)
    values = rng.standard_normal(320) * np.where(columns % 2, 0.1, 1.0)
    weights = Resemblance(design).learn(columns, values)
    assert np.diag(weights) == pytest.approx(1)
    assert weights[0, 2] == pytest.approx(1)
    assert weights[0, 1] < 0.1


def test_more_draws_of_tails_than_of_levels_and_many_paths(monkeypatch):
    monkeypatch.setattr(resemblance, "MOST_COMPARED", 4)
    estimates, hidden, tables = a_space(0, n=200, seen=0.2)
    estimates.update(*hidden, n_draws=16)
    tails = estimates.tail_draws("latency_s", n_draws=40)
    assert tails.shape == (40, 12)
    assert len(np.unique(tails[:, 0])) > 30
    truth = np.quantile(tables[2], 0.95, axis=0)
    assert np.abs(np.log(np.median(tails, axis=0) / truth)).mean() < 0.2


def test_free_paths_are_free_and_half_free_ones_half():
    estimates, hidden, _ = a_space(1)
    hidden[1, :, 0] = 0.0
    hidden[1, ::2, 1] = 0.0
    whole = hidden[1].mean(axis=0)
    hidden[:, 10:] = np.nan
    estimates.update(*hidden)
    cost = estimates.draws()[:, :, 1].mean(axis=0)
    assert cost[0] == 0
    assert cost[1] == pytest.approx(whole[1], rel=0.25)
    hidden[1] = np.where(np.isnan(hidden[1]), np.nan, 0.0)
    estimates.update(*hidden)
    assert (estimates.draws()[:, :, 1] == 0).all()
    assert (estimates.tail_draws("cost_usd") == 0).all()


def test_a_path_that_is_left_out_is_on_no_front_and_dominates_nothing():
    estimates, _, tables = a_space(0)
    tables[:, :, 0] = np.array([[1.0], [1e-9], [1e-3]])  # better than all others
    estimates.update(*tables)
    whole = estimates.fronts().query("scope == 'all'")
    assert whole["on_front"].tolist() == [True] + 11 * [False]
    assert whole["front_probability"].tolist() == [1.0] + 11 * [0.0]
    rest = estimates.fronts(np.arange(12) == 0).query("scope == 'all'")
    others = is_on_front(tables.mean(axis=1).T[1:]).tolist()
    assert any(others)
    assert rest["on_front"].tolist() == [False, *others]
    assert rest["front_probability"].tolist() == [0.0, *others]
    assert rest["quality"].tolist() == whole["quality"].tolist()


def test_a_front_per_cluster_with_intervals_and_probabilities():
    estimates, hidden, _ = a_space(2, seen=0.3)
    labels = np.arange(60) % 2
    estimates = Estimates(
        estimates.path_ids, estimates.query_ids, estimates.embeddings, labels=labels
    )
    estimates.update(*hidden)
    frame = estimates.fronts()
    assert set(frame["scope"]) == {"all", "cluster 0", "cluster 1"}
    assert len(frame) == 3 * 12
    for name in ("quality", "cost_usd", "latency_s"):
        assert (frame[f"{name}_low"] <= frame[name] + 1e-12).all()
        assert (frame[name] <= frame[f"{name}_high"] + 1e-12).all()
    cheapest = frame[frame["path_id"] == estimates.path_ids[0]]
    assert (
        cheapest["front_probability"] == 1
    ).all()  # cheapest and fastest by far, whatever its quality


def test_regret_by_hand():
    draws = np.array([[[0.5, 1.0, 1.0], [0.9, 3.0, 1.0]], [[0.5, 1.0, 1.0], [0.1, 3.0, 1.0]]])
    regret, picks = slo_regret(draws, np.array([[5.0, 5.0], [2.0, 5.0], [0.5, 5.0]]))
    assert picks.tolist() == [
        0,
        0,
        -1,
    ]  # a tie at 0.5 goes to the first; the second limit leaves the first; the third none
    assert regret == pytest.approx(((0.9 + 0.5) / 2 - 0.5 + 0.0) / 2)


def test_what_may_break_a_limit_counts_for_less():
    sure, risky = [0.6, 1.0, 1.0], 0.8
    draws = np.array([[sure, [risky, 1.0, 1.5 if i % 2 else 3.0]] for i in range(10)])
    assert slo_regret(draws, np.array([[2.0, 2.0]]))[1].tolist() == [0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"path_ids": ["a", "a"]}, "paths must be at least one and all different"),
        ({"query_ids": []}, "queries must be at least one"),
        ({"embeddings": np.ones((3, 2))}, "one row per query: 2"),
        ({"labels": np.array([0, -1])}, "labels must be a cluster >= 0 for each of the 2 queries"),
        ({"labels": np.zeros(3, dtype=int)}, "labels must be a cluster >= 0 for each"),
        ({"labels": np.zeros(2)}, "as a whole number; got .* of type float64"),
    ],
)
def test_bad_input_is_refused(change, says):
    good = {"path_ids": ["a", "b"], "query_ids": ["x", "y"], "embeddings": np.ones((2, 2))}
    with pytest.raises(LabError, match=says):
        Estimates(**good | change)


def test_nothing_seen_is_refused():
    estimates, hidden, _ = a_space(0)
    hidden[0] = np.nan
    with pytest.raises(LabError, match="no outcome with a quality"):
        estimates.update(*hidden)


def test_a_policy_fitted_on_estimates_knows_paths_that_were_never_run():
    rng = np.random.default_rng(0)
    trace = make_trace(rng.random((40, 4)) < [0.2, 0.4, 0.6, 0.8], 1e-6, 0.1)
    part = trace.where(np.arange(40) < 30)
    part = type(trace).from_frame(
        part.outcomes.sample(frac=0.6, random_state=0), part.queries, trace.provenance
    )
    embeddings = rng.standard_normal((len(part.query_ids), 5))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    never = np.full((len(part.query_ids), 1), np.nan)
    tables = [np.hstack([part.array(name), never]) for name in OBJECTIVES]
    path_ids = [*part.path_ids, f"none/bm25-9/none/{SMALL}"]
    estimates = Estimates(path_ids, part.query_ids, embeddings)
    estimates.update(*tables)
    policy = fit_policy(part, estimates=estimates)
    assert list(policy.path_ids) == estimates.path_ids
    assert policy.select(embeddings[:3], SLO()).shape == (3,)


def test_what_was_explored_becomes_a_policy_for_texts(tmp_path):
    why = np.arange(60) % 2 == 0
    trace = make_trace(np.column_stack([why, ~why]).astype(float), 1e-6, 0.5)
    texts = [f"{'why' if one else 'how many'}, lamp {n}?" for n, one in enumerate(why)]
    explored = type(trace).from_frame(
        trace.outcomes.sample(frac=0.5, random_state=0),
        trace.queries.assign(text=texts),
        trace.provenance,
    )
    estimates = Estimates.of(explored)
    assert estimates.n_outcomes.sum() == len(explored.outcomes)
    policy = fit_policy(explored, estimates=estimates)
    slo, asked = SLO(max_latency_s=1), ["why, lamp 99?", "how many, lamp 99?"]
    picks = policy.select(asked, slo).tolist()
    assert picks == policy.path_ids.tolist()
    save_policy(policy, tmp_path / "p.npz")
    assert load_policy(tmp_path / "p.npz").select(asked, slo).tolist() == picks
    by_letters = Estimates.of(explored, encoder=LetterEncoder())
    assert by_letters.embeddings.shape == (len(explored.queries), 26)
    with pytest.raises(LabError, match="Trace"):
        Estimates.of("smart_home")


def test_an_unsure_limit_is_a_probability_and_a_measured_one_a_fact():
    seen = np.tile([[0.1, 0.3]], (20, 1))
    measured = Spend.measured(seen)
    assert measured.tail_keeps(0.2).tolist() == [1, 0]
    unsure = replace(measured, p95_log_sd=np.array([0.5, 0.5]))
    probability = unsure.tail_keeps(0.3)
    assert probability[1] == pytest.approx(0.5)
    assert 0.95 < probability[0] < 1
    table = np.zeros((20, 2))
    known = Training(np.array(["a", "b"]), table, table, table[0], unsure, unsure)
    # what drives one over its limit drives the other: the chance of both is that of one
    assert known.tails_keep(SLO(max_cost_usd=0.3, max_latency_s=0.3)) == pytest.approx(probability)
    worse = known.tails_keep(SLO(max_cost_usd=0.3, max_latency_s=0.2))
    assert worse == pytest.approx(unsure.tail_keeps(0.2))
