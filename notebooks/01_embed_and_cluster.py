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
# **Inputs.** `data/smart_home`, a household's manuals and notes with questions about them, and its
# measured trace; both are committed. **Run time** under a minute. **Cost** nothing: the encoder is
# local, outcomes are looked up.

# %%
import pandas as pd

from ecollm_lab import Trace, figures, load_domain
from ecollm_lab.domains.clusters import cluster_name, find_clusters
from ecollm_lab.models import default_encoder

pd.options.display.max_colwidth = 120
domain = load_domain("../data/smart_home")
trace = Trace.load("../data/traces/smart_home.parquet")
print(f"{len(domain.passages)} passages, {len(domain.queries)} queries;")
print(f"{len(trace.query_ids)} of the queries are measured on {len(trace.path_ids)} paths")

# %% [markdown]
# Queries have nine kinds. `lookup` asks for one fact from a manual, `compare` for two devices,
# `diagnose` for the cause behind a symptom, `procedure` for steps, `compute` for a number that has
# to be worked out, `control` for a command to a device, and `personal` for something that only the
# household's notes say. `general` needs no passage, and the answer to an `unanswerable` query is in
# none. Here is one measured query of each kind:

# %%
trace.queries.groupby("kind").sample(1, random_state=1)[["kind", "text", "split"]]

# %% [markdown]
# ## Groups
#
# The next cell embeds the training queries that are measured and clusters them. Held-out queries
# are not used, because policies are scored on them later. Read the table along a row: does a
# cluster hold one kind, or does it follow the *subject* (one product family, one person) across
# kinds?

# %%
train = trace.split("train")
embeddings = default_encoder().encode(train.queries["text"].tolist())
clusters = find_clusters(embeddings)
table = pd.crosstab(clusters.labels, train.queries["kind"].to_numpy(), colnames=["kind"])
table.index = [cluster_name(label) for label in table.index]
table

# %% [markdown]
# Kinds are mixed in nearly every cluster: the encoder represents meaning, and what a question is
# about outweighs what is asked of it. Many queries are in no cluster. They are shown as noise here;
# where a cluster is needed for such a query, the one with the nearest centroid is used. The query
# nearest to each centroid hints at what a cluster is about:

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
# interval above zero, and a cluster has few queries. Look at the column of the path that is best
# over all queries, too:

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
# better than it is.
#
# Does the *kind* of a query say more than its cluster? For each kind, the next table compares the
# best path overall with the best path for that kind.

# %%
quality, kinds = trace.array("quality"), trace.queries["kind"].to_numpy()
overall = quality.mean(axis=0).argmax()
rows = {
    kind: (quality[kinds == kind, overall].mean(), quality[kinds == kind].mean(axis=0).max())
    for kind in sorted(set(kinds))
}
pd.DataFrame(rows, index=[f"{trace.path_ids[overall]}", "best path for the kind"]).T.round(2)

# %% [markdown]
# The distances are flattering for the same reason, but some are far larger than those of the
# clusters. A policy that reads the question would have to recognise its kind. Notebook 4 shows how
# much can be won on unseen queries.
