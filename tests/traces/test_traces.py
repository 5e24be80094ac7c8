from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecollm_lab.paths import read_space
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace
from tests.conftest import make_trace

FRAME = pd.DataFrame(
    {
        "query_id": ["a", "a", "b"],
        "path_id": ["x", "y", "x"],
        "quality": [1.0, 0.5, 0.0],
        "cost_usd": 1e-6,
        "latency_s": 0.1,
    }
)


def test_arrays_are_dense_with_nan_where_nothing_was_measured():
    trace = Trace.from_frame(FRAME)
    assert trace.query_ids == ["a", "b"]
    assert trace.path_ids == ["x", "y"]
    np.testing.assert_array_equal(trace.array("quality"), [[1.0, 0.5], [0.0, np.nan]])


def test_a_trace_survives_the_disk_with_its_queries_and_provenance(tmp_path):
    trace = make_trace([[1, 0.5], [0, 1]], 1e-6, 0.2)
    trace.save(tmp_path / "deep/t.parquet")
    again = Trace.load(tmp_path / "deep/t.parquet")
    pd.testing.assert_frame_equal(again.outcomes, trace.outcomes)
    pd.testing.assert_frame_equal(again.queries, trace.queries)
    assert again.provenance == trace.provenance
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["t.parquet"]


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (FRAME.drop(columns="quality"), "missing: quality"),
        (FRAME.iloc[:0], "at least one outcome"),
        (FRAME.assign(quality=1.5), r"quality must be within \[0, 1\]; got 1.5 for \(a, x\)"),
        (FRAME.assign(latency_s=-1.0), "latency_s must be >= 0"),
        (FRAME.assign(quality="good"), "quality must be"),
        (FRAME.assign(latency_s=5e-324), "latency_s must be >= 0 .0 or from 1e-15"),
        (FRAME.assign(cost_usd=1e308), "cost_usd must be >= 0 .0 or from 1e-15"),
        (FRAME.assign(query_id=[[1], [1], [2]]), r"query_id must be texts or numbers, got \[1\]"),
        (pd.concat([FRAME, FRAME.tail(1)]), r"pair \(b, x\) occurs more than once"),
        (pd.concat([FRAME, FRAME["quality"]], axis=1), "'quality' occurs more than once"),
        (
            FRAME.assign(latency_s=pd.to_timedelta([1, 2, 3], unit="s")),
            r"latency_s must hold numbers, got timedelta.*outcomes\['latency_s'\]\.dt\.total_sec",
        ),
        (FRAME.assign(cost_usd=pd.Timestamp("2025-01-01")), "cost_usd must hold numbers, got date"),
    ],
)
def test_a_bad_table_says_what_is_wrong(frame, says):
    with pytest.raises(LabError, match=says):
        Trace.from_frame(frame)


def test_unknown_queries_sources_and_columns_are_errors():
    queries = pd.DataFrame({"query_id": ["a"], "text": "", "kind": "k", "split": "train"})
    with pytest.raises(LabError, match="1 query ids have outcomes but no row"):
        Trace.from_frame(FRAME, queries)
    with pytest.raises(LabError, match="measured, recorded; got 'imagined'"):
        Trace.from_frame(FRAME, provenance={"source": "imagined"})
    with pytest.raises(LabError, match="column must be one of"):
        Trace.from_frame(FRAME).array("speed")
    with pytest.raises(LabError, match=r"split 'heldout'; its splits are \['train'\]"):
        Trace.from_frame(FRAME).split("heldout")


def test_loading_garbage_or_nothing_is_an_error(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 not really")
    for name in ("t.parquet", "none.parquet"):
        with pytest.raises(LabError, match="Cannot read the trace") as told:
            Trace.load(tmp_path / name)
        assert str(told.value).count(str(tmp_path)) == 1
    assert "the file does not exist. In its folder: t.parquet." in str(told.value)
    with pytest.raises(LabError, match=r"does not exist\.$"):
        Trace.load(tmp_path / "nowhere/none.parquet")


def test_queries_are_taken_from_the_outcomes_where_they_are_spelt_there():
    told = FRAME.assign(
        text=["one", "one", "two"],
        kind=[None, "lookup", None],
        split=pd.Categorical(["train", "train", "heldout"]),
    )
    trace = Trace.from_frame(told.iloc[::-1])
    assert trace.queries.to_dict("split")["data"] == [
        ["b", "two", "unknown", "heldout"],
        ["a", "one", "lookup", "train"],
    ]
    assert trace.split("heldout").query_ids == ["b"]
    assert Trace.from_frame(FRAME).queries["split"].tolist() == ["train", "train"]
    given = pd.DataFrame({"query_id": ["a", "b"], "text": "given", "kind": "k", "split": "train"})
    assert set(Trace.from_frame(told, given).queries["text"]) == {"given"}
    with pytest.raises(LabError, match=r"each query one split; got 'train', 'heldout' for a\."):
        Trace.from_frame(told.assign(split=["train", "heldout", "train"]))


def test_the_input_frame_is_not_changed():
    frame = FRAME.copy()
    trace = Trace.from_frame(frame)
    trace.outcomes.loc[0, "quality"] = 0.0
    pd.testing.assert_frame_equal(frame, FRAME)


@pytest.mark.parametrize("name", ["smart_home", "automotive"])
def test_the_committed_traces_are_measured_and_hold_whole_queries_of_the_shipped_domains(name):
    from ecollm_lab.domains import load_domain
    from ecollm_lab.models import load_catalog

    trace, domain = Trace.load(f"data/traces/{name}.parquet"), load_domain(f"data/{name}")
    assert trace.provenance["source"] == "measured"
    assert trace.provenance["domain_digest"] == domain.digest
    assert not np.isnan(trace.array("quality")).any()
    space = read_space("data/space.toml", load_catalog("data/models.toml"))
    assert set(trace.path_ids) <= {path.id for path in space}
    assert len(trace.path_ids) >= 36
    assert set(trace.query_ids) <= {query.id for query in domain.queries}
    assert set(trace.queries["kind"]) == {query.kind for query in domain.queries}


@pytest.mark.parametrize("name", ["smart_home", "automotive"])
def test_no_path_of_the_committed_traces_is_best_for_every_kind(name):
    trace = Trace.load(f"data/traces/{name}.parquet")
    best = []
    for kind in set(trace.queries["kind"]):
        quality = trace.where(trace.queries["kind"] == kind).array("quality").mean(axis=0)
        best.append(set(np.flatnonzero(quality >= quality.max() - 1e-12)))
    assert not set.intersection(*best)


@pytest.mark.parametrize("name", ["smart_home", "automotive"])
def test_quality_in_the_committed_traces_is_what_grading_says(name):
    from ecollm_lab.domains import grade, load_domain

    queries = {query.id: query for query in load_domain(f"data/{name}").queries}
    sample = Trace.load(f"data/traces/{name}.parquet").outcomes.sample(1000, random_state=0)
    assert [grade(queries[r.query_id], r.answer) for r in sample.itertuples()] == sample[
        "quality"
    ].tolist()


def test_the_outcomes_of_a_path_and_ids_stay_text(measured, tmp_path):
    path_id = measured.path_ids[5]
    mine = measured.of_path(path_id)
    assert mine.equals(measured.outcomes[measured.outcomes["path_id"] == path_id])
    assert [str(measured.outcomes[name].dtype) for name in ("query_id", "path_id")] == [
        "str",
        "str",
    ]
    coded = Trace.from_frame(
        measured.outcomes.astype({"path_id": "category"}), measured.queries, measured.provenance
    )
    assert coded.path_ids == measured.path_ids
    assert coded.outcomes["path_id"].equals(measured.outcomes["path_id"])
    with pytest.raises(LabError, match="path_id must be one of"):
        measured.of_path("x")
    gone = measured.outcomes.head(3).assign(path_id=["a", None, "b"])
    with pytest.raises(LabError, match="must be given in every row"):
        Trace.from_frame(gone, measured.queries)


def test_what_was_not_recorded_needs_no_column():
    trace = Trace.from_frame(FRAME[["query_id", "path_id", "quality"]])
    for column in ("cost_usd", "latency_s", "tokens_in", "tokens_out"):
        assert np.isnan(trace.array(column)).all()
    assert trace.array("quality")[0].tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    "description",
    [
        b"{",
        b"[" * 100_000,
        b"\xff\xfe",
        b"[1]",
        b'{"provenance": 3}',
        b'{"queries": 7}',
        b'{"queries": "abc"}',
    ],
)
def test_a_damaged_description_is_a_message(tmp_path, description):
    file = tmp_path / "t.parquet"
    table = pa.Table.from_pandas(FRAME).replace_schema_metadata({b"ecollm_lab": description})
    pq.write_table(table, file)
    with pytest.raises(LabError, match=r"queries table needs|its description"):
        Trace.load(file)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"split": ["train", "train", "heldout"]}, "has b twice, and not the same: .*'heldout'"),
        ({"text": ["one", None, "two"]}, r"a text; b has none\. Fill it in"),
        ({"kind": [None, "k", "k"]}, "a kind; a has none"),
        ({"split": ["train", "train", np.nan]}, "a split; b has none"),
        ({"query_id": [["a"], "b", "b"]}, r"query_id must be texts or numbers, got \['a'\]"),
    ],
)
def test_queries_that_say_two_things_or_nothing_are_refused(change, says):
    queries = pd.DataFrame(
        {"query_id": ["a", "b", "b"], "text": "t", "kind": "k", "split": "train"}
    )
    assert Trace.from_frame(FRAME, queries).query_ids == ["a", "b"]
    with pytest.raises(LabError, match=says):
        Trace.from_frame(FRAME, queries.assign(**change))


def test_a_column_without_numbers_is_no_array():
    with pytest.raises(LabError, match="column must be one of numbers; answer holds others"):
        Trace.from_frame(FRAME.assign(answer="yes")).array("answer")


@pytest.mark.parametrize("odd", [date(2025, 1, 1), np.float32(1), {1}])
def test_what_json_cannot_hold_is_a_message_and_nothing_is_written(tmp_path, odd):
    trace = Trace.from_frame(FRAME, provenance={"source": "recorded", "measured_at": odd})
    with pytest.raises(LabError, match="its provenance do not fit into JSON"):
        trace.save(tmp_path / "t.parquet")
    assert not list(tmp_path.iterdir())


def test_a_wrong_path_is_answered_with_a_few(measured):
    with pytest.raises(LabError, match=r"one of the \d+ in trace\.path_ids") as error:
        measured.of_path("typo")
    assert str(error.value).count("/") < 20


@pytest.mark.parametrize("name", ["~nosuchuser/t.parquet", "a\0b.parquet"])
def test_a_name_that_no_file_can_have_is_a_message(name):
    with pytest.raises(LabError, match="it names no file"):
        Trace.from_frame(FRAME).save("")
    trace = Trace.from_frame(FRAME)
    for use in (Trace.load, trace.save):
        with pytest.raises(LabError, match="cannot be the name of a file"):
            use(name)


def test_what_parquet_cannot_hold_is_a_message_and_leaves_the_old_file(tmp_path):
    file = tmp_path / "t.parquet"
    Trace.from_frame(FRAME).save(file)
    before = file.read_bytes()
    for odd in (["\ud83d", "b", "c"], [{1}, "b", 2.0], [2**70, 1, 2], [{}, {}, {}]):
        trace = Trace.from_frame(FRAME.assign(answer=pd.Series(odd, dtype=object)))
        with pytest.raises(LabError, match="do not fit into Parquet"):
            trace.save(file)
    assert file.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["t.parquet"]


def test_a_mask_in_another_order_is_refused():
    trace = Trace.from_frame(FRAME)
    mask = pd.Series([True, False], index=[1, 0])
    with pytest.raises(LabError, match=r"must have the index of trace\.queries, in its order"):
        trace.where(mask)
    assert trace.where(mask.sort_index()).query_ids == ["b"]
    assert trace.where(pd.Series([True, False], index=["a", "b"])).query_ids == ["a"]


@pytest.mark.parametrize(
    "mask",
    [
        [True],
        [0, 2],
        ["a", "b"],
        np.ones((2, 1), dtype=bool),
        [1, 0],
        [True, pd.NA],
        pd.Series([True, None], dtype="boolean"),
    ],
)
def test_a_mask_that_is_none_is_refused(mask):
    trace = Trace.from_frame(FRAME)
    with pytest.raises(LabError, match="True or False for each of the 2 queries"):
        trace.where(mask)
    assert trace.where(np.array([True, False], dtype=object)).query_ids == ["a"]


@pytest.mark.parametrize("groups", [[0], [0, -1], [0.0, 1.0], [[0, 1]]])
def test_groups_that_are_none_are_refused(groups):
    with pytest.raises(LabError, match="whole number >= 0 for each of the 2 queries"):
        Trace.from_frame(FRAME).summary(groups)


def test_groups_may_have_any_numbers():
    table = Trace.from_frame(FRAME).summary(np.array([10**12, 0]))
    assert table[["group", "path_id", "quality"]].to_numpy().tolist() == [
        [0, "x", 0.0],
        [10**12, "x", 1.0],
        [10**12, "y", 0.5],
    ]
