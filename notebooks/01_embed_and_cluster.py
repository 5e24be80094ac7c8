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
# **Question.** Do the queries of a domain fall into groups that need different treatment?
#
# **Inputs.** `data/smart_home` (committed). **Run time** about 10 s. **Cost** nothing: the encoder is local.

# %%
import pandas as pd

from ecollm_lab import Trace, figures, load_domain
from ecollm_lab.cluster import find_clusters
from ecollm_lab.embed import default_encoder

domain = load_domain("../data/smart_home")
trace = Trace.load("../data/traces/smart_home.parquet")
print(f"{len(domain.passages)} passages, {len(domain.queries)} queries")
trace.queries.sample(6, random_state=1)[["text", "kind", "wording", "split"]]

# %% [markdown]
# Five kinds of query. `lookup` wants one fact from a manual, `compare` two facts, `diagnose` the action for a symptom,
# `personal` something only the household's notes know, and `general` needs no passage at all. `wording: free` marks texts whose
# pattern no training example of the pocket models had.
#
# Next: embed the training queries and cluster them. Held-out queries stay out, since the policy later learns from the clusters.

# %%
train = trace.split("train")
embeddings = default_encoder().encode(train.queries["text"].tolist())
clusters = find_clusters(embeddings)
table = pd.crosstab(clusters.labels, train.queries["kind"].to_numpy())
table.index = ["noise" if label < 0 else label for label in table.index]
table

# %% [markdown]
# Each row is a cluster, each column a kind. Read along a row: does a cluster hold one kind, or does it follow the *subject* (one
# product family, one person) across kinds? The encoder was made for meaning, so subjects weigh at least as much as kinds.
# Noise is kept as noise here; when a front or a policy needs a cluster for such a query, the nearest centroid serves.

# %%
named = train.queries.iloc[clusters.representatives][["text", "kind"]]
named.index = [f"cluster {c}" for c in range(len(clusters))]
named

# %%
figures.plot_cluster_map(figures.compute_cluster_map(train, embeddings, clusters), f"{trace.source_line} · training split")

# %% [markdown]
# Two principal components show only part of 384 dimensions: clusters that overlap here can be apart there. Hover for the text.
# Whether clusters help to choose paths is not a matter of looks; notebook 4 answers it on held-out queries.
