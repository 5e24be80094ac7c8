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
# # 6 · Do the paper's claims hold on real models and natural text?
#
# **Question.** ECO-LLM ([arXiv 2507.09003](https://arxiv.org/abs/2507.09003)) says of queries that
# were explored: choosing the path for each one gives a quality of .90 where one strong cloud path
# gives .74, at 90 % less cost and 55 % less time. Of queries that were not explored it says: 62 %
# less cost, or time, than the best router. What do outcomes say that anybody can look up?
#
# **Inputs.** The traces of the lab's domains, `data/traces`: three instruction-tuned models of 135
# million to 1.5 billion parameters, the two larger ones Coder variants of Qwen2.5. And the
# committed records of `python -m benchmarks.claims`, which also hold what was recorded of other
# systems. **Run time** a few seconds. **Cost** nothing.

# %%
from pathlib import Path

import pandas as pd
from IPython.display import display

from ecollm_lab import Trace, figures
from ecollm_lab.study import DOMAINS, complete, compute_hindsight

# %%
records = pd.read_parquet("../data/benchmarks/claims.parquet")
files = {name: Path(f"../data/traces/{name}.parquet") for name in DOMAINS}
traces = {name: complete(Trace.load(file)) for name, file in files.items() if file.exists()}
for name in DOMAINS:
    print(f"{name}: {traces[name].source_line if name in traces else 'not measured yet'}")

# %% [markdown]
# ## In hindsight
#
# `best_cloud_quality` is the best single path whose model runs in the cloud. The oracle takes, for
# each query, the best path by its very outcome; of equally good ones the cheapest or the fastest.
# The shares compare what it takes with the best cloud path: .1 is a tenth.

# %%
hindsight = {name: compute_hindsight(trace).set_index("metric") for name, trace in traces.items()}
values = ["value", "low", "high", "path_id"]
whole = {name: rows[rows["kind"].isna()][values] for name, rows in hindsight.items()}
pd.concat(whole).round(3) if whole else "nothing is measured yet"

# %% [markdown]
# The oracle cannot be built: it knows which answers will be right, and with dozens of paths one of
# them is often right by luck. How much of its gain can be had by rule? `kind_quality` is the best
# path for each kind of query, `cluster_quality` the best one for each cluster of texts, both
# cross-validated: found on four fifths of the queries and scored on the rest.

# %%
choices = ["best_cloud_quality", "kind_quality", "cluster_quality", "oracle_quality"]
seen = records[records["metric"].isin(choices)].set_index(["trace", "metric"])
seen[["value", "low", "high"]].round(3)

# %% [markdown]
# ## Where does the edge suffice?
#
# Below, for each kind, the best edge path is compared with the best cloud path: above 0 the edge is
# better. A kind counts as served on the edge from −.02 on.

# %%
for name, rows in hindsight.items():
    kinds = rows.loc["edge_over_cloud", ["kind", "n", "value", "low", "high"]]
    print(f"{name}, best edge path minus best cloud path:")
    print(kinds.sort_values("value", ascending=False).round(2).to_string(index=False))

# %% [markdown]
# What a budget buys is one more way to see it. The curves show the quality within a mean cost and a
# mean time: of the best path, of the best path for each kind, and of oracles that vary the model
# alone or the whole path.

# %%
for trace in traces.values():
    frame = figures.whole_paths.compute_whole_paths(trace)
    display(figures.whole_paths.plot_whole_paths(frame, trace.source_line))

# %% [markdown]
# ## On queries that were not explored
#
# Our policy is fitted on four fifths of the queries and replayed on the rest. It is compared with
# the best of several routers, which choose only the model. Each row says what share of the router's
# cost or time our policy takes, and by how much its quality is higher (`quality_over`). Rows that
# begin with `strict_` are of the same policy with `tolerance=0`.

# %%
unseen = records[records["metric"].str.endswith("of_router")].set_index(["trace", "metric"])
quality = ["quality_over", "quality_over_low", "quality_over_high"]
unseen[["value", "low", "high", *quality]].round(3)

# %% [markdown]
# A saving counts where the quality is no lower: where the interval of `quality_over` lies below
# zero, something was paid for it. What a trace does not record, such as prices, has no row. Last,
# the share of queries in which our policy keeps the study's limits on cost and latency:

# %%
kept = records[records["metric"] == "limits_kept"].set_index("trace")
kept[["value", "low", "high"]].round(3)

# %% [markdown]
# All claims side by side, with the paper's figures and what each trace lacks, are in
# [docs/claims.md](../docs/claims.md).
#
# **What we learned.** In hindsight, choosing the path per query is better on every trace here, and
# cheaper where prices are known. On unseen requests, money and time are saved where a cheap or fast
# model is nearly as good as the best (homeassistant, bfcl); `quality_over` says what that costs in
# quality. In the lab's own domains the largest model is far ahead of the others, and less is saved:
# 21 and 15 % of cost and time on smart_home, at higher quality, and 11 and 9 % on automotive, at
# lower quality. Every rule that was tried reaches only a part of the gain in quality.
