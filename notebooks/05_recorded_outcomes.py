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
# # 5 · Does the claim hold on another system's requests?
#
# **Question.** Choosing the path per query is said to cost or take far less than the best fixed
# model, at quality no lower. Notebooks 1 to 4 look at domains of this project's own making.
# This one looks at voice requests to smart homes, answered by 35 models on the edge and in
# the cloud, and recorded by a separate project
# ([home-assistant-datasets](https://github.com/allenporter/home-assistant-datasets), Apache-2.0).
#
# **Inputs.** The committed records of `python -m benchmarks.routing`. The outcomes themselves are
# not part of this project; if you have them (in a folder named by `ECOLLM_LAB_RECORDED`), they
# are replayed here as well. **Run time** under a minute. **Cost** nothing.

# %%
import os
from pathlib import Path

import pandas as pd

from ecollm_lab import SLO, figures, fit_policy, import_outcomes, replay_all
from ecollm_lab.models import CachedEncoder, default_encoder

# %%
records = pd.read_parquet("../data/benchmarks/routing.parquet")
one = records[records["trace"] == "homeassistant"]
file = Path(os.environ.get("ECOLLM_LAB_RECORDED", "../../shared/traces"), "homeassistant.parquet")
print(
    "Recorded outcomes are",
    f"at hand: {file.name}" if file.exists() else "not at hand: committed records only",
)

# %% [markdown]
# ## Quality under limits
#
# Every policy chose for each request after it was fitted on requests with other texts (five folds
# by text). Limits lie at 95th percentiles of the models' cost and latency; at most 5 % of the
# choices may break one. Compare `ours` with `best_single`, the one model that is best within each
# limit, and with `oracle`, which knows the outcomes.

# %%
columns = ["quality", "ci_low", "ci_high", "cost_usd", "latency_s", "slo_violation_rate"]
grid = one[one["slo"] == "grid"].set_index("policy")
grid[columns].sort_values("quality", ascending=False).round(4)

# %% [markdown]
# The intervals overlap, but the policies answered the same requests, so their differences are more
# certain than each quality alone. Where an interval excludes zero, the difference taken alone
# is statistically significant. With this many comparisons it counts as *settled* only if its
# corrected p is below .05 (`p_holm`).

# %%
paired = one[one["metric"].fillna("").str.startswith("quality_over_")]
paired.set_index("metric")[["value", "ci_low", "ci_high", "p_holm"]].round(3)

# %% [markdown]
# ## The claim: cheaper or faster at quality no lower
#
# Without limits, `prefer="cost"` and `prefer="latency"` may give up .02 of quality on average. The
# table compares our policy with the best single model, and with gpt-4.1 as the cloud model that one
# would take: how much quality is gained (above 0), and what share of its cost or time is needed
# (below 1).

# %%
claims = one[(one["policy"] == "ours") & one["against"].notna()]
claims.set_index(["prefer", "against", "metric"])[["value", "ci_low", "ci_high"]].round(3)

# %%
free = one[(one["slo"] == "none") & ~one["policy"].str.contains("ours_|gpt", na=True)]
free = free.assign(quality_low=free["ci_low"], quality_high=free["ci_high"], regret=float("nan"))
free = free.assign(prefer="prefer_" + free["prefer"])
free = free.sort_values("prefer", key=lambda prefer: prefer != "prefer_quality", kind="stable")
source = (
    "recorded · homeassistant · 35 models, unseen texts · what an edge model costs is not priced by"
    " the source: 0"
)
figure = figures.policies.plot_policies(free, source)
figure.update_yaxes(range=[0.75, 1]).update_yaxes(title="quality (share of tests passed)", col=1)

# %% [markdown]
# Up and to the left is better. Choices that cost nothing stand in the grey strip marked 0, because
# a logarithmic axis has no zero. Here are the fixed choices beside our policy:

# %%
few = free[free["policy"].isin(["ours", "best_single", "cloud_only"])]
few.set_index(["prefer", "policy"])[
    ["quality", "ci_low", "ci_high", "cost_usd", "latency_s"]
].sort_index().round(4)

# %% [markdown]
# If cost is preferred, the best *single* path is an edge model at no cost, with a quality only
# about .02 below that of our policy: the model that was best in training was lucky there, and a
# cheaper one is no worse on new texts. So most of what is saved against the best cloud model needs
# no policy; it is enough to know which edge model is good enough. What choosing per request adds is
# quality, with prefer="quality" and prefer="latency".
#
# ## The same, computed here
#
# If the outcomes are on this machine, they are imported, a third of the texts is held out once, and
# policies are fitted and replayed like those of notebook 4. One split scores only a few dozen
# texts, so expect other numbers than above, and wide intervals.

# %%
columns = {"query_id": "query_unit", "cost_usd": "cost_usd_est", "kind": "category"}
left_out = [
    ("domain", "ha-automations"),
    ("path_id", "qwen3-4b"),
    ("path_id", "qwen3-4b-instruct-2507-iq4-nl"),
]
shape = {"columns": columns, "exclude": left_out, "repeats": "mean", "heldout_share": 0.33}
trace = import_outcomes("long", file, **shape) if file.exists() else None

# %%
if trace:
    answers = trace.outcomes.groupby("query_id")["quality"].count().reindex(trace.query_ids)
    trace = trace.where(answers == len(trace.path_ids))
trace.source_line if trace else "not at hand"

# %%
names = ("ours", "knn", "matrix_factorisation", "threshold", "best_single")
slos = {
    "in 5 s": SLO(max_latency_s=5.0),
    "cost": SLO(prefer="cost"),
    "latency": SLO(prefer="latency"),
}
shown = ["quality", "quality_low", "quality_high", "cost_usd", "latency_s", "slo_violation_rate"]

# %%
if trace:
    train, heldout = trace.split("train"), trace.split("heldout")
    encoder = CachedEncoder(default_encoder())
    policies = [*(fit_policy(train, name, encoder=encoder) for name in names), "oracle"]
    unseen = encoder.encode(heldout.queries["text"].tolist())
    tables = {
        name: replay_all(policies, heldout, slo, embeddings=unseen) for name, slo in slos.items()
    }
    display(pd.concat(tables)[shown].round(4))  # noqa: F821

# %% [markdown]
# ## Beside other traces
#
# How does the gain here compare with the gain elsewhere? The table shows the quality of our policy
# minus that of the best single path, over each trace's grid of limits. `smart_home` and
# `automotive`, where they are in it, are the lab's own domains (`_crossed`: cross-validated over
# all queries); `pocket_…` are earlier ones of 340 paths, answered by very small models that this
# project once trained; the others were recorded elsewhere.

# %%
harm = records[records["metric"] == "quality_over_best_single"]
harm.set_index("trace")[["value", "ci_low", "ci_high"]].round(3)

# %% [markdown]
# **What we conclude.** On these requests the claim holds for mean time and mean cost. With
# `prefer="cost"` our policy takes a third of the best single model's cost, and with
# `prefer="latency"` half of its time, at about .02 more quality; the interval of that gain includes
# zero, and a free edge model saves as much money, as said above. Under limits, our policy is level
# with the best of the others, and few differences are settled once they are corrected for the
# number of policies: 138 different texts are few.
