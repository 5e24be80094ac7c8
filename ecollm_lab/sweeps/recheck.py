"""Measure a sample of a trace again."""

from __future__ import annotations

import numpy as np

from ecollm_lab.domains import Domain
from ecollm_lab.models import Catalog, ModelPool, default_encoder
from ecollm_lab.paths import Pipeline, read_path
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import full_id


def live_check(
    trace: Trace, domain: Domain, catalog: Catalog, n: int, seed: int
) -> dict[str, float]:
    """Measure `n` random outcomes of a trace anew and compare.

    Returns
    -------
    `n_outcomes`, `quality_agreement_rate` (share with the same quality), `answer_agreement_rate`,
    `latency_ratio_median` (measured now over measured then; another machine differs here), and
    `latency_rank_correlation`: Spearman's, of the mean latency of each path in the sample, then and
    now; NaN for fewer than two paths.

    """
    rng = np.random.default_rng(seed)
    then = trace.outcomes.iloc[
        np.sort(rng.choice(len(trace.outcomes), min(n, len(trace.outcomes)), replace=False))
    ]
    queries = {query.id: query for query in domain.queries}
    with ModelPool(catalog) as models:
        pipeline = Pipeline(domain, catalog, default_encoder(), models)
        now = {
            (outcome.query_id, outcome.path_id): outcome
            for query_id, part in then.groupby("query_id", sort=False)
            for outcome in pipeline.run(
                queries[str(query_id)], [read_path(path_id) for path_id in part["path_id"]]
            )
        }
    pairs = [(now[row.query_id, full_id(row.path_id)], row) for row in then.itertuples()]
    both = (
        then[["path_id", "latency_s"]]
        .assign(now_s=[o.latency_s for o, _ in pairs])
        .groupby("path_id")[["latency_s", "now_s"]]
        .mean()
    )
    return {
        "n_outcomes": len(now),
        "quality_agreement_rate": float(np.mean([o.quality == row.quality for o, row in pairs])),
        "answer_agreement_rate": float(np.mean([o.answer == row.answer for o, row in pairs])),
        "latency_ratio_median": float(np.median([o.latency_s / row.latency_s for o, row in pairs])),
        "latency_rank_correlation": (
            float(both["latency_s"].corr(both["now_s"], method="spearman"))
            if len(both) > 1
            else float("nan")
        ),
    }
