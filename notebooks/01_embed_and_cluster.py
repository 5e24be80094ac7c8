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
# # 1 · What do people ask about?
#
# **Question.** Do the queries of a domain fall into groups, and do the groups need different
# treatment?
#
# **Inputs.** `data/smart_home` and its measured trace, both committed. **Run time** under a
# minute. **Cost** nothing: the encoder is local, outcomes are looked up.

# %%
import pandas as pd

from ecollm_lab import Trace, figures, load_domain
from ecollm_lab.domains.clusters import find_clusters
from ecollm_lab.models import default_encoder

domain = load_domain("../data/smart_home")
trace = Trace.load("../data/traces/smart_home.parquet")
kinds = ", ".join(f"{n} {kind}" for kind, n in trace.queries["kind"].value_counts().items())
print(f"{len(domain.passages)} passages, {len(domain.queries)} queries: {kinds}")
trace.queries.sample(6, random_state=1)[["text", "kind", "wording", "split"]]

# %% [markdown]
# Seven kinds of query. `lookup` wants one fact from a manual, `compare` two facts, `diagnose` the
# action for a symptom, `procedure` one step of several, `personal` something only the household's
# notes know; `general` needs no passage at all, and what is `unanswerable` no passage states.
# `wording: free` marks texts whose pattern no training example of the pocket models had.
#
# ## Groups
#
# Next: embed the training queries and cluster them. Held-out queries stay out, since the policy
# later learns from the clusters. Read the table along a row: does a cluster hold one kind, or does
# it follow the *subject* (one product family, one person) across kinds?

# %%
train = trace.split("train")
embeddings = default_encoder().encode(train.queries["text"].tolist())
clusters = find_clusters(embeddings)
table = pd.crosstab(clusters.labels, train.queries["kind"].to_numpy())
table.index = ["noise" if label < 0 else f"cluster {label}" for label in table.index]
table

# %% [markdown]
# The encoder was made for meaning, so subjects weigh at least as much as kinds. Noise is kept as
# noise here; when a front or a policy needs a cluster for such a query, the nearest centroid
# serves. The query nearest to each centroid tells what a cluster is about:

# %%
named = train.queries.iloc[clusters.representatives][["text", "kind"]]
named.index = [f"cluster {c}" for c in range(len(clusters))]
named

# %%
source = f"{train.source_line} · training split"
figures.clusters.plot_cluster_map(
    figures.clusters.compute_cluster_map(train, embeddings, clusters), source
)

# %% [markdown]
# Two principal components show only part of 384 dimensions: clusters that overlap here can be
# apart there. Hover for the text.
#
# ## Do groups need different paths?
#
# If one path were best everywhere, clusters would be of no use. Each row below is a cluster, each
# column a path that wins at least one of them (a star), and the number what a path loses there to
# that cluster's winner. Look for a column that is pale all the way down: it would do for
# everybody.

# %%
winners = figures.clusters.compute_cluster_winners(train, embeddings, clusters)
figures.clusters.plot_cluster_winners(winners, source)

# %% [markdown]
# The stars stand in different columns. How sure is it that they must? Only losses in bold have a
# 95 % interval above zero, a cluster holds few queries, and each winner was picked on the very
# queries it is scored on, which flatters it. What can be said at this point:

# %%
overall = winners[winners["overall_best"]]
sure = overall[overall["regret_low"] > 0]
regret = (overall["regret"] * overall["n"]).sum() / overall["n"].sum()
print(
    f"{overall['path_id'].iloc[0]}, the best path overall, loses on average {regret:.3f} of"
    " quality a query;"
)
print(f"in {len(sure)} of {len(overall)} clusters that loss is more than chance.")

# %% [markdown]
# The average is optimistic: a winner picked on the queries it is scored on looks better than it
# is. Whether anything can be won on queries nobody has seen, notebook 4 tells.
