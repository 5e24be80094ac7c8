"""What the Emulator asks, what it takes in, and what it says."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from ecollm_lab.emulator import Budget, Emulator, emulate, replay_from
from ecollm_lab.emulator.allocation import share
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.traces import is_on_front
from tests.conftest import LARGE, SMALL, make_trace, thinned
from tests.support.exploration import N, P, a_trace, an_emulator


def test_every_path_is_asked_first_and_no_pair_twice_until_nothing_is_left():
    trace = a_trace()
    emulator, run = an_emulator(trace), replay_from(trace)
    asked = []
    while pairs := emulator.ask(37):
        if not asked:
            assert Counter(path for _, path in pairs) == Counter(trace.path_ids)
        asked += pairs
        emulator.tell(run(pairs))
    assert len(asked) == len(set(asked)) == N * P
    truth = trace.summary().set_index("path_id")
    frame = emulator.fronts()
    whole = frame[frame["scope"] == "all"].set_index("path_id")
    for name in ("quality", "cost_usd", "latency_s"):
        assert whole[name].to_numpy() == pytest.approx(truth.loc[whole.index, name].to_numpy())
    assert (
        whole["on_front"].tolist()
        == is_on_front(whole[["quality", "cost_usd", "latency_s"]].to_numpy()).tolist()
    )


def test_every_question_goes_to_another_query_and_clusters_take_turns():
    trace = a_trace()
    emulator, run = an_emulator(trace), replay_from(trace)
    emulator.tell(run(emulator.ask(P)))
    queries = [query for query, _ in emulator.ask(24)]
    assert len(set(queries)) == 24
    clusters = Counter(int(query[1:]) % 3 for query in queries)
    assert max(clusters.values()) - min(clusters.values()) <= 1


def test_pairs_of_a_query_stand_together():
    trace = a_trace()
    emulator, run = an_emulator(trace), replay_from(trace)
    emulator.tell(run(emulator.ask(P)))
    queries = [query for query, _ in emulator.ask(3 * N)]
    runs = 1 + sum(a != b for a, b in itertools.pairwise(queries))
    assert runs == len(set(queries)) == N


def test_dominated_paths_get_few_outcomes_and_are_set_aside_with_a_reason():
    trace = a_trace(n=120)
    emulator = an_emulator(trace)
    emulate(emulator, replay_from(trace), Budget(outcomes=700))
    frame = emulator.fronts()
    whole = frame[frame["scope"] == "all"].set_index("path_id")
    good, bad = trace.path_ids[:6], trace.path_ids[6:]
    assert whole.loc[good, "n"].mean() > 1.5 * whole.loc[bad, "n"].mean()
    aside = whole[whole["status"] == "set aside"]
    assert set(aside.index) <= set(bad)
    assert len(aside) >= 2
    assert (
        aside["because"]
        .str.contains("is at least as good in quality, cost and latency with probability")
        .all()
    )
    assert (whole.loc[aside.index, "n"] >= 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_asks_the_same_and_path_order_changes_nothing_known(seed):
    trace = a_trace()
    run = replay_from(trace)
    one, two = an_emulator(trace, seed), an_emulator(trace, seed)
    for _ in range(4):
        pairs = one.ask(20)
        assert pairs == two.ask(20)
        one.tell(run(pairs))
        two.tell(run(pairs))
    turned = an_emulator(trace, seed, space=trace.path_ids[::-1])
    turned.recall(one.outcomes)
    level = dict(
        zip(turned.path_ids, turned.refresh(thorough=True).draws().mean(axis=0)[:, 0], strict=True)
    )
    same = one.refresh(thorough=True).draws().mean(axis=0)[:, 0]
    assert [level[p] for p in one.path_ids] == pytest.approx(same.tolist(), abs=0.05)


def test_recalled_outcomes_count_and_are_not_asked_again():
    trace = a_trace()
    run = replay_from(trace)
    first = an_emulator(trace)
    emulate(first, run, Budget(outcomes=80))
    second = an_emulator(trace)
    second.recall(first.outcomes)
    known = {(o.query_id, o.path_id) for o in first.outcomes}
    emulate(
        second,
        lambda pairs: run(pairs) if not known & set(pairs) else pytest.fail("asked again"),
        Budget(outcomes=120),
    )
    assert second.n_told == 120


def an_outcome(query="q0", path=0, **changes):
    trace_path = f"none/bm25-{path + 1}/none/{(SMALL, LARGE)[path % 2]}"
    values = {
        "query_id": query,
        "path_id": trace_path,
        "quality": 1.0,
        "cost_usd": 1e-6,
        "latency_s": 0.1,
        "tokens_in": 1,
        "tokens_out": 1,
    }
    return Outcome(**values | changes)


@pytest.mark.parametrize(
    ("outcomes", "says"),
    [
        ([an_outcome()], "was told but never asked"),
        ([an_outcome(query="q99")], "its query is not among those explored"),
        ([an_outcome(path_id="x/y")], "its path is not among those explored"),
        ([an_outcome(), an_outcome()], "was told twice"),
        (
            [an_outcome(quality=1.2)],
            r"quality must be within \[0, 1\], or NaN for a failed attempt; got 1.2",
        ),
        ([an_outcome(cost_usd=-1.0)], "cost_usd must be >= 0 and finite, or NaN .* got -1.0"),
        ([an_outcome(latency_s=math.inf)], "latency_s must be >= 0 and finite"),
    ],
)
def test_a_wrong_tell_is_refused_and_nothing_of_it_is_taken_in(outcomes, says):
    emulator = an_emulator(a_trace())
    good = [Outcome(q, p, 1.0, 1e-6, 0.1, 1, 1) for q, p in emulator.ask(P)]
    with pytest.raises(LabError, match=says):
        emulator.tell([good[0], *outcomes])
    assert emulator.n_told == 0
    emulator.tell(good)
    with pytest.raises(LabError, match="told twice"):
        emulator.tell(good[:1])


def test_a_path_that_only_fails_is_given_up_and_never_on_the_front():
    trace = a_trace()
    lost = trace.path_ids[0]  # the cheapest: would be on the front
    run = replay_from(trace)

    def failing(pairs):
        return [
            o if o.path_id != lost else an_outcome(o.query_id, 0, quality=math.nan, cost_usd=0.0)
            for o in run(pairs)
        ]

    emulator = an_emulator(trace)
    emulate(emulator, failing, Budget(outcomes=300))
    frame = emulator.fronts()
    row = frame[(frame["path_id"] == lost) & (frame["scope"] == "all")].iloc[0]
    assert (row["status"], row["because"], row["n"]) == ("failed", "every attempt on it failed", 0)
    assert not frame.loc[frame["path_id"] == lost, "on_front"].any()
    assert not frame.loc[frame["path_id"] == lost, "front_probability"].any()
    assert not frame["because"].str.contains(lost, regex=False).any()
    whole = frame[(frame["path_id"] != lost) & (frame["scope"] == "all")]
    measured = whole[["quality", "cost_usd", "latency_s"]].to_numpy()
    assert whole["on_front"].tolist() == is_on_front(measured).tolist()
    assert 3 <= emulator._told[:, 0].sum() <= 8
    assert len(emulator.outcomes) == emulator.n_told - emulator._told[:, 0].sum()


def test_pairs_that_are_left_are_asked_though_most_queries_lack_only_a_path_that_was_given_up():
    trace = make_trace(np.ones((20, 2)), 1e-6, 0.1)
    lost, good = trace.path_ids
    emulator = Emulator(trace.path_ids, trace.query_ids, np.eye(20), labels=np.zeros(20, dtype=int))
    failed, done = trace.query_ids[:3], trace.query_ids[3:]
    emulator.recall(Outcome(q, lost, math.nan, math.nan, math.nan, 0, 0) for q in failed)
    emulator.recall(Outcome(q, good, 1.0, 1e-6, 0.1, 1, 1) for q in done)
    asked = [pair for _ in range(3) for pair in emulator.ask(1)]
    assert sorted(asked) == [(query_id, good) for query_id in failed]
    assert emulator.ask(1) == []


def test_a_path_that_is_left_out_takes_no_share_from_those_it_would_dominate():
    rng = np.random.default_rng(0)
    draws = rng.random((50, 3, 3))
    draws[:, 0] = [1.0, 0.0, 0.0]
    left = share(draws, np.array([True, False, False]), rng)
    assert left[0] == 0.0
    assert left[1:].min() > 0.2


def test_when_everything_fails_it_says_so():
    trace = a_trace()
    emulator = an_emulator(trace)
    pairs = emulator.ask(P)
    emulator.tell([an_outcome(q, 0, path_id=p, quality=math.nan, cost_usd=0.0) for q, p in pairs])
    with pytest.raises(LabError, match="no outcome was told, or every attempt failed"):
        emulator.ask(5)


@pytest.mark.parametrize(("n_queries", "n_paths"), [(1, 6), (30, 1), (1, 1), (2, 2)])
def test_one_query_or_one_path_is_explored_to_the_end(n_queries, n_paths):
    rng = np.random.default_rng(0)
    trace = make_trace(rng.random((n_queries, n_paths)), 1e-6, 0.1)
    emulator = Emulator(trace.path_ids, trace.query_ids, rng.standard_normal((n_queries, 4)))
    history = emulate(emulator, replay_from(trace), Budget(outcomes=10_000))
    assert history["stopped"].iloc[-1] == "everything measured"
    assert emulator.n_told == n_queries * n_paths
    assert emulator.fronts()["quality"].notna().all()


def test_paths_without_any_variance_are_no_trouble():
    trace = make_trace(np.ones((20, 4)), np.array([[1e-6, 2e-6, 3e-6, 4e-6]]), 0.1)
    emulator = Emulator(
        trace.path_ids, trace.query_ids, np.random.default_rng(0).standard_normal((20, 4))
    )
    emulate(emulator, replay_from(trace), Budget(outcomes=30))
    whole = emulator.fronts().iloc[:4]
    assert whole["quality"].min() > 0.9
    assert whole.loc[whole["quality"].idxmax(), "quality"] <= 1


def test_on_a_measured_domain_a_twentieth_of_the_outcomes_beats_as_many_at_random(measured):
    train = thinned(measured.split("train"), 100, 60)
    from ecollm_lab.emulator import Estimates
    from ecollm_lab.models import default_encoder

    embeddings = default_encoder().encode(train.queries["text"].tolist())
    truth = train.summary().set_index("path_id")["quality"]
    n = round(0.05 * len(train.outcomes))
    errors = {"ours": [], "raw": []}
    for seed in range(2):
        emulator = Emulator(train.path_ids, train.query_ids, embeddings, seed=seed)
        emulate(emulator, replay_from(train), Budget(outcomes=n))
        frame = emulator.fronts()
        front = frame[(frame["scope"] == "all") & frame["on_front"]].set_index("path_id")["quality"]
        errors["ours"].append(np.abs(front - truth[front.index]).mean())
        raw = train.outcomes.sample(n, random_state=seed).groupby("path_id")["quality"].mean()
        best = raw.nlargest(len(front))
        errors["raw"].append(np.abs(best - truth[best.index]).mean())
    assert np.mean(errors["ours"]) < 0.5 * np.mean(errors["raw"])
    assert isinstance(emulator.estimates, Estimates)


@pytest.mark.parametrize("missing", [("cost_usd",), ("cost_usd", "latency_s")])
def test_a_cost_or_latency_that_was_not_recorded_stays_unknown(missing):
    trace = a_trace()
    trace.outcomes[list(missing)] = np.nan
    emulator = an_emulator(trace)
    history = emulate(emulator, replay_from(trace), Budget(outcomes=200))
    assert history["stopped"].iloc[-1] == "budget spent"
    assert history["expected_regret"].notna().all()
    whole = emulator.fronts().query("scope == 'all'")
    assert whole[list(missing)].isna().all(axis=None)
    best = whole.loc[whole["quality"].idxmax()]
    assert best["on_front"]
    known = whole[["quality", "cost_usd", "latency_s"]].fillna(0.0)
    assert whole["on_front"].tolist() == is_on_front(known.to_numpy()).tolist()
    assert (whole["on_front"].sum() == 1) == ("latency_s" in missing)


def test_every_path_gets_at_least_half_of_an_even_share():
    trace = a_trace(n=200)
    emulator, run = an_emulator(trace), replay_from(trace)
    for each in (4, 20, 100):
        emulate(emulator, run, Budget(outcomes=each * P))
        counts = emulator._told.sum(axis=0)
        assert counts.min() >= each // 2
    assert counts.max() > 1.5 * counts.min()
