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
# **Question.** Does choosing the path per query keep the SLO at lower cost or better quality than any fixed choice?
#
# **Inputs.** Both committed traces; policies learn from the training split, everything below is scored on the held-out split,
# whose products and people occur nowhere in training. **Run time** about 20 s. **Cost** nothing: outcomes are looked up.

# %%
from ecollm_lab import Trace, figures, fit_policy, replay_all
from ecollm_lab.embed import CachedEncoder, default_encoder
from ecollm_lab.fitting import POLICIES
from ecollm_lab.study import study_slos

encoder = CachedEncoder(default_encoder())
traces = {name: Trace.load(f"../data/traces/{name}.parquet") for name in ("smart_home", "automotive")}


def replayed(trace):
    train, heldout = trace.split("train"), trace.split("heldout")
    policies = [fit_policy(train, name, encoder=encoder) for name in POLICIES] + ["oracle"]
    unseen = encoder.encode(heldout.queries["text"].tolist())
    return {prefer: replay_all(policies, heldout, slo, embeddings=unseen) for prefer, slo in study_slos(train).items()}


tables = {name: replayed(trace) for name, trace in traces.items()}
study_slos(traces["smart_home"].split("train"))

# %% [markdown]
# The limits come from the training split: the upper quartile, over paths, of the 95th percentile of latency and of cost.

# %%
columns = ["quality", "quality_low", "quality_high", "cost_usd", "latency_s", "latency_p95_s", "slo_violation_rate", "regret"]
tables["smart_home"]["prefer_quality"][columns].round(6)

# %% [markdown]
# Compare `ours` with `best_single`: is the difference larger than the intervals? The oracle knows each outcome beforehand; its
# distance to everything else is what better prediction could still win.

# %%
figures.plot_policies(figures.compute_policies(tables["smart_home"]), f"{traces['smart_home'].source_line} · held-out split")

# %%
figures.plot_policies(figures.compute_policies(tables["automotive"]), f"{traces['automotive'].source_line} · held-out split")

# %% [markdown]
# What was learned, and does it say anything about the query? `sharing` is "learned" where deviations are shared between related
# paths, "none" where each path is on its own, "flat" where the embeddings say nothing.

# %%
for name, trace in traces.items():
    policy = fit_policy(trace.split("train"), encoder=encoder)
    learned, errors = policy.details, policy.details["errors"]
    gain = 1 - min(errors.values()) / errors["flat",]
    print(f"{name}: sharing {learned['sharing']}, bandwidth {learned['bandwidth']}; left-out error {gain:.1%} below that of the path means")

# %% [markdown]
# About a hundred held-out queries a domain leave intervals of several points. Read the tables as such.
