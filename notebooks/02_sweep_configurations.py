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
# **Question.** How do rewriting, retrieval, refinement, prompt and model interact, and how few
# outcomes suffice to find the best paths?
#
# **Inputs.** `data/smart_home`, the three models of `data/models.toml` (`ecollm-lab models fetch`
# brings them), the committed trace, and the benchmark's records in `data/benchmarks`. **Run time**
# two to three minutes, most of it for a live sweep of three paths. **Cost** below 0.001 USD at the
# declared prices. Nobody charges it: all models run on this machine.

# %%
import tempfile
from pathlib import Path

import pandas as pd

from ecollm_lab import SLO, Budget, Emulator, Trace, emulate, figures, sweep_live
from ecollm_lab.emulator import Estimates, replay_from
from ecollm_lab.models import default_encoder, load_catalog
from ecollm_lab.policies import fit_policy, replay

# %%
place = Path(tempfile.mkdtemp())
options = {
    "catalog_file": Path("../data/models.toml"),
    "store_file": place / "o.sqlite",
    "out": place / "t.parquet",
}

# %% [markdown]
# ## Measuring paths
#
# A sweep measures each pair of a query and a path once and stores the outcome immediately. Here it
# runs in the background: the cell ends at once, the bar moves, and the table shows the front so
# far. *Stop* ends the sweep after the calls in flight, without losing an outcome.

# %%
models = load_catalog(options["catalog_file"]).models
options["path_ids"] = [f"none/hybrid-1/none/plain/{model}" for model in models]
first = sweep_live("../data/smart_home", limit=6, **options)
first

# %% [markdown]
# Meanwhile the kernel is free. Here it loads the committed trace, in which many more queries were
# measured on many more paths:

# %%
trace = Trace.load("../data/traces/smart_home.parquet")
print(trace.source_line)

# %% [markdown]
# `result()` waits for the end. Most of the time goes into opening the models and into the answers
# of the largest one.

# %%
first.result()
first

# %% [markdown]
# The second sweep goes on from there: it finds the first one's outcomes in the store, and measures
# only what is missing.

# %%
second = sweep_live("../data/smart_home", limit=9, **options)
live, _, progress = second.result()
second

# %%
print(f"{progress.reused} outcomes reused, {progress.done} measured")
pd.options.display.max_colwidth = 100
asked = live.queries[["query_id", "text"]].merge(live.outcomes, on="query_id")
asked["model"] = asked["path_id"].str.rpartition("/")[2]
asked[["text", "model", "quality", "latency_s", "tokens_in", "answer"]].round(2)

# %% [markdown]
# These are answers of real models, one row for each question and model. `quality` is the share of
# the needed facts that the answer states. The models decode greedily with the same weights, so
# quality should agree with the committed trace on nearly every outcome. Latency depends on the
# machine, and on what else it does.

# %%
same = live.outcomes.merge(trace.outcomes, on=["query_id", "path_id"])
agree = (same["quality_x"] == same["quality_y"]).mean()
print(f"quality as in the committed trace: {agree:.1%} of {len(same)} outcomes")

# %% [markdown]
# ## How the stages interact
#
# Now all paths of the trace. Each panel is a kind of query, each line a model. Look at how far the
# lines are apart, and whether they rise or fall from one passage to three: further passages may
# hold what is asked for, and may also confuse a small model, or tempt it to answer what no passage
# says.

# %%
figures.stages.plot_passages(figures.stages.compute_passages(trace), trace.source_line)

# %% [markdown]
# The kinds differ at least as much as the models do. In some of them the largest model is far
# ahead, in others a smaller one does as well; that is what a policy could use. (The averages
# include the prompt `brief`, which costs much quality, as the next figure shows.)
#
# How much of the differences between paths does each stage explain alone, and how much comes only
# from combinations of stages?

# %%
figures.stages.plot_contribution(figures.stages.compute_contribution(trace), trace.source_line)

# %% [markdown]
# The model matters most for all three objectives, and for quality the prompt comes next. What is
# retrieved and refined matters less here, where every path retrieves something. Where "together"
# has a share, stages cannot be chosen one at a time: what a prompt costs in quality depends on the
# model that reads it. So whole paths have to be measured, and their number is a product:

# %%
train = trace.split("train")
n_pairs = len(train.path_ids) * len(train.query_ids)
print(f"{len(train.path_ids)} paths on {len(train.query_ids)} training queries: {n_pairs:,} pairs")

# %% [markdown]
# At a few seconds for each this took hours, and this space is a small one.
#
# ## Measuring a part
#
# The Emulator asks for the pairs that can still change a front. It fits a mixed model to the
# outcomes so far (paths share components, similar queries share clusters) and draws the paths'
# means from the posterior. A path gets the next outcomes in proportion to how often it is on a
# drawn front or best for a drawn SLO, times the uncertainty of its quality. Here it replays on the
# training queries of the committed trace, up to a fifth of the outcomes;
# `emulate_live("../data/smart_home", budget=Budget(share=0.2), …)` does the same on the real
# models, in the background like the sweep above.

# %%
embeddings = default_encoder().encode(train.queries["text"].tolist())
emulator = Emulator(train.path_ids, train.query_ids, embeddings, seed=0)
fronts, steps = [], []
for share in (0.05, 0.1, 0.2):
    steps.append(emulate(emulator, replay_from(train), Budget(outcomes=round(share * n_pairs))))
    fronts.append(emulator.fronts().assign(outcomes=emulator.n_told))
source = f"{train.source_line} · training split, replayed"
columns = ["outcomes", "cost_usd", "expected_regret", "deciding_s", "stopped"]
pd.concat(steps, ignore_index=True)[columns].round(4)

# %% [markdown]
# `expected_regret` is the Emulator's own estimate of its uncertainty: the quality that exact
# knowledge of every path would still add, averaged over 25 SLOs. It need not fall at every step,
# since outcomes can also be surprising. The next figure shows where the outcomes went.

# %%
figures.budgets.plot_samples(fronts[-1], source)

# %% [markdown]
# Paths that cost or take more without answering better get fewer outcomes: just enough to show
# this. With so few queries most paths stay in question. A grey cross, if there is one, marks a path
# with a probability below 1 % of being on the front, overall or in any cluster of queries; its
# hover card names the path that beats it.
#
# What did further outcomes gain? Look at the length of the intervals, and at the estimates of
# the best paths.

# %%
figures.budgets.plot_tightening(pd.concat(fronts), source)

# %% [markdown]
# The intervals shrink. With few outcomes the winner is partly the luckiest path, so the estimates
# of the front are easily too good. How far off are they in the end? The whole trace shows it.

# %%
last = fronts[-1][(fronts[-1]["scope"] == "all")].set_index("path_id")
truth = train.summary().set_index("path_id")
low, high = (last[column].reindex(truth.index) for column in ("quality_low", "quality_high"))
inside = truth["quality"].between(low, high)
front = last[last["on_front"]]
optimism = (front["quality"] - truth.loc[front.index, "quality"]).mean()
print(f"{inside.mean():.0%} of the 90 % intervals hold the true mean quality;")
print(f"the estimated front is {optimism:+.3f} above the truth")

# %% [markdown]
# ## A policy from a part of the outcomes
#
# A front is a means to an end: choosing a path for a query that nobody has seen. `Estimates.of`
# says what explored outcomes tell about every path on every query, and `fit_policy` makes a policy
# of that. Here are what it delivers on held-out queries under three latency limits, and what a
# policy delivers that was fitted on all outcomes.

# %%
explored = Trace.from_outcomes(emulator.outcomes, train.queries, train.provenance)
policies = {
    len(explored.outcomes): fit_policy(explored, estimates=Estimates.of(explored)),
    n_pairs: fit_policy(train),
}

# %%
rows = []
for outcomes, policy in policies.items():
    for seconds in (3, 6, 12):
        done = replay(policy, trace.split("heldout"), SLO(max_latency_s=seconds))
        told = {name: done[name] for name in ("quality", "slo_violation_rate")}
        rows.append({"limit in seconds": seconds, "outcomes": outcomes, **told})
pd.DataFrame(rows).pivot_table(index="outcomes", columns="limit in seconds").round(3)

# %% [markdown]
# The policy of fewer outcomes knows less of how widely latencies are spread, so that it may break
# limits more often. `fit_policy` aims at 5 %.
#
# One run proves little. The benchmark repeats it over several seeds, and compares with methods that
# people would otherwise use.
#
# ## Against random search, racing and Optuna
#
# The benchmark uses larger spaces as well: two traces of 340 paths on 667 queries (`pocket_…`,
# answered by very small models that this project once trained for the purpose) and recorded voice
# requests to 35 models (`homeassistant`). Every method spends the same number of outcomes on the
# same tables; `python -m benchmarks.emulator --json …` measures this again (about an hour). For
# each method, find the budget at which its line reaches the level at which ours starts.

# %%
records = pd.read_parquet("../data/benchmarks/emulator.parquet")
raw = records[~records["method"].str.contains("+", regex=False)]
pocket = ["pocket_smart_home", "pocket_automotive"]
large = raw[raw["trace"].isin([*pocket, "homeassistant"])]
revisions = ", ".join(sorted(set(raw["git_revision"])))
said = f"python -m benchmarks.emulator, revisions {revisions}; median of seeds"
figures.budgets.plot_budget(figures.budgets.compute_budget(large, "hypervolume_ratio"), said)

# %%
figures.budgets.plot_budget(figures.budgets.compute_budget(large, "heldout_kept"), said)

# %% [markdown]
# The hypervolume is near its maximum for every method, because a handful of cheap paths holds most
# of it. The methods differ in how good a policy becomes on unseen queries when it is fitted on
# their outcomes, and its paths must keep the limits with their 95th percentiles. Where single
# answers count instead, methods are closer to each other, here on real models:

# %%
real = raw[raw["trace"].isin(["smart_home", "homeassistant", "bfcl"])]
figures.budgets.plot_budget(figures.budgets.compute_budget(real, "answers_kept"), said)

# %% [markdown]
# How much of that is due to the estimator, and how much to the choice of pairs? In
# the table, `+ours` puts our estimator on top of what the other method saw.

# %%
five = records[(records["budget_share"] == 0.05) & records["trace"].isin(pocket)]
measures = ["hypervolume_ratio", "slo_loss", "heldout_kept", "optimism", "coverage"]
five.groupby(["trace", "method"])[measures].median().round(3)

# %% [markdown]
# Where a plain method with `+ours` comes close to `ours`, the estimator does most of the work
# there. These are medians; docs/emulator.md gives the cases in which others are better beyond the
# paired interval.
