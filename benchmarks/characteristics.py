"""What a language model's answers to yes/no questions about a query are worth to a policy.

    python -m benchmarks.characteristics --json OUT [--parquet FILE] [--ask MODEL] [--traces NAME …]

Our policy looks at a domain's yes/no characteristics, which regular expressions answer. BRANE
(arXiv 2605.27361) lets a language model answer such questions. `--ask MODEL` asks a model of the
catalog, which runs on this machine on one thread, each of a domain's questions about each of its
training queries, and adds what it answers to `ANSWERS`; what is there already is not asked again.
The query comes first in every prompt, so that it is read once for all questions.

Policies are fitted on four fifths of the training queries and scored on the rest, in five folds
that leave out whole groups of related queries. `features` are what a policy sees:

- `embedding`: the embedding of the query alone;
- `general`: what our policy sees of a domain without questions of its own: the embedding and, where
  these lessen the inner error, answers of rules to general questions, and kinds of queries;
- `rules`: what our policy sees, with the answers of the domain's regular expressions;
- MODEL: the same with the answers of the model in their place, always beside the embedding: how
  probably it says yes to each question;
- `rules and MODEL`: both.

`charged`: whether the time and the cost of asking are added to every answer of a policy that asks.
Records: `quality` and `quality_if_kept`, in which an answer that breaks a limit scores 0, are means
over the routing benchmark's grid of SLOs, whose limits come from what the paths take without
asking; every policy is told what a violation costs, and of an SLO that no path keeps takes the path
that breaks it least often. `over_rules` is the difference to `rules`. `asking_s` and `asking_usd`
are what all questions about a query take and cost on average; `agreement` is how probably a query
of which the rule says yes has a higher probability than one of which it says no (ROC AUC, mean over
the questions). `low` and `high` are 95 % intervals of a bootstrap over groups of related queries.
"""

from __future__ import annotations

import argparse
import json
import re
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.characteristics_asked import ANSWERS, Asked, answered, ask
from benchmarks.routing import COST_OF_VIOLATION, N_FOLDS, encoder, folds_of, slo_grid
from benchmarks.routing_groups import together
from benchmarks.routing_scores import interval
from benchmarks.spaces import (
    keep,
    made_now,
    recorded,
    require_at_hand,
    require_whole,
    trace_file,
)
from ecollm_lab.files import write
from ecollm_lab.policies import Policy, fit_policy
from ecollm_lab.policies.replays import outcomes_of
from ecollm_lab.records import MOST_MATCHED
from ecollm_lab.study import DOMAINS, complete
from ecollm_lab.traces import Trace

Record = dict[str, Any]
METRICS = ("quality", "quality_if_kept")
# what is said of asking, a factor, and the digits
_ABOUT = {
    "asking_s": ("seconds a query", 1, ".1f"),
    "asking_usd": ("US dollars per 1,000 queries", 1000, ".3f"),
    "agreement": ("agreement with the rules (ROC AUC)", 1, ".2f"),
}


def policies(
    train: Trace, test: Trace, asked: list[Asked]
) -> Iterator[tuple[Record, Policy, Trace]]:
    """Yield what a policy sees, the policy fitted on the training part, and what it delivers."""
    told: Any = {"violation_cost": COST_OF_VIOLATION}
    plain, embeddings = encoder(), encoder().encode(train.queries["text"].tolist())
    for features, policy in (
        ("embedding", fit_policy(train, embeddings=embeddings, encoder=plain, **told)),
        ("general", fit_policy(without_questions(train), encoder=plain, **told)),
        ("rules", fit_policy(train, encoder=plain, **told)),
    ):
        yield {"features": features, "charged": False}, policy, test
    for one, charged in product(asked, (False, True)):
        seen, met = (one.charged(part) if charged else part for part in (train, test))
        knowing = one.encoder(train, test)
        instead = fit_policy(without_questions(seen), encoder=knowing, **told)
        yield {"features": one.model, "charged": charged}, instead, met
        beside = fit_policy(seen, encoder=knowing, **told)
        yield {"features": f"rules and {one.model}", "charged": charged}, beside, met


def without_questions(trace: Trace) -> Trace:
    """Return a trace of which policies ask the general questions alone."""
    about = {key: value for key, value in trace.provenance.items() if key != "characteristics"}
    return Trace.from_frame(trace.outcomes, trace.queries, about)


def outcomes(train: Trace, test: Trace, asked: list[Asked]) -> pd.DataFrame:
    """Return what each policy delivers on each query of the scoring part, mean over the SLOs."""
    slos, texts, rows = slo_grid(train), test.queries["text"].tolist(), []
    for about, policy, met in policies(train, test, asked):
        embedded, got = policy.embed(texts), []
        for slo in slos.values():
            with warnings.catch_warnings(action="ignore"):  # that no path keeps the limits
                decision = policy.decide(embedded, slo, infeasible="least_violating")
            done = outcomes_of(met, decision)
            kept = slo.keeps(done["cost_usd"].to_numpy(), done["latency_s"].to_numpy())
            got.append([done["quality"], done["quality"] * kept])
        means = dict(zip(METRICS, np.mean(got, axis=0), strict=True))
        rows.append(pd.DataFrame({**about, **means, "query_id": test.query_ids}))
    return pd.concat(rows, ignore_index=True)


def collect(name: str, asked: list[Asked], trace: Trace, seeds: int) -> pd.DataFrame:
    """Return what each policy delivers on each training query, in folds."""
    parts = []
    for seed in range(seeds):
        fold = folds_of(trace, N_FOLDS, seed)
        for f in range(N_FOLDS):
            found = outcomes(trace.where(fold != f), trace.where(fold == f), asked)
            parts.append(found.assign(seed=seed))
        print(f"{name}: fold seed {seed} of {seeds}", flush=True)
    return pd.concat(parts, ignore_index=True)


def records(frame: pd.DataFrame, trace: Trace) -> Iterator[Record]:
    """Yield the means of each policy, and how far they are above those of `rules`."""
    group = dict(zip(trace.query_ids, together(trace), strict=True))
    seen = {
        about: part.groupby("query_id", sort=False)[list(METRICS)].mean()
        for about, part in frame.groupby(["features", "charged"], sort=False)
    }
    rules = seen["rules", False]
    for (features, charged), own in seen.items():
        groups = own.index.map(group).to_numpy()
        for metric in METRICS:
            about = {"features": features, "charged": charged}
            for column, values in (
                (metric, own[metric]),
                (f"{metric}_over_rules", own[metric] - rules[metric].loc[own.index]),
            ):
                low, high = interval(values.to_numpy(), groups)
                one = {"metric": column, "value": values.mean(), "low": low, "high": high}
                yield about | one


def about_asking(asked: Asked, trace: Trace) -> Iterator[Record]:
    """Yield what asking takes and costs, and how far the answers agree with those of the rules."""
    from sklearn.metrics import roc_auc_score

    mean, areas = asked.spent.mean(), []
    for question, pattern in trace.provenance["characteristics"].items():
        rule = re.compile(pattern, re.IGNORECASE)
        found = [rule.search(text[:MOST_MATCHED]) is not None for text in trace.queries["text"]]
        if 0 < sum(found) < len(found):
            areas.append(roc_auc_score(found, asked.yes[question]))
    about = {"features": asked.model, "charged": False}
    yield about | {"metric": "asking_s", "value": mean["latency_s"]}
    yield about | {"metric": "asking_usd", "value": mean["cost_usd"]}
    if areas:
        yield about | {"metric": "agreement", "value": float(np.mean(areas))}


def markdown(frame: pd.DataFrame) -> str:
    """Return the tables: what the features are worth, and what asking takes; a column a trace."""
    titles = {
        "quality_over_rules": "quality over that of `rules`",
        "quality_if_kept_over_rules": "the same where a broken limit scores 0",
    }
    parts = []
    for metric, title in titles.items():
        part = frame[(frame["metric"] == metric) & (frame["features"] != "rules")]
        names = part["features"] + np.where(part["charged"], ", charged", "")
        cells = part.assign(
            name=names,
            text=[f"{r.value:+.3f} [{r.low:+.3f}, {r.high:+.3f}]" for r in part.itertuples()],
        )
        parts.append(_table(title, cells))
    asking = frame[frame["metric"].isin(_ABOUT)]
    if len(asking):
        names, told = [], []
        for row in asking.itertuples():
            name, factor, digits = _ABOUT[row.metric]
            names.append(f"{row.features}: {name}")
            told.append(f"{factor * row.value:{digits}}")
        parts.append(_table("asking", asking.assign(name=names, text=told)))
    return "\n\n".join([*parts, "\n".join(recorded(frame))])


def _table(title: str, cells: pd.DataFrame) -> str:
    """Return a row for each name, a column for each trace."""
    wide = cells.pivot_table(
        index="name", columns="trace", values="text", aggfunc="first", sort=False
    )
    lines = [f"| {title} | {' | '.join(wide.columns)} |", "|---" * (wide.shape[1] + 1) + "|"]
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in wide.fillna("–").iterrows()]
    return "\n".join(lines)


def main() -> None:
    """Ask if told to, then score, print the table and write the records."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--parquet", type=Path, help="too; other traces' rows stay there")
    parser.add_argument("--answers", type=Path, default=ANSWERS, help="what models answered")
    parser.add_argument("--ask", nargs="+", default=[], metavar="MODEL", help="of the catalog")
    parser.add_argument("--traces", nargs="+", default=list(DOMAINS))
    parser.add_argument("--seeds", type=int, default=5, help="of the folds")
    parser.add_argument("--quick", action="store_true", help="one seed of the folds")
    options = parser.parse_args()
    require_at_hand(options.traces, list(DOMAINS))
    require_whole(parser, options)
    if not options.ask and not options.answers.exists():
        parser.error(f"--answers: there is no file {options.answers}; --ask MODEL makes it")
    for name, model in product(options.traces, options.ask):
        ask(name, model, options.answers)
    found, made = [], made_now()
    for name in options.traces:
        trace = complete(Trace.load(trace_file(name))).split("train")
        asked = answered(trace, name, options.answers)
        frame = collect(name, asked, trace, 1 if options.quick else options.seeds)
        rows = [*records(frame, trace), *(row for one in asked for row in about_asking(one, trace))]
        found += [{"trace": name, **row, **made} for row in rows]
        write(json.dumps(found, indent=1) + "\n", options.json)
    table = pd.DataFrame(found)
    keep(table, options.parquet)
    print(markdown(table))


if __name__ == "__main__":
    main()
