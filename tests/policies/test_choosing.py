"""How policies choose a path for a query."""

import numpy as np
import pytest

from ecollm_lab.policies import fit_policy, load_policy, replay, save_policy
from ecollm_lab.policies.choosing import choose
from ecollm_lab.policies.fitting.fit import router_paths
from ecollm_lab.records import SLO, LabError
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import placements
from tests.conftest import make_trace
from tests.support.policies import COST, LATENCY, ONE_PATH, noisy, topics


@pytest.mark.parametrize("name", ["ours", "cluster"])
@pytest.mark.parametrize("seed", range(3))
def test_a_learned_policy_sends_each_topic_to_its_path(name, seed):
    trace, embeddings, _ = topics(seed)
    policy = fit_policy(trace, name, embeddings=embeddings)
    fresh, unseen, topic = topics(seed + 100)
    chosen = policy.select(unseen, SLO())
    assert (chosen == np.array(trace.path_ids)[1 - topic]).mean() > 0.9, f"seed {seed}"
    best = replay(
        fit_policy(trace, "best_single", embeddings=embeddings), fresh, SLO(), embeddings=unseen
    )
    assert replay(policy, fresh, SLO(), embeddings=unseen)["quality"] > best["quality"] + 0.1


def test_without_signal_ours_is_the_best_single_path():
    rng = np.random.default_rng(5)
    embeddings = rng.standard_normal((80, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    trace = make_trace(rng.random((80, 4)) < [0.3, 0.8, 0.5, 0.4], COST, LATENCY)
    policy = fit_policy(trace, embeddings=embeddings)
    single = fit_policy(trace, "best_single")
    assert (policy.select(embeddings, SLO()) == single.select(embeddings, SLO())).mean() > 0.95


def test_static_baselines_by_hand():
    quality = np.array([[0.0, 1, 1, 1], [0, 1, 0, 1], [1, 1, 1, 0]])
    trace = make_trace(quality, COST, LATENCY)
    x = np.eye(3)
    ids = np.array(trace.path_ids)
    picks = {
        name: fit_policy(trace, name).select(x, SLO())[0]
        for name in ("best_single", "cheapest", "fastest", "cloud_only")
    }
    assert picks == {
        "best_single": ids[1],
        "cheapest": ids[0],
        "fastest": ids[0],
        "cloud_only": ids[1],
    }
    assert (
        fit_policy(trace, "best_single").select(x, SLO(prefer="cost", min_quality=0.6))[0] == ids[2]
    )
    assert (
        fit_policy(trace, "best_single").select(x, SLO(prefer="latency", min_quality=0.6))[0]
        == ids[3]
    )


def test_the_random_policy_follows_its_seed():
    trace, embeddings, _ = topics(0)
    picks = [
        fit_policy(trace, "random", seed=s).select(embeddings, SLO(max_latency_s=0.35)).tolist()
        for s in (1, 1, 2)
    ]
    assert picks[0] == picks[1] != picks[2]
    assert set(picks[0]) == set(np.array(trace.path_ids)[[0, 2, 3]])


def test_a_fixed_order_stays_whatever_is_preferred():
    trace = make_trace([[0.5, 0.5]], [[1e-6, 2e-6]], [[0.4, 0.1]])
    for slo in (SLO(), SLO(prefer="cost"), SLO(prefer="latency")):
        picks = [
            fit_policy(trace, name).select(np.eye(1), slo)[0] for name in ("cheapest", "fastest")
        ]
        assert picks == trace.path_ids, slo


def test_the_rule_decides_as_choose_does():
    trace, embeddings, _ = topics(3)
    policy = fit_policy(trace, embeddings=embeddings, violation_rate=None)
    ids = np.array(trace.path_ids)
    for slo in (
        SLO(),
        SLO(max_latency_s=0.35),
        SLO(prefer="cost"),
        SLO(prefer="latency", max_cost_usd=5e-6),
        SLO(prefer="cost", min_quality=0.5),
    ):
        training = policy.training
        mask = training.tails_keep(slo) >= 0.5
        cost, latency = training.cost.mean, training.latency.mean
        told = ids[choose(policy.predict(embeddings), mask, cost, latency, slo)]
        assert (
            policy.select(embeddings, slo) == told
        ).mean() >= 0.98  # single against double precision


def test_a_router_varies_only_the_model_of_the_best_pipeline():
    quality = np.array([[0.1, 0.9, 0.3, 0.2]] * 6)
    trace = make_trace(quality, COST, LATENCY)
    paths = ["a/x/m1", "b/x/m1", "a/x/m2", "b/x/m2"]
    outcomes = trace.outcomes.assign(
        path_id=trace.outcomes["path_id"].map(dict(zip(trace.path_ids, paths, strict=True)))
    )
    router = fit_policy(Trace.from_frame(outcomes, trace.queries), "cheapest", models_only=True)
    assert router.name == "cheapest_router"
    assert np.array(paths)[router.allowed].tolist() == ["b/x/m1", "b/x/m2"]
    assert set(router.select(np.ones((2, 3)), SLO())) == {"b/x/m1"}


def test_a_router_keeps_to_the_pipeline_of_the_best_path_that_it_may_take():
    trace = make_trace(np.array([[0.9, 0.3, 0.5, 0.4]] * 6), COST, LATENCY)
    paths = dict(zip(trace.path_ids, ["a/x/m1", "b/x/m1", "b/x/m2", "c/x/m2"], strict=True))
    outcomes = trace.outcomes.assign(path_id=trace.outcomes["path_id"].map(paths))
    models = {"m1": {"placement": "edge"}, "m2": {"placement": "cloud"}}
    trace = Trace.from_frame(outcomes, trace.queries, trace.provenance | {"models": models})
    for models_only, may in ((False, ["b/x/m2", "c/x/m2"]), (True, ["b/x/m2"])):
        policy = fit_policy(trace, "cloud_only", models_only=models_only)
        assert policy.path_ids[policy.allowed].tolist() == may


def test_models_with_an_organisation_in_their_names_are_no_pipelines():
    models, paths = ["gpt-4", "mistralai/mixtral-8x7b"], ["a/x/m1", "b/x/m1", "a/x/m2"]
    assert router_paths(models, np.array([0.9, 0.5])) == models
    assert router_paths(paths, np.array([0.9, 0.5, 0.1])) == ["a/x/m1", "a/x/m2"]


def test_a_trace_without_placements_says_so_and_has_no_cloud_to_fall_back_on():
    told = make_trace([[0.1, 0.9]], COST[:, :2], LATENCY[:, :2])
    assert placements(told) == ["edge", "cloud"]
    silent = Trace.from_frame(told.outcomes, told.queries)
    assert placements(silent) == ["not stated"] * 2
    with pytest.raises(LabError, match="names no cloud model"):
        fit_policy(silent, "cloud_only", embeddings=np.ones((1, 2)))


@pytest.mark.parametrize("name", ["ours", "threshold"])
def test_policies_and_traces_show_themselves_in_one_line(name):
    trace, embeddings, _ = topics(0)
    trace = Trace(trace.outcomes, trace.queries, trace.provenance | {"domain": "garden"})
    assert repr(trace) == "Trace(recorded · garden · 60 queries × 4 paths)"
    told = repr(fit_policy(trace, name, embeddings=embeddings))
    assert told.endswith(
        f"Policy({name!r}, learned from 60 queries × 4 paths of garden, violation_rate=0.05)"
    )


def test_one_query_is_enough_to_fit_and_two_do_not_break_it():
    trace, embeddings, _ = topics(0)
    for n in (1, 2, 3):
        for name in ONE_PATH:
            policy = fit_policy(trace.where(np.arange(60) < n), name, embeddings=embeddings[:n])
            assert len(policy.select(embeddings, SLO())) == 60, (n, name)


def test_preferring_cost_gives_up_no_more_quality_than_allowed_and_saves():
    trace, embeddings = noisy(1)
    fresh, unseen = noisy(2, n=2000)
    best = replay(fit_policy(trace, embeddings=embeddings), fresh, SLO(), embeddings=unseen)
    costs = [best["cost_usd"]]
    for tolerance in (0.0, 0.05, 0.35):
        policy = fit_policy(trace, embeddings=embeddings, tolerance=tolerance)
        frugal = replay(policy, fresh, SLO(prefer="cost"), embeddings=unseen)
        assert frugal["quality"] >= best["quality"] - tolerance - 0.03
        assert frugal["cost_usd"] <= costs[-1] + 1e-12
        costs.append(frugal["cost_usd"])
    assert costs[-1] < 0.5 * costs[0]
    with pytest.raises(LabError, match="tolerance must be within"):
        fit_policy(trace, tolerance=2)


class Blind:
    """Embeds every text alike."""

    name = "blind"

    def encode(self, texts):
        return np.full((len(texts), 2), 0.5**0.5, dtype=np.float32)


@pytest.mark.parametrize("name", ["brane", "ours"])
def test_yes_or_no_questions_about_the_words_of_a_query_tell_what_the_embedding_does_not(
    name, tmp_path
):
    rng = np.random.default_rng(0)
    asks_number = rng.random(80) < 0.5
    quality = np.where(asks_number[:, None], [1.0, 0.0], [0.0, 1.0])
    trace = make_trace(quality, COST[:, :2], LATENCY[:, :2])
    words = np.where(asks_number, "how many watts does it use?", "why is it green?")
    texts = [f"{text} {'x' * i}" for i, text in enumerate(words)]
    trace = Trace(trace.outcomes, trace.queries.assign(text=texts), trace.provenance)
    policy = fit_policy(trace, name, encoder=Blind())
    save_policy(policy, tmp_path / "p.npz")
    encoders = Blind() if name == "ours" else None, policy.encoder
    for one in (policy, *(load_policy(tmp_path / "p.npz", encoder=each) for each in encoders)):
        chosen = one.select(["how many litres?", "why does it hum?"], SLO())
        assert chosen.tolist() == trace.path_ids
    assert replay(policy, trace, SLO())["quality"] == 1.0
    with pytest.raises(LabError, match="reads the words of a query: give it texts"):
        policy.select(np.ones((1, 2)), SLO())


@pytest.mark.parametrize("name", ["brane", "ours"])
def test_a_domain_asks_what_only_it_knows_to_ask(name, tmp_path):
    about_zork = np.random.default_rng(0).random(80) < 0.5
    trace = make_trace(np.eye(2)[about_zork.astype(int)], COST[:, :2], LATENCY[:, :2])
    texts = [f"{('grue', 'ZORK')[int(z)]} {i:02} holds" for i, z in enumerate(about_zork)]
    asked = {**trace.provenance, "characteristics": {"is about a zork": r"\bzork\b"}}
    policies = []
    for about in (trace.provenance, asked):
        one = Trace(trace.outcomes, trace.queries.assign(text=texts), about)
        policies.append(fit_policy(one, name, encoder=Blind()))
        save_policy(policies[-1], tmp_path / "p.npz")
        encoder = Blind() if policies[-1].encoder.name != "characteristics" else None
        policies.append(load_policy(tmp_path / "p.npz", encoder=encoder))
    *without, fitted, loaded = [
        policy.select(["the zork is ill", "feed a grue"], SLO()).tolist() for policy in policies
    ]
    assert fitted == loaded == trace.path_ids[::-1]
    assert fitted not in without
    policies[-1].provenance["characteristics"] = {"is about a grue": "grue"}
    save_policy(policies[-1], tmp_path / "p.npz")
    with pytest.raises(LabError, match="questions about a query that its file does not hold"):
        load_policy(tmp_path / "p.npz", encoder=encoder)


def test_policies_with_other_questions_do_not_share_answers():
    about_zork = np.arange(80) % 2
    trace = make_trace(np.eye(2)[about_zork], COST[:, :2], LATENCY[:, :2])
    texts = [f"{('grue', 'zork')[z]} {i:02}" for i, z in enumerate(about_zork)]
    queries = trace.queries.assign(text=texts)
    fresh = Trace(trace.outcomes, queries, trace.provenance)
    for pattern, least, most in (("zork", 1.0, 1.0), ("nobody", 0.0, 0.6), ("grue", 1.0, 1.0)):
        about = {**trace.provenance, "characteristics": {"which": pattern}}
        policy = fit_policy(Trace(trace.outcomes, queries, about), "brane")
        assert least <= replay(policy, fresh, SLO())["quality"] <= most


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"is open": "("}, r"'is open' must be a regular expression; got '\('"),
        ({"is open": "a{99999999999}"}, "'is open' must be a regular expression"),
        ({"is open": 3}, "'is open' must be a regular expression; got 3"),
        (["is open"], "characteristics must be a table of questions.*got list"),
    ],
)
def test_questions_that_cannot_be_asked_are_named(asked, told):
    trace = make_trace(np.eye(2), COST[:, :2], LATENCY[:, :2])
    trace.provenance["characteristics"] = asked
    with pytest.raises(LabError, match=told):
        fit_policy(trace)


def test_a_policy_looks_at_kinds_that_have_enough_queries_and_a_name():
    n = 60
    kind = np.arange(n) % 3
    trace = make_trace(np.eye(3)[kind], COST[:, :3], LATENCY[:, :3])
    texts = [f"{('how many', 'why is', 'set the')[k]} {i:02}" for i, k in enumerate(kind)]
    names = np.array(["count", "reason", "order"])[kind]
    for kinds, looked_at in (
        (names, True),
        (["lookup"] * n, False),
        (["unknown"] * n, False),
        ([None] * n, False),
        ([f"kind {i}" for i in range(n)], False),
    ):
        queries = trace.queries.assign(text=texts, kind=kinds)
        policy = fit_policy(Trace(trace.outcomes, queries, trace.provenance), encoder=Blind())
        assert ("kinds" in {reads for reads, *_ in policy.details["errors"]}) == looked_at


def test_given_embeddings_ours_looks_at_nothing_else():
    trace, embeddings, _ = topics(0)
    policy = fit_policy(trace, embeddings=embeddings)
    assert not policy.reads_text
    assert policy.dimension == 8


def test_queries_of_one_product_are_left_out_together():
    """Each product is served by the path of its own; nothing learned elsewhere tells which."""
    product = np.repeat(np.arange(12), 5)
    quality = np.eye(2)[product % 2]
    trace = make_trace(quality, COST[:, :2], LATENCY[:, :2])
    named = trace.queries.assign(product=[f"p{i}" for i in product])
    errors = []
    for queries in (trace.queries, named):
        one = Trace(trace.outcomes, queries, trace.provenance)
        policy = fit_policy(one, embeddings=np.eye(12)[product])
        errors.append(np.abs(policy.left_out - quality).mean())
    assert errors[0] < 0.2
    assert errors[1] > 0.4
