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
from ecollm_lab.domains.clusters import cluster_name, find_clusters
from ecollm_lab.models import default_encoder

domain = load_domain("../data/smart_home")
trace = Trace.load("../data/traces/smart_home.parquet")
kinds = ", ".join(f"{n} {kind}" for kind, n in trace.queries["kind"].value_counts().items())
print(f"{len(domain.passages)} passages, {len(domain.queries)} queries: {kinds}")
trace.queries.sample(6, random_state=1)[["text", "kind", "wording", "split"]]

# %% [markdown]
# There are seven kinds of query. `lookup` asks for one fact from a manual, `compare` for two facts,
# `diagnose` for the action against a symptom, `procedure` for one step of several, and `personal`
# for something that only the household's notes say. `general` needs no passage at all, and the
# answer to an `unanswerable` query is in no passage. `wording: free` marks texts that follow no
# pattern of the texts on which the lab's own very small language models (the *pocket models*) were
# trained.
#
# ## Groups
#
# The next cell embeds the training queries and clusters them. Held-out queries are not used,
# because policies are scored on them later. Read the table along a row: does a cluster hold one
# kind, or does it follow the *subject* (one product family, one person) across kinds?

# %%
train = trace.split("train")
embeddings = default_encoder().encode(train.queries["text"].tolist())
clusters = find_clusters(embeddings)
table = pd.crosstab(clusters.labels, train.queries["kind"].to_numpy())
table.index = [cluster_name(label) for label in table.index]
table

# %% [markdown]
# The encoder represents meaning, so subjects matter at least as much as kinds. Queries in no
# cluster are shown as noise here; where a cluster is needed for such a query, the one with the
# nearest centroid is used. The query nearest to each centroid shows what a cluster is about:

# %%
named = train.queries.iloc[clusters.representatives][["text", "kind"]]
named.index = [cluster_name(label) for label in range(len(clusters))]
named

# %%
source = f"{train.source_line} · training split"
figures.clusters.plot_cluster_map(
    figures.clusters.compute_cluster_map(train, embeddings, clusters), source
)

# %% [markdown]
# Two principal components show only part of 384 dimensions: clusters that overlap here can be far
# apart there. Point at a query to see its text.
#
# ## Do groups need different paths?
#
# If one path were best everywhere, clusters would be of no use. Each row below is a cluster, and
# each column a path that wins at least one of them (marked with a star). The number says how much
# quality a path loses against that cluster's winner. Look for a column that is pale all the way
# down: that path would do for every cluster.

# %%
winners = figures.clusters.compute_cluster_winners(train, embeddings, clusters)
figures.clusters.plot_cluster_winners(winners, source)

# %% [markdown]
# The stars stand in different columns. How certain is that? Only losses in bold have a 95 %
# interval above zero, and a cluster has few queries. At this point one can say:

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
# The average is too high: each winner was picked on the queries on which it is scored, so it looks
# better than it is. Notebook 4 shows whether anything can be won on unseen queries.
