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
# # 7 · Which path answers my question, and does it keep my limits?
#
# **Question.** The notebooks before looked outcomes up. Does a policy keep its promises when real
# models answer, and what changes when you drag the limits?
#
# **Inputs.** The three models of `data/models.toml`, two of them Coder variants of Qwen2.5
# (`ecollm-lab models fetch` brings them), and a policy fitted to the committed trace of the same
# models; the five questions are from the held-out split. **Run time** two to three minutes.
# **Cost** nothing: all models run on this machine. With a catalog and a trace of your own, change
# the two names in the next cell.

# %%
from contextlib import ExitStack

import pandas as pd

from ecollm_lab import SLO, Runtime, Trace, fit_policy, pareto_front
from ecollm_lab.domains import load_domain
from ecollm_lab.models import CachedEncoder, ModelPool, default_encoder, load_catalog
from ecollm_lab.paths import Pipeline

CATALOG, DOMAIN = "../data/models.toml", "smart_home"

# %% [markdown]
# The policy chooses among the paths on the training split's Pareto front: each of the others is
# beaten by one of them, and fewer paths need fewer models.

# %%
train = Trace.load(f"../data/traces/{DOMAIN}.parquet").split("train")
front = pareto_front(train)
best = train.outcomes["path_id"].isin(front.loc[front["on_front"], "path_id"])
chosen = Trace.from_frame(train.outcomes[best], train.queries, train.provenance)
encoder = CachedEncoder(default_encoder())
policy = fit_policy(chosen, encoder=encoder)
print(len(chosen.path_ids), "paths ·", train.source_line)

# %% [markdown]
# `Runtime(policy, pipeline)` answers with real models. They are opened now, so that the first
# questions do not wait for that.

# %%
exits = ExitStack()
catalog, domain = load_catalog(CATALOG), load_domain(DOMAIN)
models = exits.enter_context(ModelPool(catalog, persistent=True))
runtime = exits.enter_context(Runtime(policy, Pipeline(domain, catalog, encoder, models)))
runtime.warm_up()

# %% [markdown]
# ## Drag the limits while it answers
#
# The next cell shows the sliders and an empty table; the one after it asks five questions, one
# after the other. Drag a slider meanwhile: each question gets the limits that stand there when its
# turn comes, and the column *bound by* names the limit that kept a better path away. Where no path
# can keep the limits, the question is refused.

# %%
asked = domain.split("heldout")[::26]
board = runtime.board(asked[0].text)
board

# %%
board.ask(asked, pause_s=1.0)

# %% [markdown]
# An answer takes some seconds. The kernel notices a drag only while no cell runs, so run the next
# cell when the five are answered. It shows, for each answer, what was expected and what happened.

# %%
board.wait()
runtime

# %% [markdown]
# ## The same five questions under three SLOs
#
# Here no one drags, so the numbers can be compared. The limits are the medians of the outcomes on
# these paths, and the quality of an answer is graded by the facts that belong to its question.

# %%
tight_s, tight_usd = (chosen.outcomes[name].median() for name in ("latency_s", "cost_usd"))
slos = {
    "no limit": SLO(),
    f"latency ≤ {tight_s:.2g} s": SLO(max_latency_s=tight_s),
    f"cost ≤ {tight_usd:.2g} USD": SLO(max_cost_usd=tight_usd),
}
tables = []
for name, slo in slos.items():
    kept = [getattr(runtime.answer(query, slo), "kept", None) for query in asked]
    tables.append(runtime.recent().tail(len(asked)).assign(slo=name, kept=kept))

# %%
seen = pd.concat(tables)
columns = ["expected_quality", "quality", "expected_usd", "cost_usd", "expected_s", "latency_s"]
means = seen.groupby("slo", sort=False)[columns].mean()
kept = seen.groupby("slo", sort=False)["kept"].agg(lambda answers: answers.dropna().mean())
means.assign(kept=kept, refused=seen.groupby("slo", sort=False)["refused"].count())

# %%
exits.close()

# %% [markdown]
# Compare *expected* with what happened, and look down `expected_quality`: it says beforehand what
# tight limits cost. Five questions say little about quality: each is worth a fifth. Latencies
# differ from the trace where this machine is busier or faster than the one that measured it; the
# Runtime corrects its forecasts by the answers it sees, so that the next ones fit better. `kept` is
# the share of the answers that kept their limits; a question that no path can answer within them is
# refused instead of answered late. How `ecollm-lab serve` puts the same Runtime behind the API of
# OpenAI's clients is in [docs/serving.md](../docs/serving.md).
