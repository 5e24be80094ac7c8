"""The benchmark of fitting and deciding: what it fits, and its table by hand."""

import numpy as np
import pytest

from benchmarks import decision
from ecollm_lab.records import SLO


@pytest.fixture(scope="module")
def fitted():
    """A small space, and what is fitted on it."""
    trace, seen, unseen = decision.trace_of(400)
    names = ("ours", decision.FROM_TEXTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decision, "FITTED", names[:1])
        found = {name: rest for name, *rest in decision.fit(trace, seen, unseen, 1)}
    return trace, unseen, found


def test_ours_is_fitted_on_embeddings_and_on_texts_and_decides_on_what_it_looked_at(fitted):
    trace, unseen, found = fitted
    assert len(trace.path_ids) == 350
    assert set(found) == {"ours", "ours_from_texts"}
    (given, _, same), (read, spent, wide) = found["ours"], found["ours_from_texts"]
    assert (given.reads_text, read.reads_text) == (False, True)
    assert same is unseen
    assert len(wide) == len(unseen)
    assert wide.shape[1] > unseen.shape[1]  # characteristics beside the embedding
    assert spent > 0
    assert read.select(wide[:1], SLO())[0] in trace.path_ids


def test_texts_are_never_asked_twice():
    texts = [text for times in (0, 1) for text in decision.asked(1000, times)[0]]
    assert len(set(texts)) == 2000


def test_records_of_ours_alone_have_aims():
    assert decision.record("ours_from_texts", "fit_s", 1.0)["at_most"] == 2.0
    assert decision.record("ours", "p50_us", 1.0)["at_most"] == 20.0
    assert "at_most" not in decision.record("knn", "fit_s", 1.0)


def test_the_table_has_a_row_for_each_policy_and_dashes_for_what_is_not_measured():
    about = {"paths": 350, "queries": 2000, "measured_at": "2026-01-01", "git_revision": "x"}
    values = {"fit_s": 1.5, "decisions_per_s": 250_000.0, "p50_us": 14.0, "p99_us": 40.0}
    rows = [decision.record("ours", *one) for one in values.items()]
    rows += [decision.record("peer", "p50_us", 99.0), decision.record("peer", "p99_us", 100.0)]
    rows.append(decision.record("ours", "end_to_end_p50_us", 9000.0, encoder="small"))
    text = decision.markdown([{**row, **about} for row in rows])
    assert text.startswith("| 2,000 queries × 350 paths | fit, s |")
    assert "| ours | 1.50 | 14.0 | 40.0 | 250,000 |" in text
    assert "| peer | – | 99.0 | 100.0 | – |" in text
    assert "9.0 ms with `small`" in text
    assert "`fit_s` ≤ 2" in text


def test_what_is_known_is_looked_up():
    known = decision.Known(["a", "b"], np.eye(2))
    assert known.encode(["b", "a"]).tolist() == [[0, 1], [1, 0]]
