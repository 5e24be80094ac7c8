"""What retrieval says of a query before a model answers."""

import numpy as np
import pytest

from ecollm_lab.paths import Pipeline, compute_evidence
from ecollm_lab.paths.sources import Indexes, Sources
from ecollm_lab.records import Outcome, Passage
from ecollm_lab.sweeps.provenance import queries_frame
from ecollm_lab.traces import Trace
from tests.paths.test_pipeline import CATALOG
from tests.support.lamps import a_domain


class Numbers:
    """Embeds a text as the number it ends with."""

    name = "numbers"

    def encode(self, texts):
        return np.array([[float(text.split()[-1])] for text in texts])


def passages(*texts, source="manual"):
    return [Passage(f"p{i}", "t", source, text) for i, text in enumerate(texts)]


def test_scores_margins_and_agreement_by_hand():
    found = passages("lamp .2", "lamp pump .9", "x .5", "x .4", "x .3", "x .1", "x .05")
    sources = Sources(Indexes(found, Numbers()), lambda text: np.array([2.0]))
    evidence = compute_evidence(sources, "lamp")
    assert evidence["evidence_dense_top"] == pytest.approx(1.8)
    assert evidence["evidence_dense_margin"] == pytest.approx(2 * (0.9 - 0.5))
    assert evidence["evidence_dense_spread"] == pytest.approx(2 * (0.9 - 0.1))
    scores = sources.lexical_scores("lamp")
    assert evidence["evidence_bm25_top"] == pytest.approx(scores[0])
    assert evidence["evidence_bm25_margin"] == pytest.approx(scores[0] - scores[1])
    assert evidence["evidence_bm25_spread"] == pytest.approx(scores[0])
    assert evidence["evidence_same_first"] == 0.0  # BM25 prefers the shorter text
    assert evidence["evidence_overlap"] == 1.0  # both leave the last one out


def test_a_domain_of_one_passage_has_evidence_too():
    sources = Sources(
        Indexes(passages("lamp 1", source="notes"), Numbers()), lambda text: np.ones(1)
    )
    evidence = compute_evidence(sources, "zzz")
    assert evidence["evidence_first_source"] == "notes"
    assert evidence["evidence_bm25_top"] == 0.0
    assert evidence["evidence_dense_margin"] == 1.0


def test_the_queries_table_of_a_trace_carries_it(domain, encoder, tmp_path):
    pipeline = Pipeline(domain, CATALOG, encoder, {})
    table = queries_frame(domain.queries, pipeline.evidence(domain.queries))
    assert table["evidence_first_source"].isin(["manual", "notes"]).all()
    assert (table["evidence_bm25_top"] > 0).all()
    outcomes = [outcome(query.id) for query in domain.queries]
    trace = Trace.from_outcomes(outcomes, table, {"source": "measured"})
    trace.save(tmp_path / "t.parquet")
    again = Trace.load(tmp_path / "t.parquet").queries
    assert again["evidence_dense_top"].tolist() == table["evidence_dense_top"].tolist()


def test_the_queries_table_tells_wordings_only_where_queries_differ_in_them():
    mixed = a_domain().queries
    assert queries_frame(mixed)["wording"].tolist() == [query.wording for query in mixed]
    alike = [query for query in mixed if query.wording == "template"]
    assert "wording" not in queries_frame(alike)


def outcome(query_id):
    return Outcome(query_id, "none/none/none/plain/s", 1.0, 0.0, 0.1, 1, 1)
