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
# # 2 · What does each path deliver?
#
# **Question.** How do rewriting, retrieval, refinement and model size play together?
#
# **Inputs.** `data/smart_home`, the pocket models, the committed exhaustive trace. **Run time** about 30 s, most of it a live sweep
# of four paths. **Cost** below 0.01 USD at the declared prices, and nothing really: all models run here.

# %%
import tempfile
from pathlib import Path

from ecollm_lab import Trace, figures
from ecollm_lab.study import sweep_domain

paths = [
    "none/none/none/pocket-s",
    "none/hybrid-3/none/pocket-s",
    "none/hybrid-3/extract-3/pocket-s",
    "none/hybrid-3/none/pocket-xl",
]
place = Path(tempfile.mkdtemp())
options = {"catalog_file": Path("../data/models.toml"), "store_file": place / "outcomes.sqlite", "out": place / "trace.parquet"}

# %% [markdown]
# A sweep measures each (query, path) pair once and commits it at once. We stop after 40 outcomes and start again: the second
# call reuses them.

# %%
_, _, first = sweep_domain("../data/smart_home", path_ids=paths, limit=40, **options)
live, _, second = sweep_domain("../data/smart_home", path_ids=paths, limit=60, **options)
print(f"first: {first.done} measured; second: {second.reused} reused, {second.done} measured")
live.outcomes[["query_id", "path_id", "quality", "cost_usd", "latency_s", "tokens_in", "answer"]].head(8)

# %% [markdown]
# Real answers of real (very small) models. The committed trace holds the same for every path of the space and every query.

# %%
trace = Trace.load("../data/traces/smart_home.parquet")
same = live.outcomes.merge(trace.outcomes, on=["query_id", "path_id"])
print(trace.source_line)
print(f"quality as in the committed trace: {(same['quality_x'] == same['quality_y']).mean():.1%} of {len(same)} outcomes")

# %% [markdown]
# Greedy decoding on the same weights: quality should agree on practically every outcome. Latency depends on the machine.
#
# Now the whole space. Look for lines that cross: where they do, no single choice of model or of k is right for every kind.

# %%
figures.plot_interplay(figures.compute_interplay(trace), trace.source_line)

# %% [markdown]
# Without passages only `general` questions can be answered. More passages find more but also offer more wrong facts to
# copy, and the smaller the model, the more of those it takes. The next table shows what refinement changes, by model.

# %%
parts = trace.outcomes["path_id"].str.split("/", expand=True)
means = trace.outcomes.assign(retrieve=parts[1], refine=parts[2], model=parts[3]).query("retrieve != 'none'")
means.pivot_table(index=["model", "refine"], columns="retrieve", values="quality").round(3)

# %% [markdown]
# Averages over about 270 queries: differences below some 0.03 are within the sampling error of one cell.
