import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ecollm_lab.cli import app
from ecollm_lab.traces import Trace, import_outcomes
from tests.support.clone import QUOTA
from tests.support.recorded import DATA, SAMPLE, frame, write

RECORDED = Path("../shared/traces")
# the sample that is always there, and recorded sets where they are at hand
SETS = {
    "tests/data/long.csv": ({"columns": SAMPLE}, 3),
    "homeassistant.parquet": (
        {
            "columns": {"query_id": "query_unit", "cost_usd": "cost_usd_est", "kind": "domain"},
            "repeats": "mean",
            "exclude": [("domain", "ha-automations")],
        },
        184,
    ),
    "hotpotqa_rag.parquet": ({}, 7405),
    "llmrouter_9models.parquet": ({}, 6108),
    "routellm_mmlu_gsm8k.parquet": (
        {"exclude": [("contaminated", True)], "columns": {"kind": "domain"}},
        14037 + 1307,
    ),
}
PRESENT = [
    name
    for name in SETS
    if Path(name).exists() or (Path(__file__).parents[2] / RECORDED / name).exists()
]


@pytest.mark.parametrize("name", PRESENT)
def test_a_recorded_set_keeps_its_means_queries_and_splits(tmp_path, name):
    options, n_queries = SETS[name]
    file = Path(name) if Path(name).exists() else RECORDED / name
    trace = import_outcomes("long", file, **options)
    table = pd.read_csv(file, dtype={"id": str}) if name.endswith("csv") else pd.read_parquet(file)
    table = table.assign(
        **{ours: table[theirs] for ours, theirs in options.get("columns", {}).items()}
    )
    for column, value in options.get("exclude", ()):
        table = table[table[column] != value]
    table["quality"] = table["quality"].replace({"true": 1.0}).astype(float)
    per_pair = (
        table.astype({"query_id": str, "path_id": str})
        .groupby(["query_id", "path_id"])["quality"]
        .mean()
    )
    expected = per_pair.groupby("path_id").mean()
    np.testing.assert_allclose(
        trace.summary().set_index("path_id")["quality"][expected.index], expected, rtol=1e-12
    )
    assert len(trace.query_ids) == n_queries
    recorded = (
        table.astype({"query_id": str})
        .drop_duplicates("query_id")
        .set_index("query_id")["split"]
        .astype(str)
        .replace("test", "heldout")
    )
    if set(recorded) == {"train", "heldout"}:
        assert (trace.queries["split"].to_numpy() == recorded[trace.query_ids].to_numpy()).all()
    else:
        assert not trace.queries.drop_duplicates(["text", "split"])["text"].duplicated().any()
    trace.save(tmp_path / "t.parquet")
    again = Trace.load(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(again.outcomes, trace.outcomes)
    pd.testing.assert_frame_equal(again.queries, trace.queries, check_dtype=False)
    assert again.provenance == json.loads(json.dumps(trace.provenance)) == trace.provenance


def call(*args, code):
    done = CliRunner().invoke(app, ["import", *map(str, args)])
    assert done.exit_code == code, done.output
    return done.output


def test_the_command_writes_a_trace_and_one_line(tmp_path):
    columns = [word for ours, theirs in SAMPLE.items() for word in ("--column", f"{ours}={theirs}")]
    text = call(
        "long",
        DATA / "long.csv",
        tmp_path / "t.parquet",
        *columns,
        "--exclude",
        "topic=locks",
        "--seed",
        3,
        code=0,
    )
    assert len(text.splitlines()) == 1
    assert text.startswith(
        "recorded · long · 2 queries × 2 paths: 3 outcomes (dropped 2 excluded rows; dropped 1 rows"
        " without quality; not recorded"
    )
    assert text.strip().endswith(f"written to {tmp_path}/t.parquet")
    assert Trace.load(tmp_path / "t.parquet").query_ids == ["007", "008"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("long", "none.csv"), "no such file"),
        (("parquet", "tests/data/long.csv"), "format must be one of"),
        (
            ("long", "tests/data/long.csv"),
            "has no column query_id, path_id, quality; it has: id, model",
        ),
        (
            ("long", "tests/data/long.csv", "--column", "score"),
            "--column must be NAME=VALUE, got 'score'",
        ),
        (("routerbench", "tests/data/long.csv"), "is no RouterBench table"),
        (
            ("long", "none.csv", "--unit", "quality=percent", "--unit", "quality=share"),
            "--unit must give quality one value, got 'percent' and 'share'",
        ),
        (
            ("long", "none.csv", "--column", "quality=a", "--column", "quality=b"),
            "--column must give quality one value, got 'a' and 'b'",
        ),
    ],
)
def test_the_command_says_what_is_wrong_and_writes_nothing(tmp_path, words, says):
    text = call(*words[:2], tmp_path / "t.parquet", *words[2:], code=1)
    assert says in text
    assert text.startswith("Error: ")
    assert "Traceback" not in text
    assert not list(tmp_path.iterdir())


def test_the_command_converts_units_and_makes_ids_of_texts(tmp_path):
    table = frame(query_id="q", quality=[87, 50, 10, 0], took=[250, 500, 750, 900])
    options = ["--column", "latency_s=took", "--unit", "latency_s=ms", "--unit", "quality=percent"]
    out = tmp_path / "t.parquet"
    file = write(tmp_path, table)
    assert "--ids-from-text" in call("long", file, out, *options, code=1)
    text = call("long", file, out, *options, "--ids-from-text", code=0)
    assert "quality is quality × 0.01 (percent); latency_s is took × 0.001 (ms)" in text
    trace = Trace.load(out)
    assert trace.array("quality").tolist() == [[0.87, 0.5], [0.1, 0.0]]
    assert trace.array("latency_s")[1].tolist() == [0.75, 0.9]


def test_a_trace_never_replaces_its_source(tmp_path):
    file = write(tmp_path, frame(), "t.parquet")
    before = file.read_bytes()
    assert "SOURCE and OUT are the same file" in call("long", file, file, code=1)
    said = call("long", DATA / "long.csv", file, "--prices", file, code=1)
    assert "--prices and OUT are the same file" in said
    assert file.read_bytes() == before


def test_failed_runs_are_printed_for_each_path(tmp_path):
    table = frame(answer=["yes", QUOTA, "no", "yes"], quality=[1, 0, 0, 1])
    text = call("long", write(tmp_path, table), tmp_path / "t.parquet", code=0)
    assert "dropped 1 failed runs; failed runs of each path: y 1;" in text


def test_a_trace_is_not_written_under_another_kinds_name(tmp_path):
    assert "ends in .parquet, got" in call("long", DATA / "long.csv", tmp_path / "t.csv", code=1)
    assert not list(tmp_path.iterdir())
