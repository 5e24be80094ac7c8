"""A sample of a trace is measured again on the domain that it was measured on."""

from dataclasses import replace

import pandas as pd
import pytest

from ecollm_lab.models import Catalog, ModelPool, load_catalog
from ecollm_lab.paths import Pipeline, read_path
from ecollm_lab.records import LabError
from ecollm_lab.sweeps import live_check
from ecollm_lab.sweeps.recheck import measure_again
from ecollm_lab.traces import Trace
from tests.conftest import SMALL, LetterEncoder, make_trace
from tests.support import rig


def test_another_domain_is_refused_before_anything_is_opened():
    trace = make_trace([[0.5, 1.0]] * 4, 1e-6, 0.1)
    other = rig.domain(1)
    with pytest.raises(LabError, match=r"trace has 4 queries .* 'scripted' lacks, such as 'q0'"):
        measure_again(trace, other, Catalog({}, 0.0, "2026-01-01", "here", ""), 8, 0)


def test_a_live_check_finds_the_same_answers_and_notices_another_grade(domain, monkeypatch):
    monkeypatch.setattr("ecollm_lab.sweeps.recheck.default_encoder", LetterEncoder)
    catalog = load_catalog("tests/data/models.toml")
    paths = [read_path(f"none/{found}/none/plain/{SMALL}") for found in ("none", "bm25-1")]
    with ModelPool(catalog) as models:
        pipeline = Pipeline(domain, catalog, LetterEncoder(), models)
        measured = [one for query in domain.queries for one in pipeline.run(query, paths)]
    about = {"source": "measured", "domain": domain.name, "domain_digest": domain.digest}
    rows = [(q.id, q.text, q.kind, q.split) for q in domain.queries]
    asked = pd.DataFrame(rows, columns=["query_id", "text", "kind", "split"])
    trace = Trace.from_outcomes(measured, asked, about)
    found = live_check(trace, domain, catalog, 4, seed=0)
    assert (found["n_outcomes"], found["quality_agreement_rate"]) == (4, 1.0)
    assert found["answer_agreement_rate"] == 1.0
    assert found["latency_ratio_median"] > 0
    wrong = trace.outcomes["quality"].where(trace.outcomes.index > 0, 0.5)
    other = replace(trace, outcomes=trace.outcomes.assign(quality=wrong))
    assert live_check(other, domain, catalog, 4, seed=0)["quality_agreement_rate"] == 0.75
