"""Traces that stay in their file: what is read when, and that it says the same."""

import json
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace, memory, pareto_front, stored
from ecollm_lab.traces.stored import StoredTrace


@pytest.fixture(params=[2**20, 3], ids=["at once", "in small parts"])
def pair(request, tmp_path, monkeypatch):
    """A trace with gaps, in memory and in its file, with rows in no order."""
    monkeypatch.setattr(stored, "_ROWS", request.param)
    rng = np.random.default_rng(0)
    rows, columns = np.divmod(np.arange(60), 5)
    frame = pd.DataFrame(
        {
            "query_id": [f"q{i}" for i in rows],
            "path_id": [f"a/p-{j}" for j in columns],
            "quality": rng.random(60),
            "cost_usd": rng.random(60),
            "latency_s": np.where(rng.random(60) < 0.2, np.nan, rng.random(60)),
            "answer": [f"answer {i}" for i in range(60)],
        }
    ).sample(50, random_state=1)
    queries = pd.DataFrame({"query_id": [f"q{i}" for i in range(12)], "text": "", "kind": "k"})
    queries["split"] = np.where(np.arange(12) % 3 == 0, "heldout", "train")
    whole = Trace.from_frame(frame, queries, {"source": "recorded"})
    whole.save(tmp_path / "t.parquet")
    return whole, Trace.load(tmp_path / "t.parquet")


def same(one, other):
    assert one.query_ids == other.query_ids
    assert one.path_ids == other.path_ids
    for column in ("quality", "cost_usd", "latency_s", "tokens_in"):
        np.testing.assert_array_equal(one.array(column), other.array(column))
    pd.testing.assert_frame_equal(one.summary(), other.summary())


def test_a_stored_trace_says_what_the_table_says_without_reading_answers(pair):
    whole, lazy = pair
    assert isinstance(lazy, StoredTrace)
    same(whole, lazy)
    same(whole.split("train"), lazy.split("train"))
    middle = np.arange(8) < 5
    same(whole.split("train").where(middle), lazy.split("train").where(middle))
    assert "outcomes" not in vars(lazy)
    part = lazy.split("train")
    assert "outcomes" not in vars(part)
    pd.testing.assert_frame_equal(part.outcomes, whole.split("train").outcomes)
    pd.testing.assert_frame_equal(lazy.outcomes, whole.outcomes)
    same(whole, lazy)


def test_a_stored_trace_is_changed_and_sent_like_any_other(pair, tmp_path):
    whole, lazy = pair
    same(whole, pickle.loads(pickle.dumps(lazy)))
    lazy.outcomes.loc[:, "quality"] = 0.25
    assert np.nanmax(lazy.array("quality")) == 0.25
    assert np.nanmax(lazy.split("train").array("quality")) == 0.25


def test_a_file_that_takes_the_place_of_the_trace_is_not_read(pair, tmp_path):
    whole, lazy = pair
    Trace.from_frame(whole.outcomes.assign(quality=0.0)).save(tmp_path / "t.parquet")
    same(whole, lazy)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"quality": 1.5}, r"quality must be within \[0, 1\]; got 1.5 for \(q0, a\)"),
        ({"latency_s": -1.0}, "latency_s must be >= 0"),
        ({"path_id": None}, "must be given in every row"),
        ({"path_id": "a"}, r"pair \(q0, a\) occurs more than once"),
    ],
)
def test_a_fault_in_a_file_is_named_as_in_a_table(tmp_path, change, says):
    frame = pd.DataFrame({"query_id": "q0", "path_id": ["a", "b"], "quality": 0.5})
    Trace.from_frame(frame).save(tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet")
    faulty = pa.Table.from_pandas(table.to_pandas().assign(**change), preserve_index=False)
    pq.write_table(faulty.replace_schema_metadata(table.schema.metadata), tmp_path / "t.parquet")
    with pytest.raises(LabError, match=says):
        Trace.load(tmp_path / "t.parquet")


def test_ids_that_are_numbers_and_categories_that_nobody_has_are_read_too(tmp_path):
    frame = pd.DataFrame({"query_id": [7, 7, 3], "path_id": ["b", "a", "b"], "quality": 0.5})
    for ids in (frame["path_id"], pd.Categorical(frame["path_id"], categories=["z", "a", "b"])):
        table = pa.Table.from_pandas(frame.assign(path_id=ids))
        pq.write_table(table, tmp_path / "t.parquet")
        trace = Trace.load(tmp_path / "t.parquet")
        assert (trace.query_ids, trace.path_ids) == ([7, 3], ["b", "a"])
    table = pa.Table.from_pandas(frame.assign(path_id=ids, query_id=["q7", "q7", "q3"]))
    about = Trace.from_frame(frame.assign(query_id=["q7", "q7", "q3"]))
    about.save(tmp_path / "u.parquet")
    metadata = pq.read_schema(tmp_path / "u.parquet").metadata
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "t.parquet")
    trace = Trace.load(tmp_path / "t.parquet")
    assert isinstance(trace, StoredTrace)
    same(trace, about)


def test_what_is_larger_than_memory_is_refused_with_its_size(pair, monkeypatch):
    whole, lazy = pair
    monkeypatch.setattr(memory, "SMALL", 64)
    few = type("Memory", (), {"available": 100})
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: few)
    for trace in pair:
        with pytest.raises(
            LabError, match=r"quality of 12 queries × 5 paths needs 0\.0 GB.*trace\.where"
        ):
            trace.array("quality")
    with pytest.raises(LabError, match="all 50 outcomes"):
        _ = lazy.outcomes
    assert len(whole.summary()) == 5  # which needs no table of all queries and paths


def test_fronts_of_groups_of_queries_are_those_of_their_parts(pair):
    groups = np.arange(12) % 3
    for trace in pair:
        table = pareto_front(trace, groups)
        for group in range(3):
            mine = table[table["group"] == group].drop(columns="group").reset_index(drop=True)
            pd.testing.assert_frame_equal(mine, pareto_front(trace.where(groups == group)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda q: q[:1], "1 query ids have outcomes but no row in the queries table, e.g. 'q1'"),
        (lambda q: [{"text": ""}], "missing: query_id, kind, split"),
        (lambda q: [*q, {**q[0], "split": "heldout"}], "has q0 twice, and not the same"),
        (lambda q: [{**q[0], "text": None}, q[1]], "must give each query a text; q0 has none"),
    ],
)
def test_a_fault_in_the_queries_of_a_file_is_named(tmp_path, change, says):
    file = tmp_path / "t.parquet"
    frame = pd.DataFrame({"query_id": ["q0", "q1"], "path_id": "a", "quality": [0.5, 1.0]})
    Trace.from_frame(frame).save(file)
    table = pq.read_table(file)
    about = json.loads(table.schema.metadata[b"ecollm_lab"])
    about["queries"] = change(about["queries"])
    pq.write_table(table.replace_schema_metadata({b"ecollm_lab": json.dumps(about)}), file)
    with pytest.raises(LabError, match=says):
        Trace.load(file)


def test_queries_that_stand_twice_or_have_no_outcome_are_left_out(pair, tmp_path):
    whole, _ = pair
    more = [whole.queries, whole.queries.head(2), whole.queries.head(1).assign(query_id="unasked")]
    odd = Trace(whole.outcomes, pd.concat(more), whole.provenance)
    odd.save(tmp_path / "odd.parquet")
    trace = Trace.load(tmp_path / "odd.parquet")
    assert isinstance(trace, StoredTrace)
    same(whole, trace)


def test_a_file_without_rows_is_no_trace(tmp_path):
    file = tmp_path / "t.parquet"
    frame = pd.DataFrame({"query_id": ["q0"], "path_id": ["a"], "quality": [0.5]})
    Trace.from_frame(frame).save(file)
    pq.write_table(pq.read_table(file).slice(0, 0), file)
    with pytest.raises(LabError, match="at least one outcome; the table is empty"):
        Trace.load(file)
