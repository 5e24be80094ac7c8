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
# # 2 · Where should the calls go?
#
# **Question.** How do rewriting, retrieval, refinement and model size play together, and how few outcomes tell which paths are
# worth having?
#
# **Inputs.** `data/smart_home`, the pocket models, the committed exhaustive trace, and the benchmark's records in `data/benchmarks`.
# **Run time** about 40 s, most of it a live sweep of four paths. **Cost** below 0.01 USD at the declared prices, and nothing
# really: all models run here.

# %%
import tempfile
from pathlib import Path

import pandas as pd

from ecollm_lab import Budget, Emulator, Trace, emulate, figures
from ecollm_lab.embed import default_encoder
from ecollm_lab.emulator import replay_from
from ecollm_lab.measuring import sweep_domain

paths = [
    "none/none/none/pocket-s",
    "none/hybrid-3/none/pocket-s",
    "none/hybrid-3/extract-3/pocket-s",
    "none/hybrid-3/none/pocket-xl",
]
place = Path(tempfile.mkdtemp())
options = {"catalog_file": Path("../data/models.toml"), "store_file": place / "outcomes.sqlite", "out": place / "trace.parquet"}

# %% [markdown]
# ## Measuring paths
#
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
# copy, and the smaller the model, the more of those it takes. So stages cannot be chosen one at a time, and the space of whole paths is
# large: here 111 paths on 167 training queries, 18,537 pairs; with real models and prices nobody would measure them all.
#
# ## Measuring a twentieth
#
# The Emulator asks for the pairs that can still change a front. It fits a mixed model to what it has seen (paths share
# components, queries share clusters), draws the paths' means from the posterior, and gives a path the next outcomes in
# proportion to how often it is on a drawn front or best for a drawn SLO, times how unsure its quality is. Here it replays on the
# committed trace, held-out queries left out; `ecollm-lab emulate --domain smart_home --budget-share 0.05` does the same live.

# %%
train = trace.split("train")
embeddings = default_encoder().encode(train.queries["text"].tolist())
emulator = Emulator(train.path_ids, train.query_ids, embeddings, seed=0)
n_pairs = len(train.path_ids) * len(train.query_ids)
fronts, steps = [], []
for share in (0.01, 0.02, 0.05):
    steps.append(emulate(emulator, replay_from(train), Budget(outcomes=round(share * n_pairs))))
    fronts.append(emulator.fronts().assign(outcomes=emulator.n_told))
source = f"{train.source_line} · training split, replayed"
pd.concat(steps, ignore_index=True)[["outcomes", "cost_usd", "expected_regret", "deciding_s", "stopped"]].round(4)

# %% [markdown]
# `expected_regret` is the Emulator's own view of how unsure it is: the quality that knowing every path exactly would still add, averaged
# over 25 SLOs. It need not fall at every step, since each batch is also a surprise. The next figure shows where the outcomes went.

# %%
figures.plot_samples(fronts[-1], source)

# %% [markdown]
# Paths that cost or take more without answering better get few outcomes: enough to say so, and no more. A grey cross marks a path
# with less than one chance in a hundred to be on the front, overall or in any cluster of queries; its hover card names what beats it.

# %%
figures.plot_tightening(pd.concat(fronts), source)

# %% [markdown]
# From 1 % to 5 % the intervals shrink and the estimates of the best paths come down: with few outcomes the winner is partly the luckiest.
# How far off is the estimate in the end? The exhaustive trace knows.

# %%
last = fronts[-1][(fronts[-1]["scope"] == "all")].set_index("path_id")
truth = train.summary().set_index("path_id")
inside = truth["quality"].between(last["quality_low"].reindex(truth.index), last["quality_high"].reindex(truth.index))
front = last[last["on_front"]]
optimism = (front["quality"] - truth.loc[front.index, "quality"]).mean()
print(f"{inside.mean():.0%} of the 90 % intervals hold the true mean quality; the estimated front is optimistic by {optimism:+.3f}")

# %% [markdown]
# One run proves little. The benchmark repeats it over many seeds, against what people would otherwise use.
#
# ## Against random search, racing and Optuna
#
# Every method spends the same number of outcomes on the same tables; `python -m benchmarks.emulator --json …` measures this anew
# (about an hour). Look for the budget at which each line reaches the height at which ours starts.

# %%
records = pd.read_parquet("../data/benchmarks/emulator.parquet")
said = f"python -m benchmarks.emulator, revision {records['git_revision'][0]}, {records['measured_at'][0]}; median of seeds"
raw = records[~records["method"].str.contains("+", regex=False)]
domains = raw[raw["trace"].isin(["smart_home", "automotive", "homeassistant"])]
figures.plot_budget(figures.compute_budget(domains, "hypervolume_ratio"), said)

# %%
figures.plot_budget(figures.compute_budget(domains, "heldout_kept"), said)

# %% [markdown]
# The hypervolume flatters everyone: a handful of cheap paths holds most of it. What a policy makes of the outcomes on queries it has not
# seen tells the methods apart. How much of that is the estimator, how much the choice of pairs? In the table, `+ours` puts our
# estimator on top of what the other method saw.

# %%
five = records[(records["budget_share"] == 0.05) & records["trace"].isin(["smart_home", "automotive"])]
five.groupby(["trace", "method"])[["hypervolume_ratio", "slo_loss", "heldout_kept", "optimism", "coverage"]].median().round(3)
