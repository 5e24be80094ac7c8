import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecollm_lab.records import LabError
from ecollm_lab.traces import import_outcomes
from ecollm_lab.traces.path_ids import placements
from tests.support.recorded import DATA, SAMPLE, frame, outcome, write


def test_long_reads_a_mapped_table_as_it_stands():
    trace = import_outcomes("long", DATA / "long.csv", columns=SAMPLE)
    assert trace.query_ids == ["007", "008", "009"]
    np.testing.assert_array_equal(trace.array("quality"), [[0.5, 1], [np.nan, 1], [0, 1]])
    assert np.isnan(outcome(trace, "008", "big").latency_s)
    assert trace.queries["text"].tolist() == [
        "hall light off",
        "=cmd|' /C x'!A0 <script>",
        "lås dörren",
    ]
    assert trace.queries["kind"].tolist() == ["lights", "lights", "locks"]
    assert trace.queries["split"].tolist() == ["train", "train", "heldout"]
    p = trace.provenance
    assert p["source"] == "recorded"
    assert (p["format"], p["file"], p["split"], p["rows_read"]) == (
        "long",
        "long.csv",
        "recorded",
        6,
    )
    assert p["dropped"] == {"rows_without_quality": 1}
    assert p["not_recorded"] == ["tokens_in", "tokens_out"]
    assert p["sha256"] == hashlib.sha256((DATA / "long.csv").read_bytes()).hexdigest()
    assert trace.source_line == "recorded · long · 3 queries × 2 paths"


def test_only_ids_and_quality_are_needed():
    trace = import_outcomes(
        "long",
        DATA / "long.csv",
        columns={"query_id": "id", "path_id": "model", "quality": "score"},
    )
    assert trace.provenance["not_recorded"] == [
        "cost_usd",
        "latency_s",
        "tokens_in",
        "tokens_out",
        "text",
        "kind",
    ]
    assert sorted(trace.queries["split"]) == ["heldout", "train", "train"]  # without texts, by id


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_ints_bools_and_categories_are_read(tmp_path, name):
    table = frame(
        query_id=[1, 1, 2, 2],
        quality=[True, False, True, True],
        tokens_in=pd.array([5, None, 5, 5], "Int64"),
        placement=["edge", "cloud"] * 2,
    ).astype({"path_id": "category", "text": "category"})
    trace = import_outcomes("long", write(tmp_path, table, name))
    assert trace.query_ids == ["1", "2"]
    np.testing.assert_array_equal(trace.array("quality"), [[1, 0], [1, 1]])
    np.testing.assert_array_equal(trace.array("tokens_in"), [[5, np.nan], [5, 5]])
    assert placements(trace) == ["edge", "cloud"]


def test_placements_are_read_in_any_case_and_others_are_said(tmp_path):
    file = write(tmp_path, frame(placement=["Edge", "local", " edge ", "local"]))
    trace = import_outcomes("long", file)
    assert placements(trace) == ["edge", "not stated"]
    assert trace.provenance["notes"] == [
        "placement is edge or cloud; was not read where it is 'local'"
    ]


def test_rows_are_excluded_by_the_columns_of_the_trace_and_of_the_file():
    trace = import_outcomes(
        "long",
        DATA / "long.csv",
        columns=SAMPLE,
        exclude=[("topic", "locks"), ("path_id", "small")],
    )
    assert trace.outcomes[["query_id", "path_id"]].to_numpy().tolist() == [
        ["007", "big"],
        ["008", "big"],
    ]
    assert trace.provenance["dropped"] == {"excluded_rows": 4}


def test_repeats_are_an_error_unless_averaged(tmp_path):
    file = write(tmp_path, frame(path_id=["x", "x", "x", "y"], latency_s=[1, np.nan, 2, 3]))
    with pytest.raises(
        LabError,
        match=r"row 2: the pair \(a, x\) was there before; 1 rows repeat a pair.*repeats='mean'",
    ):
        import_outcomes("long", file)
    trace = import_outcomes("long", file, repeats="mean")
    row = outcome(trace, "a", "x")
    assert (row.quality, row.latency_s, row.n_repeats) == (0.75, 1, 2)
    assert outcome(trace, "b", "x").n_repeats == 1
    assert trace.provenance["rows_averaged"] == 2


@pytest.mark.parametrize(
    ("changes", "options", "says"),
    [
        (
            {},
            {"columns": {"quality": "score"}},
            (
                "has no column score; it has: query_id, path_id, quality, text. .*--column"
                " quality=score"
            ),
        ),
        (
            {},
            {"columns": {"grade": "quality"}},
            "A name in columns must be one of query_id.*got 'grade'",
        ),
        (
            {"quality": [1, 1.5, 2, 0]},
            {},
            r"t.csv, row 2: quality must be a number within \[0, 1\], got '1.5'",
        ),
        (
            {"quality": [1, "good", -1, 0]},
            {},
            r"row 2: quality must be a number within \[0, 1\], got 'good'",
        ),
        (
            {"cost_usd": [1, 1, -1, 0]},
            {},
            r"row 3: cost_usd must be a number >= 0 and finite .*, got '-1'",
        ),
        ({"latency_s": [1, 1, 1, "inf"]}, {}, r"row 4: latency_s must be a number >= 0 and finite"),
        (
            {"quality": np.nan},
            {},
            "No outcome is left of t.csv: 4 rows read, dropped {'rows_without_quality': 4}",
        ),
        ({"path_id": ["x", "y", "x", None]}, {}, "row 4: path_id is missing"),
        ({"text": ["t", "other", "u", "u"]}, {}, "row 2: query a has another text than in row 1"),
        (
            {"split": ["train", "train", "test", "train"]},
            {},
            "row 4: query b has another split than in row 3",
        ),
        (
            {"query_id": list("abcd"), "split": ["train", "test", "dev", "dev"]},
            {},
            r"there are also \['dev'\]",
        ),
        (
            {"split": ["train", "train", "validation", "validation"]},
            {},
            r"there are also \['validation'\]\. Rename them",
        ),
        (
            {"query_id": list("abcd"), "split": ["train", "test", "", "test"]},
            {},
            r"there are also \[''\]",
        ),
        ({"text": "one"}, {}, "heldout_share 0.2 needs two different texts; there is one"),
        ({}, {"heldout_share": 1}, r"heldout_share must be a number within \[0, 1\), got 1"),
        ({}, {"heldout_share": "0.2"}, "heldout_share must be a number .*, got '0.2'"),
        ({}, {"seed": -1}, "seed must be a whole number >= 0, got -1"),
        ({}, {"seed": True}, "seed must be a whole number >= 0, got True"),
        ({"placement": ["edge", "edge", "cloud", ""]}, {}, "one for each model; x has edge and"),
        ({}, {"repeats": "first"}, "repeats must be one of error, mean, by_text; got 'first'"),
        ({}, {"exclude": [("path", "x")]}, "A column in exclude must be one of query_id, path_id"),
        ({}, {"exclude": [("path_id", "z")]}, "no row has path_id 'z'; there are e.g. 'x', 'y'"),
        ({}, {"exclude": [("path_id", "x"), ("path_id", "y")]}, "No outcome is left"),
        ({}, {"prices": DATA / "long.csv"}, "has no column path_id, price_in_usd_per_mtok"),
        ({}, {"prices": DATA / "prices.csv"}, "must give each path once and at least one of: x, y"),
    ],
)
def test_a_bad_table_or_option_says_what_is_wrong(tmp_path, changes, options, says):
    with pytest.raises(LabError, match=says):
        import_outcomes("long", write(tmp_path, frame(**changes)), **options)


def test_a_text_of_any_length_is_kept(tmp_path):
    texts = ["x" * 3_000_000] * 2 + ["<b>\n,;\"'"] * 2
    assert (
        import_outcomes("long", write(tmp_path, frame(text=texts))).queries["text"].tolist()
        == texts[::2]
    )


def test_the_recipe_for_a_wide_table_gives_a_trace(tmp_path, monkeypatch):
    page = Path("docs/recorded.md").read_text()
    recipe = page.split("```python\n")[1].split("```")[0]
    wide = pd.DataFrame({"prompt": ["hi", "ho"], "gpt-4": [1.0, 0.5], "llama-3": [0.0, 0.25]})
    monkeypatch.chdir(tmp_path)
    write(tmp_path, wide, "wide.csv")
    exec(recipe, {})
    trace = import_outcomes("long", "long.parquet", heldout_share=0)
    assert trace.path_ids == ["gpt-4", "llama-3"]
    assert trace.array("quality").tolist() == [[1.0, 0.0], [0.5, 0.25]]
    assert trace.queries["text"].tolist() == ["hi", "ho"]
