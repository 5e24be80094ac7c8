# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4 · What does a policy deliver on queries it has not seen?
#
# **Question.** Does choosing the path per query keep the SLO at lower cost or better quality than
# any fixed choice?
#
# **Inputs.** The committed traces of real models. Policies learn from the training split;
# everything below is scored on the held-out split, whose products and people occur nowhere in
# training. **Run time** about two minutes. **Cost** nothing: outcomes are looked up.

# %%
from pathlib import Path

from IPython.display import display

from ecollm_lab import SLO, Trace, figures, fit_policy, replay_all
from ecollm_lab.models import CachedEncoder, default_encoder
from ecollm_lab.policies import POLICIES
from ecollm_lab.policies.slos import slo_grid, study_slos
from ecollm_lab.study import DOMAINS

# %%
encoder = CachedEncoder(default_encoder())
files = {name: Path(f"../data/traces/{name}.parquet") for name in DOMAINS}
traces = {name: Trace.load(file) for name, file in files.items() if file.exists()}
train = {name: trace.split("train") for name, trace in traces.items()}
heldout = {name: trace.split("heldout") for name, trace in traces.items()}
study_slos(train["smart_home"])

# %% [markdown]
# The limits come from the training split: the upper quartile, over paths, of the 95th percentile
# of latency and of cost, where the cloud paths together weigh as much as the edge paths together.
# The oracle below knows each outcome beforehand; its distance to the other policies is what better
# predictions could still gain.

# %%
fitted = {
    name: [fit_policy(train[name], policy, encoder=encoder) for policy in POLICIES]
    for name in traces
}
unseen = {name: encoder.encode(heldout[name].queries["text"].tolist()) for name in traces}
tables = {
    name: {
        prefer: replay_all([*fitted[name], "oracle"], heldout[name], slo, embeddings=unseen[name])
        for prefer, slo in study_slos(train[name]).items()
    }
    for name in traces
}

# %%
columns = [
    "quality",
    "quality_low",
    "quality_high",
    "cost_usd",
    "latency_p95_s",
    "slo_violation_rate",
    "regret",
]
places = {column: 8 if column == "cost_usd" else 3 for column in columns}
tables["smart_home"]["prefer_quality"][columns].round(places)

# %% [markdown]
# Compare `ours` with `best_single`: is the difference larger than the intervals? And does either
# break the limits in more than the 5 % of its choices that it may? A fixed path whose slow answers
# break a limit slightly too often is excluded for `best_single`, however good it is. A policy that
# chooses per query can take it for some queries. The next figures show each domain and, from left
# to right, all three preferences. The bars are 95 % intervals.

# %%
sources = {name: f"{heldout[name].source_line} · held-out split" for name in traces}
for name in traces:
    frame = figures.policies.compute_policies(tables[name])
    display(figures.policies.plot_policies(frame, sources[name]))

# %% [markdown]
# With 130 held-out queries the intervals are about eighteen points wide: a policy that looks better
# by less than that may not be better. `replay_all(..., folds=5)` scores every query once and
# narrows them, by two fifths on smart_home and by less on automotive
# ([the study](../docs/study.md) does so).
#
# ## Does a policy keep its limit?
#
# One latency limit says little about all others. Below, each point is one limit: the horizontal
# axis shows the limit, the vertical axis the 95th percentile of latency that was obtained. On the
# diagonal a policy uses all the time it may; above it, it breaks the limit too often.

# %%
timed = slo_grid(train["smart_home"], "latency_s")
shown = [policy for policy in fitted["smart_home"] if policy.name in ("ours", "knn", "best_single")]
attained = figures.slos.compute_attainment(
    shown, heldout["smart_home"], timed, embeddings=unseen["smart_home"]
)
figures.slos.plot_attainment(attained, sources["smart_home"])

# %% [markdown]
# Far below the diagonal a policy does not use the time it may, because there is no better path in
# between. Above the diagonal, the policy kept the limit on the training queries, but does not keep
# it on the held-out ones.
#
# ## Where do the queries go?
#
# These are the same limits, with tight ones on the left. Watch where the policies begin to use the
# cloud model ("mixed": it reads what the edge retrieved), and how quality changes there.

# %%
mixed = [policy for policy in shown if policy.name != "knn"]
mix = figures.slos.compute_choice_mix(
    [*mixed, "oracle"], heldout["smart_home"], timed, embeddings=unseen["smart_home"]
)
figures.slos.plot_choice_mix(mix, sources["smart_home"])

# %% [markdown]
# A fixed choice moves all queries or none. A policy moves those that it expects to gain by it; the
# oracle shows how few these need to be.
#
# ## At equal cost, at equal quality
#
# Policies with different costs cannot be compared by quality alone. So each is drawn where it costs
# as much as `best_single`, and where it is as good as `best_single`; if necessary, two of its own
# operating points are mixed. Where the interval of a marker crosses the line, the difference may be
# chance.

# %%
priced = [*slo_grid(train["smart_home"], "cost_usd"), SLO()]
everyone = [*fitted["smart_home"], "oracle"]
equal = figures.comparisons.compute_equal(
    everyone, heldout["smart_home"], priced, embeddings=unseen["smart_home"]
)
figures.comparisons.plot_equal(equal, sources["smart_home"])

# %% [markdown]
# ## What was learned?
#
# Does the query's text say anything about which path to take? `reads` is what the chosen regression
# looks at: the embedding alone, the answers to yes/no questions beside it (`characteristics`), or
# beside both how much the query resembles each kind of query (`kinds`). The printed error compares
# the candidate with the smallest left-out error with the best of the most strongly regularised
# models.

# %%
for name in traces:
    learned = next(policy for policy in fitted[name] if policy.name == "ours").details
    errors = learned["errors"]  # by (what is read, ridge, rank)
    most = max(ridge for _, ridge, _ in errors)  # the most strongly regularised models
    gain = 1 - min(errors.values()) / min(errors[key] for key in errors if key[1] == most)
    chosen = ", ".join(f"{key} {learned[key]}" for key in ("reads", "ridge"))
    print(f"{name}: {chosen}; left-out error {gain:.1%} below the most strongly regularised")

# %% [markdown]
# Where the gain is zero, the most strongly regularised model was best: from so few training queries
# the policy learned next to nothing about single questions, and chooses by what is good on average.
# A small improvement of the error can improve the choices much, where two paths are nearly equally
# good, or not at all. Notebook 5 does the same on recorded outcomes of large models.
