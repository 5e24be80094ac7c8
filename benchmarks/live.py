"""What real answers keep of their limits, and how far forecasts are from what happens.

`python -m benchmarks.live --json OUT.json [--catalog FILE] [--domain NAME] [--questions N]`

A policy is fitted to the training split of a domain's trace; a Runtime then answers held-out
questions with the models of a catalog, one after another, under the study's three SLOs. All
answers stand in OUT.parquet, and OUT.html shows predicted against actual quality and latency.

- `kept_share`: the share of answers that kept their limits. Its bound is 0.95 less the margin by
  which so many answers may fall short of it by chance: 1.645 standard deviations of a binomial.
- `refused_share`: questions that were refused, because no path was expected to keep the limits.
- `quality`, `quality_predicted`: means over the answers.
- `latency_ratio`: actual ÷ predicted latency, at the median.
- `cost_ratio`, `cloud_quality`: mean cost ÷ that of always asking the best path of the cloud, as
  the trace recorded it for the same questions, and the quality recorded there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ecollm_lab.domains import load_domain
from ecollm_lab.files import write
from ecollm_lab.models import CachedEncoder, ModelPool, default_encoder, load_catalog
from ecollm_lab.paths import Pipeline
from ecollm_lab.policies import fit_policy
from ecollm_lab.policies.slos import study_slos
from ecollm_lab.records import SLO, Query
from ecollm_lab.serving import Answer, Runtime
from ecollm_lab.traces import Trace

TARGET, MARGIN_SD = 0.95, 1.645
COLUMNS = (
    "slo query_id path_id quality kept latency_s cost_usd predicted_quality predicted_latency_s"
    " predicted_cost_usd attempts refused"
)


def answered(runtime: Runtime, questions: Sequence[Query], name: str, slo: SLO) -> pd.DataFrame:
    """Ask questions one after another; return a row for each, refused ones without a path."""
    rows = []
    for query in questions:
        result = runtime.answer(query, slo)
        row: dict[str, Any] = {"slo": name, "query_id": query.id, "attempts": len(result.attempts)}
        row |= {"latency_s": result.latency_s, "cost_usd": result.cost_usd}
        if isinstance(result, Answer):
            row |= {
                "path_id": result.path_id,
                "quality": result.quality,
                "kept": result.kept,
                "predicted_quality": result.expected.quality,
                "predicted_latency_s": result.expected.latency_s,
                "predicted_cost_usd": result.expected.cost_usd,
            }
        else:
            row["refused"] = result.reason.name.lower()
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS.split())


def cloud_outcomes(train: Trace, heldout: Trace, questions: Sequence[Query]) -> pd.DataFrame:
    """Return the recorded outcomes of always asking the best cloud path, for these questions."""
    policy = fit_policy(train, "cloud_only")
    path_id = policy.select([questions[0].text], SLO(), infeasible="least_violating")[0]
    return heldout.of_path(path_id).set_index("query_id").loc[[q.id for q in questions]]


def records_of(frame: pd.DataFrame, cloud: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the records of all answers, by SLO."""
    records = []
    for name, part in frame.groupby("slo", sort=False):
        answers = part[part["path_id"].notna()]
        n = len(answers)
        values = {
            "refused_share": 1 - n / len(part),
            "quality": answers["quality"].mean(),
            "quality_predicted": answers["predicted_quality"].mean(),
            "latency_ratio": (answers["latency_s"] / answers["predicted_latency_s"]).median(),
            "cost_ratio": answers["cost_usd"].mean()
            / cloud.loc[answers["query_id"], "cost_usd"].mean(),
            "cloud_quality": cloud.loc[answers["query_id"], "quality"].mean(),
        }
        size = {"slo": name, "questions": len(part)}
        if n:
            least = TARGET - MARGIN_SD * sqrt(TARGET * (1 - TARGET) / n)
            kept = {"metric": "kept_share", "value": float(answers["kept"].astype(bool).mean())}
            records.append({**kept, "at_least": round(least, 6), **size})
        records += [{"metric": key, "value": float(v), **size} for key, v in values.items()]
    return records


def figure_of(frame: pd.DataFrame, source: str) -> go.Figure:
    """Return predicted against actual: quality in tenths of the forecast, latency by answer."""
    answers = frame[frame["path_id"].notna()]
    figure = make_subplots(cols=2, subplot_titles=["quality", "latency (s)"])
    tenths = answers.groupby((answers["predicted_quality"] * 10).round() / 10)["quality"]
    means, sizes = tenths.mean(), tenths.count()
    figure.add_scatter(
        x=means.index,
        y=means,
        text=[f"{n} answers" for n in sizes],
        mode="markers",
        marker={"size": 6 + np.sqrt(sizes)},
        name="mean of a tenth",
        col=1,
        row=1,
    )
    for name, part in answers.groupby("slo", sort=False):
        points = {"x": part["predicted_latency_s"], "y": part["latency_s"], "name": name}
        figure.add_scatter(**points, text=part["path_id"], mode="markers", col=2, row=1)
    latencies = answers[["predicted_latency_s", "latency_s"]].to_numpy()
    low, high = latencies.min(), latencies.max()
    for col, ends in ((1, [0, 1]), (2, [low, high])):
        line = {"dash": "dot", "color": "grey"}
        figure.add_scatter(x=ends, y=ends, line=line, mode="lines", name="equal", col=col, row=1)
    figure.update_xaxes(title="predicted")
    figure.update_yaxes(title="actual")
    figure.update_xaxes(type="log", col=2)
    figure.update_yaxes(type="log", col=2)
    return figure.update_layout(title=f"Predicted against actual · {source}")


def run(catalog_file: Path, domain_name: str, n: int) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Answer n held-out questions under each SLO; return answers, the cloud's outcomes, source."""
    trace = Trace.load(f"data/traces/{domain_name}.parquet")
    train, heldout = trace.split("train"), trace.split("heldout")
    encoder, domain = CachedEncoder(default_encoder()), load_domain(domain_name)
    catalog, known = load_catalog(catalog_file), set(heldout.query_ids)
    all_of = [query for query in domain.split("heldout") if query.id in known]
    questions = [all_of[i] for i in np.linspace(0, len(all_of) - 1, n).round().astype(int)]
    policy, parts = fit_policy(train, encoder=encoder), []
    with ModelPool(catalog, persistent=True) as models:
        pipeline = Pipeline(domain, catalog, encoder, models)
        for name, slo in study_slos(train).items():
            with Runtime(policy, pipeline) as runtime:
                runtime.warm_up()
                parts.append(answered(runtime, questions, name, slo))
    return pd.concat(parts), cloud_outcomes(train, heldout, questions), heldout.source_line


def main() -> None:
    """Run, write the answers, the records and the figure, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--catalog", type=Path, default=Path("data/models_real.toml"))
    parser.add_argument("--domain", default="smart_home")
    parser.add_argument("--questions", type=int, default=100)
    args = parser.parse_args()
    frame, cloud, source = run(args.catalog, args.domain, args.questions)
    records = [{**row, "domain": args.domain} for row in records_of(frame, cloud)]
    write(json.dumps(records, indent=1) + "\n", args.json)
    frame.to_parquet(args.json.with_suffix(".parquet"))
    page = figure_of(frame, source).to_html(config={"displaylogo": False})
    write(page, args.json.with_suffix(".html"))
    for row in records:
        aim = f"   aim at least {row['at_least']:.3f}" if "at_least" in row else ""
        print(f"{row['slo']:16} {row['metric']:18} {row['value']:10.4f}{aim}")


if __name__ == "__main__":
    main()
