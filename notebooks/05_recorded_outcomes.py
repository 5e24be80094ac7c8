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
# # 5 · Does the claim hold on requests real people make?
#
# **Question.** Choosing the path per query is said to cost or take far less than the best fixed model, at quality no lower. Notebooks 1 to 4 look
# at domains and models of this project's own making. Here are others': voice requests to smart homes, answered by 35 models, edge and cloud,
# recorded by the Home Assistant project ([home-assistant-datasets](https://github.com/allenporter/home-assistant-datasets), Apache-2.0).
#
# **Inputs.** The committed records of `python -m benchmarks.routing`. The outcomes themselves are not part of this project; where they are at
# hand (a folder named by `ECOLLM_LAB_RECORDED`), they are replayed here as well. **Run time** under a minute. **Cost** nothing.

# %%
import os
from pathlib import Path

import pandas as pd

from ecollm_lab import SLO, figures, fit_policy, import_outcomes, replay_all
from ecollm_lab.embed import CachedEncoder, default_encoder

records = pd.read_parquet("../data/benchmarks/routing.parquet")
one = records[records["trace"] == "homeassistant"]
file = Path(os.environ.get("ECOLLM_LAB_RECORDED", "../../shared/traces"), "homeassistant.parquet")
print("Recorded outcomes are", f"at hand: {file.name}" if file.exists() else "not at hand: committed records only")

# %% [markdown]
# ## Quality under limits
#
# Every policy predicted each request from requests with other texts (five folds by text). Limits lie at 95th percentiles of the models' cost and
# latency; at most 5 % of the choices may break one. Compare `ours` with `best_single`, the one model that is best within each limit, and look
# at how far away `oracle` is, who knows the outcomes.

# %%
columns = ["quality", "ci_low", "ci_high", "cost_usd", "latency_s", "latency_p95_s", "slo_violation_rate"]
one[one["slo"] == "grid"].set_index("policy")[columns].sort_values("quality", ascending=False).round(4)

# %% [markdown]
# The intervals overlap, but the policies answered the same requests, so their differences are known better than each one alone. Where an interval
# excludes zero, the difference is settled for requests like these.

# %%
paired = one[one["metric"].fillna("").str.startswith("quality_over_")]
paired.set_index("metric")[["value", "ci_low", "ci_high"]].round(3)

# %% [markdown]
# ## The claim: cheaper or faster at quality no lower
#
# Without limits, `prefer="cost"` and `prefer="latency"` may give up .02 of quality on average. Against the best single model, and against gpt-4.1
# as the cloud model one would take: how much quality is gained (above 0), and which share of its cost or time is left (below 1)?

# %%
claims = one[(one["policy"] == "ours") & one["against"].notna()]
claims.set_index(["prefer", "against", "metric"])[["value", "ci_low", "ci_high"]].round(3)

# %%
free = one[(one["slo"] == "none") & ~one["policy"].str.contains("ours_|gpt", na=True)]
free = free.assign(prefer="prefer_" + free["prefer"], quality_low=free["ci_low"], quality_high=free["ci_high"], regret=float("nan"))
figures.plot_policies(free, "recorded · homeassistant · 35 models, unseen texts · costs of edge models are not priced by the source")

# %% [markdown]
# Up and to the left is better. Free edge models are drawn at the left end of the axis or not at all: a logarithm has no zero.
#
# ## The same, live
#
# If the outcomes are at hand, they are imported, a third of the texts is held out once, and policies are fitted and replayed like those of notebook 4.
# One split scores a few dozen texts, so expect other numbers than above, and wide intervals.


# %%
def load(file):
    trace = import_outcomes(
        "long", file, columns={"query_id": "query_unit", "cost_usd": "cost_usd_est", "kind": "category"}, repeats="mean",
        exclude=[("domain", "ha-automations"), ("path_id", "qwen3-4b"), ("path_id", "qwen3-4b-instruct-2507-iq4-nl")], heldout_share=0.33,
    )  # fmt: skip
    return trace.where(trace.outcomes.groupby("query_id")["quality"].count().reindex(trace.query_ids) == len(trace.path_ids))


trace = load(file) if file.exists() else None
trace.source_line if trace else "not at hand"

# %%
if trace:
    encoder, train, heldout = CachedEncoder(default_encoder()), trace.split("train"), trace.split("heldout")
    fitted = [fit_policy(train, name, encoder=encoder) for name in ("ours", "knn", "matrix_factorisation", "threshold", "best_single")]
    slos = {"prefer_quality": SLO(max_latency_s=5.0), "prefer_cost": SLO(prefer="cost"), "prefer_latency": SLO(prefer="latency")}
    unseen = encoder.encode(heldout.queries["text"].tolist())
    tables = {prefer: replay_all([*fitted, "oracle"], heldout, slo, embeddings=unseen) for prefer, slo in slos.items()}
    live = figures.compute_policies(tables)
    display(live.set_index(["prefer", "policy"])[["quality", "quality_low", "quality_high", "cost_usd", "latency_s"]].round(4))  # noqa: F821

# %% [markdown]
# ## Other people's systems
#
# Is this peculiar to smart homes? The last rows are traces with nothing to gain, where a policy should at least do no harm: ours minus the best single
# path, over each trace's grid of limits.

# %%
harm = records[records["metric"] == "quality_over_best_single"]
harm.set_index("trace")[["value", "ci_low", "ci_high"]].round(3)
