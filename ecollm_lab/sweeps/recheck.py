"""Measure a sample of a trace again."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecollm_lab.domains import Domain
from ecollm_lab.models import Catalog, ModelPool, default_encoder
from ecollm_lab.paths import Pipeline, read_path
from ecollm_lab.records import LabError
from ecollm_lab.sweeps.provenance import provenance
from ecollm_lab.traces import Trace
from ecollm_lab.traces.path_ids import full_id


def live_check(
    trace: Trace, domain: Domain, catalog: Catalog, n: int, seed: int
) -> dict[str, float]:
    """Measure `n` random outcomes of a trace anew and compare; see `compare_outcomes`."""
    now = measure_again(trace, domain, catalog, n, seed)
    return compare_outcomes(trace.outcomes, now.outcomes)


def measure_again(trace: Trace, domain: Domain, catalog: Catalog, n: int, seed: int) -> Trace:
    """Measure `n` random outcomes of a trace anew, and return them as a trace of their own.

    Raises
    ------
    LabError
        If the domain lacks a query of the trace.

    """
    rng = np.random.default_rng(seed)
    then = trace.outcomes.iloc[
        np.sort(rng.choice(len(trace.outcomes), min(n, len(trace.outcomes)), replace=False))
    ]
    queries = {query.id: query for query in domain.queries}
    if strange := set(then["query_id"]) - set(queries):
        raise LabError(
            f"trace has {len(strange)} queries that the domain {domain.name!r} lacks, such as"
            f" {min(strange)!r}; give the domain that it was measured on."
        )
    encoder = default_encoder()
    with ModelPool(catalog) as models:
        pipeline = Pipeline(domain, catalog, encoder, models)
        now = [
            outcome
            for query_id, part in then.groupby("query_id", sort=False)
            for outcome in pipeline.run(
                queries[str(query_id)], [read_path(path_id) for path_id in part["path_id"]]
            )
        ]
    asked = trace.queries[trace.queries["query_id"].isin(then["query_id"])]
    return Trace.from_outcomes(now, asked, provenance(domain, catalog, encoder.name))


def compare_outcomes(then: pd.DataFrame, now: pd.DataFrame) -> dict[str, float]:
    """Compare outcomes with the same queries on the same paths, measured again.

    Parameters
    ----------
    then, now
        The outcomes of two traces; those of `now` are looked up in `then`.

    Returns
    -------
    `n_outcomes`, `quality_agreement_rate` (share with the same quality), `answer_agreement_rate`,
    `latency_ratio_median` (measured now over measured then; another machine differs here), and
    `latency_rank_correlation`: Spearman's, of the mean latency of each path in the sample, then and
    now; NaN for fewer than two paths.

    Raises
    ------
    LabError
        If an outcome of `now` is not in `then`.

    """
    pair = ["query_id", "path_id"]
    columns = [*pair, "quality", "answer", "latency_s"]
    one, other = (
        frame[columns].assign(path_id=frame["path_id"].map(full_id)) for frame in (then, now)
    )
    both = one.merge(other, on=pair, suffixes=("", "_now"))
    if len(both) < len(other):
        raise LabError(
            f"{len(other) - len(both)} of {len(other)} outcomes that were measured again are not in"
            " the trace; it must be the trace that they were drawn from."
        )
    latency = both.groupby("path_id")[["latency_s", "latency_s_now"]].mean()
    return {
        "n_outcomes": len(both),
        "quality_agreement_rate": float((both["quality"] == both["quality_now"]).mean()),
        "answer_agreement_rate": float((both["answer"] == both["answer_now"]).mean()),
        "latency_ratio_median": float((both["latency_s_now"] / both["latency_s"]).median()),
        "latency_rank_correlation": (
            float(latency["latency_s"].corr(latency["latency_s_now"], method="spearman"))
            if len(latency) > 1
            else float("nan")
        ),
    }
