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
# # 3 · Which paths are worth their cost and time?
#
# **Question.** Under a latency and a cost limit, which paths remain, and which one wins?
#
# **Inputs.** The committed smart-home trace. **Run time** a few seconds. **Cost** nothing: outcomes are looked up.

# %%
from ecollm_lab import Trace, explore, pareto_front

trace = Trace.load("../data/traces/smart_home.parquet")
front = pareto_front(trace)
print(trace.source_line)
front[front["on_front"]].round({"quality": 3, "latency_s": 4, "latency_p95_s": 4})

# %% [markdown]
# A path is on the front if no other is at least as good in quality, cost *and* latency and better in one. With a hundred
# paths most are dominated. Drag the sliders: paths beyond a limit fade, the dashed lines are the limits, and the halo marks the path
# that wins under `prefer`. With "cost" or "latency" that is the cheapest or fastest within 0.02 of the best quality
# still feasible, or above the quality floor.

# %%
explorer = explore(trace)
explorer

# %% [markdown]
# The explorer shows means over all queries, so its choice is one path for all. The controls are ordinary widgets: code can move
# them, and read off what the sliders spell.

# %%
explorer.prefer.value = "cost"
explorer.slo, explorer.chosen

# %% [markdown]
# The same by kind of query. If one path were best for every kind, routing would be pointless.

# %%
best = {kind: pareto_front(trace.where(trace.queries["kind"] == kind)).iloc[0] for kind in sorted(set(trace.queries["kind"]))}
{kind: (row["path_id"], round(row["quality"], 3)) for kind, row in best.items()}

# %% [markdown]
# Different kinds are served best by different paths (of equal quality the cheapest is shown). The next notebook asks
# how much of that a policy can use on queries it has not seen.
