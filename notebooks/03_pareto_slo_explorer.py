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
from IPython.display import HTML

from ecollm_lab import SLO, Trace, explore, fit_policy, pareto_front
from ecollm_lab.models import CachedEncoder, default_encoder

trace = Trace.load("../data/traces/smart_home.parquet")
front = pareto_front(trace)
print(trace.source_line)
front[front["on_front"]].round({"quality": 3, "latency_s": 4, "latency_p95_s": 4})

# %% [markdown]
# A path is on the front if no other is at least as good in quality, cost *and* latency and better
# in one. Of all the paths of the trace
# only these few are; everybody else is beaten by somebody. But a mean over some hundred queries is
# known to a few points only, so the
# explorer also draws intervals, and an open ring where a path cannot be told from one that beats
# it.
#
# ## The explorer
#
# It starts at the front's median latency and cost. Drag the sliders, or move them with Tab and the
# arrow keys: nothing is evaluated
# again. Watch
#
# - the sentence on top: what wins, what it delivers, and how many held-out queries it would keep
# waiting;
# - the bands under the sliders: hatched where no path is feasible under the other limits, else as
# high as the quality within reach;
# - the two plots: what lies beyond a limit fades but stays, the halo is the winner;
# - any other path: point at it or click it, and the card says why it does not win, and what change
# of the limits would let it win.

# %%
encoder = CachedEncoder(default_encoder())
embeddings = encoder.encode(trace.queries["text"].tolist())
policy = fit_policy(trace.split("train"), encoder=encoder)
explorer = explore(trace, policy, embeddings=embeddings)
explorer

# %% [markdown]
# Below the plots, *queries behind the path* shows what a path answered, its worst cases first;
# *policy replay* what a fitted policy
# would choose query by query under these limits; *copy as code* the lines that give the same again.
# What is set can be read off:

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
# The controls are ordinary widgets, so code can do all that a hand can. A second explorer, so that
# yours stays as you left it, asks
# about the path with the best mean quality of all, and about the fastest of the front:

# %%
other = explore(trace, state=explorer.state)
other.select(front["path_id"][0])
other.settle()
HTML(other.controls.card.value)

# %%
other.select(front[front["on_front"]].sort_values("latency_s")["path_id"].iloc[0])
other.settle()
HTML(other.controls.card.value)

# %% [markdown]
# A path that breaks a limit says by how much and on how many queries; one that keeps them says what
# beats it, and whether the
# difference is larger than chance. These are the queries on which that fastest path loses most:

# %%
HTML(other.controls.queries.value)

# %% [markdown]
# ## The same by kind of query
#
# If one path were best for every kind, routing would be pointless. The filter by kind re-thresholds
# everything. Look down the column of
# winners, and at how far the intervals are apart.

# %%
rows = []
for limits, slo in (("as at the start", explorer.slo), ("none", SLO())):
    other.apply(slo)
    for other.kind.value in sorted(set(trace.queries["kind"])):
        best = other.selection[other.selection["chosen"]].round(3)
        rows.append(best.assign(limits=limits, kind=other.kind.value))
columns = ["limits", "kind", "path_id", "quality", "quality_low", "quality_high"]
pd.concat(rows, ignore_index=True)[columns]

# %% [markdown]
# Different kinds are won by different paths, with intervals that are wide, since a kind has few
# queries. Tight limits hurt some kinds
# much more than others: those are the queries worth sending on a dearer path. The next notebook
# asks how much of this a policy can use
# on queries it has not seen.
