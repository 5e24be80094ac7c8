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
# **Question.** Under a latency and a cost limit, which paths remain, which one wins, and why not
# another?
#
# **Inputs.** The committed smart-home trace. **Run time** under a minute. **Cost** nothing:
# outcomes are looked up.

# %%
import pandas as pd

from ecollm_lab import SLO, Trace, explore, fit_policy, pareto_front
from ecollm_lab.models import CachedEncoder, default_encoder

trace = Trace.load("../data/traces/smart_home.parquet")
front = pareto_front(trace)
print(trace.source_line)
front[front["on_front"]].round({"quality": 3, "latency_s": 4, "latency_p95_s": 4})

# %% [markdown]
# A path is on the front if no other is at least as good in quality, cost *and* latency and better
# in one. Only these paths of the trace are; each of the others is beaten by one of them. Good
# answers are slow and cost more here: the best paths ask the largest model, which plays the cloud.
# But a mean over some hundred queries is certain only to several points of quality, so the explorer
# also draws intervals, and an open ring where it is not clear that the path is beaten.
#
# ## The explorer
#
# It starts a little above the upper quartile of the front's latency and cost. Drag a slider, step
# from path to path with the arrow keys, or type a limit ("3 s"): nothing is measured again. Watch
#
# - the sentence at the top: which path wins, what it delivers, and for how many held-out queries it
#   would break the limits;
# - the bands under the sliders: hatched where no path is feasible under the other limits,
#   elsewhere as high as the quality that can be reached;
# - the two plots: paths beyond a limit fade but stay, and the pink halo marks the winner;
# - the marks with names: what a policy that looks at each query delivers on held-out queries under
#   these limits, beside the best single path, a router that varies the model alone, and the oracle;
# - any other path: point at it or click it, and the card says why it does not win and which limits
#   would let it win.

# %%
encoder = CachedEncoder(default_encoder())
embeddings = encoder.encode(trace.queries["text"].tolist())
policy = fit_policy(trace.split("train"), encoder=encoder)
explorer = explore(trace, policy, embeddings=embeddings)
explorer

# %% [markdown]
# Below the plots, *components* shows what each part of the pipeline contributes under these limits
# and what it costs to insist on it; *queries behind the path* shows a path's answers, the worst
# first; *policy replay* shows what the fitted policy would choose for each kind of query. Code
# reads exactly the values that are set on the screen:

# %%
explorer.slo, explorer.chosen

# %% [markdown]
# The paths that keep the limits are a table, best quality first. `tied` means that the difference
# to the winner may be chance.

# %%
columns = [
    "path_id",
    "placement",
    "quality",
    "quality_low",
    "quality_high",
    "usd_per_1k",
    "latency_s",
    "tied",
]
explorer.selection[columns].head(8).round(5)

# %% [markdown]
# ## Why not this one?
#
# Code can do everything that the mouse can. This second explorer (yours stays as you left it)
# selects the path with the best mean quality of all and opens the queries behind it. Its card says
# which limit the path breaks, by how much and on how many queries. For a path that keeps the
# limits, the card says which path beats it, and whether the difference is larger than chance.

# %%
best = front["path_id"][0]
other = explore(trace, state={**explorer.state, "selected": best, "tab": "queries"})
other

# %% [markdown]
# ## The same by kind of query
#
# If one path were best for every kind, routing would be pointless. The next cell applies the limits
# to one kind at a time. Look down the column of winners, and at how far apart the intervals are.

# %%
rows = []
for limits, slo in (("as at the start", explorer.slo), ("none", SLO())):
    other.apply(slo)
    for kind in sorted(set(trace.queries["kind"])):
        other.state = {**other.state, "kind": kind}
        winner = other.selection[other.selection["chosen"]].round(3)
        rows.append(winner.assign(limits=limits, kind=kind))
columns = ["limits", "kind", "path_id", "quality", "quality_low", "quality_high"]
pd.concat(rows, ignore_index=True)[columns]

# %% [markdown]
# Different paths win for different kinds, but the intervals are wide, since a kind has few queries.
# Tight limits hurt some kinds much more than others: for those queries a more expensive path is
# worth its price, while for others a small model does as well. The next notebook asks how much of
# this a policy can use on queries it has not seen.
#
# **What we learned:** the largest model answers best overall and is the slowest. Where the limits
# keep it out, look at the tab *components* before you change anything else: it says what each
# component costs that you insist on.
