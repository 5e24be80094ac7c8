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
# in one. Of all the paths of the trace only these few are; each of the others is beaten by one of
# them. But a mean over some hundred queries is known to a few points only, so the explorer also
# draws intervals, and an open ring where a path cannot be told from one that beats it.
#
# ## The explorer
#
# It starts a little above the front's median latency and cost. Drag a slider, step from path to
# path with the arrow keys, or type a limit ("50 ms"): nothing is evaluated again. Watch
#
# - the sentence on top: what wins, what it delivers, and how many held-out queries it would keep
#   waiting;
# - the bands under the sliders: hatched where no path is feasible under the other limits, else as
#   high as the quality within reach;
# - the two plots: what lies beyond a limit fades but stays, the pink halo is the winner;
# - any other path: point at it or click it, and the card says why it does not win, and which change
#   of the limits would let it win.

# %%
encoder = CachedEncoder(default_encoder())
embeddings = encoder.encode(trace.queries["text"].tolist())
policy = fit_policy(trace.split("train"), encoder=encoder)
explorer = explore(trace, policy, embeddings=embeddings)
explorer

# %% [markdown]
# Below the plots, *components* shows what each part of the pipeline contributes under these limits
# and what it costs to insist on it; *queries behind the path* what a path answered, its worst cases
# first; *policy replay* what the fitted policy would choose query by query. What is set on the
# screen is what code reads, to the last digit:

# %%
explorer.slo, explorer.chosen

# %% [markdown]
# and what keeps the limits is a table, best quality first (`tied` means: cannot be told from the
# winner).

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
# Code can do all that a hand can. A second explorer, so that yours stays as you left it, selects
# the path with the best mean quality of all and opens the queries behind it. Its card says which
# limit it breaks, by how much and on how many queries; a path that keeps the limits says what beats
# it, and whether the difference is larger than chance.

# %%
best = front["path_id"][0]
other = explore(trace, state={**explorer.state, "selected": best, "tab": "queries"})
other

# %% [markdown]
# ## The same by kind of query
#
# If one path were best for every kind, routing would be pointless. The filter by kind re-thresholds
# everything. Look down the column of winners, and at how far the intervals are apart.

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
# Different kinds are won by different paths, with intervals that are wide, since a kind has few
# queries. Tight limits hurt some kinds much more than others: those are the queries worth sending
# on a dearer path. The next notebook asks how much of this a policy can use on queries it has not
# seen.
#
# **Learned:** the component that costs most to do without is retrieval; among the paths that
# retrieve, many are tied under a limit, and then the cheapest of them is a fair choice.
