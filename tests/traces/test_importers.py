import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ecollm_lab.cli import app
from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace, import_outcomes
from ecollm_lab.traces.path_ids import placements

DATA, RECORDED = Path("tests/data"), Path("../shared/traces")
SAMPLE = {
    "query_id": "id",
    "path_id": "model",
    "quality": "score",
    "cost_usd": "usd",
    "latency_s": "seconds",
    "kind": "topic",
    "text": "prompt",
    "split": "fold",
}
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


def outcome(trace, query, path):
    rows = trace.outcomes
    return rows[(rows["query_id"] == query) & (rows["path_id"] == path)].iloc[0]


def write(folder, frame, name="t.csv"):
    (frame.to_parquet if name.endswith("parquet") else frame.to_csv)(folder / name, index=False)
    return folder / name


def frame(**changes):
    plain = {
        "query_id": ["a", "a", "b", "b"],
        "path_id": ["x", "y", "x", "y"],
        "quality": [1, 0.5, 0, 1],
        "text": ["t", "t", "u", "u"],
    }
    return pd.DataFrame({**plain, **changes})


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


@pytest.mark.parametrize("seed", range(25))
def test_identical_texts_never_straddle_a_random_split(tmp_path, seed):
    rng = np.random.default_rng(seed)
    ids = [f"q{i}" for i in range(60)]
    table = pd.DataFrame(
        {
            "query_id": ids,
            "path_id": "x",
            "quality": 1.0,
            "text": rng.choice([f"t{i}" for i in range(12)], 60),
        }
    )
    trace = import_outcomes("long", write(tmp_path, table), seed=seed, heldout_share=0.25)
    sides = trace.queries.groupby("text")["split"].agg(["nunique", "first"])
    assert (sides["nunique"] == 1).all(), seed
    assert (sides["first"] == "heldout").sum() == round(0.25 * len(sides))
    shuffled = import_outcomes(
        "long",
        write(tmp_path, table.sample(frac=1, random_state=seed)),
        seed=seed,
        heldout_share=0.25,
    )
    assert dict(trace.queries[["query_id", "split"]].to_numpy()) == dict(
        shuffled.queries[["query_id", "split"]].to_numpy()
    ), seed


def test_a_split_is_kept_only_if_both_sides_are_recorded(tmp_path):
    one_sided = import_outcomes("long", write(tmp_path, frame(split="test")))
    assert sorted(one_sided.queries["split"]) == ["heldout", "train"]
    assert one_sided.provenance["split"] == "at random by text, heldout_share 0.2, seed 0"
    assert set(
        import_outcomes("long", write(tmp_path, frame(text="same")), heldout_share=0).queries[
            "split"
        ]
    ) == {"train"}


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
            r"row 3: cost_usd must be a number >= 0 and finite, got '-1'",
        ),
        ({"latency_s": [1, 1, 1, "inf"]}, {}, r"row 4: latency_s must be a number >= 0 and finite"),
        (
            {"quality": np.nan},
            {},
            "No outcome is left of t.csv: 4 rows read, dropped {'rows_without_quality': 4}",
        ),
        ({"path_id": ["x", "y", "x", None]}, {}, "row 4: path_id is missing"),
        ({"text": ["t", "other", "u", "u"]}, {}, "row 2: query a has another text than before"),
        (
            {"split": ["train", "train", "test", "train"]},
            {},
            "row 4: query b has another split than before",
        ),
        (
            {"query_id": list("abcd"), "split": ["train", "test", "dev", "dev"]},
            {},
            r"there are also \['dev'\]",
        ),
        ({"text": "one"}, {}, "heldout_share 0.2 needs two different texts; there is one"),
        ({}, {"heldout_share": 1}, r"heldout_share must be within \[0, 1\), got 1"),
        ({}, {"seed": -1}, "seed must be a whole number >= 0, got -1"),
        ({}, {"repeats": "first"}, "repeats must be one of error, mean; got 'first'"),
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


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.csv", None, "there is no such file or folder"),
        ("t.csv", b"", "t.csv is empty"),
        ("t.csv", b"query_id,path_id,quality\n", "has columns but no row"),
        ("t.csv", b"\n\n", "is no CSV table"),
        ("t.csv", b"query_id,path_id,quality\na,x,1\nb,x,1,2\n", "is no CSV table: .*line 3"),
        ("t.csv", b"query_id,path_id,quality\na,x,1,9\nb,x,1,9\n", "no row may have more cells"),
        (
            "t.csv",
            "query_id,path_id,quality\na,x,1\nbl\xe5,x,1\n".encode("latin-1"),
            "t.csv:3: not UTF-8 .byte 0xe5.",
        ),
        ("t.parquet", b"PAR1 not really", "is no whole Parquet file"),
        ("t.parquet", b"", "t.parquet is empty"),
        ("t.xlsx", b"PK\x03\x04", "must be a .csv or .parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for kind in ("long", "routerbench"):
        with pytest.raises(LabError, match=says):
            import_outcomes(kind, tmp_path / name)


def test_a_parquet_file_cut_short_and_an_unknown_format_are_errors(tmp_path):
    file = write(tmp_path, frame(), "t.parquet")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(LabError, match="is no whole Parquet file"):
        import_outcomes("long", file)
    with pytest.raises(
        LabError,
        match="format must be one of homeassistant, routerbench, routellm, long; got 'csv'",
    ):
        import_outcomes("csv", file)
    with pytest.raises(LabError, match="the layout of 'routerbench' is fixed"):
        import_outcomes("routerbench", DATA / "routerbench.csv", columns={"quality": "x"})


def test_a_text_of_any_length_is_kept(tmp_path):
    texts = ["x" * 3_000_000] * 2 + ["<b>\n,;\"'"] * 2
    assert (
        import_outcomes("long", write(tmp_path, frame(text=texts))).queries["text"].tolist()
        == texts[::2]
    )


def _pickles(marker):
    """Return pickles, by name, whose loading would create the marker file: `open(marker, "w")`."""
    call = b"cbuiltins\nopen\n(V" + str(marker).encode() + b"\nVw\ntR."
    binary = b"\x80\x02" + call
    import io
    import zipfile

    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("model/data.pkl", binary)
    return {
        "rb.pkl": binary,
        "rb.PICKLE": call,
        "rb.pkl.gz": binary,
        "rb.csv": binary,
        "rb.parquet": binary,
        "rb": held.getvalue(),
        "zip.csv": held.getvalue(),
    }


@pytest.mark.parametrize("kind", ["routerbench", "long", "routellm"])
def test_a_pickle_is_refused_unread(tmp_path, kind):
    marker = tmp_path / "marker"
    for name, content in _pickles(marker).items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            LabError,
            match=r"untrusted files are never unpickled.*throwaway environment.*to_parquet",
        ):
            import_outcomes(kind, tmp_path / name)
        assert not marker.exists(), name
    import pickle

    pickle.loads(_pickles(marker)["rb.pkl"]).close()
    assert marker.exists()  # the pickle is a live one


def test_no_code_of_the_package_can_unpickle():
    source = "".join(file.read_text() for file in Path("ecollm_lab/traces/importers").glob("*.py"))
    assert "def import_outcomes" in source
    assert "import pickle" not in source
    assert "read_pickle" not in source
    assert "allow_pickle" not in source


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_routerbench_has_one_row_per_sample_and_model(tmp_path, name):
    table = pd.read_csv(DATA / "routerbench.csv")
    trace = import_outcomes("routerbench", write(tmp_path, table, name))
    assert trace.path_ids == ["big/model-1", "small"]
    assert trace.query_ids == ["arith.dev.1", "arith.dev.2", "essay.dev.1", "essay.dev.2"]
    np.testing.assert_array_equal(
        trace.array("quality"), [[1, 0], [1, 1], [0.75, np.nan], [0, 0.25]]
    )
    assert outcome(trace, "essay.dev.1", "big/model-1").cost_usd == 0.003
    assert trace.queries["kind"].tolist() == ["arith", "arith", "essay", "essay"]
    assert trace.queries["text"][2] == "['=HYPERLINK(\"x\") <b>hi</b>']"
    assert trace.queries["split"][0] == trace.queries["split"][1]  # the same prompt under two ids
    assert trace.provenance["not_recorded"] == ["latency_s", "tokens_in", "tokens_out"]
    assert trace.provenance["url"].endswith("withmartian/routerbench")


def test_another_table_is_no_routerbench(tmp_path):
    with pytest.raises(LabError, match=r"it has no column '<model>\|total_cost'"):
        import_outcomes("routerbench", DATA / "long.csv")
    with pytest.raises(LabError, match="has no column small; it has: sample_id"):
        import_outcomes(
            "routerbench",
            write(tmp_path, pd.read_csv(DATA / "routerbench.csv").drop(columns="small")),
        )
    with pytest.raises(
        LabError, match=r"row 1: quality must be a number within \[0, 1\], got '7.5'"
    ):
        import_outcomes(
            "routerbench", write(tmp_path, pd.read_csv(DATA / "routerbench.csv").assign(small=7.5))
        )


def test_routellm_reads_a_folder_and_leaves_contaminated_prompts_out():
    trace = import_outcomes("routellm", DATA / "routellm")
    assert trace.query_ids == [
        "gsm8k/gsm8k_responses/0",
        "gsm8k/gsm8k_responses/2",
        "mmlu/responses/mmlu_birds/0",
    ]
    assert trace.path_ids == ["weak-model", "strong-model"]
    np.testing.assert_array_equal(trace.array("quality"), [[1, 1], [0, 1], [0, 1]])
    assert trace.queries["text"][0] == "A farmer has 3 hens,\nand buys 2. How many?"
    assert trace.queries["kind"].tolist() == ["gsm8k_responses", "gsm8k_responses", "mmlu_birds"]
    assert trace.provenance["dropped"] == {"contaminated_prompts": 2}
    assert trace.provenance["licence"] == "Apache-2.0"


def test_routellm_reads_one_file_too_and_names_what_is_wrong(tmp_path):
    assert import_outcomes(
        "routellm", DATA / "routellm/mmlu/responses/mmlu_birds.csv", heldout_share=0
    ).query_ids == ["mmlu_birds/0"]
    with pytest.raises(LabError, match="has no CSV file"):
        import_outcomes("routellm", tmp_path)
    shutil.copytree(DATA / "routellm", tmp_path / "r")
    (tmp_path / "r/gsm8k/contaminated_prompts.jsonl").write_text('{"eval_prompt": "x"}\nnonsense\n')
    with pytest.raises(
        LabError,
        match=(
            r"contaminated_prompts\.jsonl:2: expected a JSON object with eval_prompt; got"
            r" 'nonsense'"
        ),
    ):
        import_outcomes("routellm", tmp_path / "r")
    (tmp_path / "r/only.csv").write_text("prompt\nhi\n")
    with pytest.raises(LabError, match="no column besides prompt"):
        import_outcomes("routellm", tmp_path / "r/only.csv")
    with pytest.raises(LabError, match="has no column prompt; it has: path_id, price"):
        import_outcomes("routellm", DATA / "prices.csv")


def test_the_digest_of_a_folder_is_of_names_and_contents(tmp_path):
    shutil.copytree(DATA / "routellm", tmp_path / "r")
    was = import_outcomes("routellm", DATA / "routellm").provenance["sha256"]
    assert import_outcomes("routellm", tmp_path / "r").provenance["sha256"] == was
    (tmp_path / "r/gsm8k/gsm8k_responses.csv").rename(tmp_path / "r/gsm8k/other.csv")
    assert import_outcomes("routellm", tmp_path / "r").provenance["sha256"] != was


def test_homeassistant_averages_the_repeats_of_each_request():
    trace = import_outcomes("homeassistant", DATA / "homeassistant", prices=DATA / "prices.csv")
    off, lit, door = (
        "assist/flat_se_lights-hall_light_off",
        "assist/flat_se_lights-is_the_hall_lit",
        "automations/door-door_alert",
    )
    assert trace.query_ids == [off, lit, door]
    cloudy, homely = outcome(trace, off, "cloudy"), outcome(trace, off, "homely")
    # two runs: 1.5005 and 2.5005 s; 2,100 tokens in each at 0.4, 30 and 50 out at 1.6 US dollars
    # per million
    assert (
        cloudy.quality,
        cloudy.latency_s,
        cloudy.tokens_in,
        cloudy.tokens_out,
        cloudy.n_repeats,
    ) == (1, 2.0005, 2100, 40, 2)
    assert cloudy.cost_usd == pytest.approx((2100 * 0.4 + 40 * 1.6) / 1e6)
    assert (homely.quality, homely.latency_s, homely.n_repeats) == (
        0.5,
        0.4,
        2,
    )  # one run has no details: not recorded
    assert np.isnan(
        [homely.cost_usd, homely.tokens_in, outcome(trace, lit, "homely").latency_s]
    ).all()
    assert outcome(trace, door, "cloudy").quality == 0.5  # one of two tests passed
    assert trace.queries["text"].tolist() == [
        'Hall "big" light off',
        "Is the hall lit?",
        "# Door\\nAlert",
    ]
    assert trace.queries["kind"].tolist() == ["light", "light,question", "media_player"]
    p = trace.provenance
    assert p["dropped"] == {"runs_of_older_versions": 1, "runs_without_a_verdict": 1}
    assert p["models"] == {"cloudy": {"placement": "cloud"}, "homely": {"placement": "edge"}}
    assert p["price_source"] == "prices.csv"
    assert (p["licence"], p["rows_averaged"]) == ("Apache-2.0", 4)


def test_homeassistant_without_prices_has_no_cost_and_can_leave_a_dataset_out():
    trace = import_outcomes(
        "homeassistant", DATA / "homeassistant", exclude=[("dataset", "automations")]
    )
    assert trace.outcomes["cost_usd"].isna().all()
    assert "cost_usd" in trace.provenance["not_recorded"]
    assert len(trace.query_ids) == 2


@pytest.mark.parametrize(
    ("name", "was", "now", "says"),
    [
        (
            "cloudy/flat_se_lights-hall_light_off-0.yaml",
            "task:",
            "task: [oops",
            r"off-0.yaml:\d+: not YAML",
        ),
        (
            "cloudy/flat_se_lights-hall_light_off-0.yaml",
            "context:",
            "contents:",
            "off-0.yaml:1: this is no report of a run",
        ),
        (
            "cloudy/flat_se_lights-hall_light_off-0.yaml",
            "1500.5",
            "soon",
            "off-0.yaml:33: duration_ms must be a number, got 'soon'",
        ),
        (
            "cloudy/flat_se_lights-hall_light_off-0.yaml",
            "1500.5",
            "-1",
            "report.csv, row 1: latency_s must be a number >= 0",
        ),
        ("report.csv", '"Bad"', '"Meh"', "report.csv, row 4: label must be Good or Bad, got 'Meh'"),
        ("report.csv", "label", "verdict", "has no column label; it has: task_id"),
    ],
)
def test_a_broken_report_is_named_with_its_line(tmp_path, name, was, now, says):
    shutil.copytree(DATA / "homeassistant", tmp_path / "clone")
    file = tmp_path / "clone/reports/assist/2025.4.3" / name
    assert was in file.read_text()
    file.write_text(file.read_text().replace(was, now))
    with pytest.raises(LabError, match=says):
        import_outcomes("homeassistant", tmp_path / "clone")


def test_a_folder_without_reports_is_no_clone(tmp_path):
    for place in (tmp_path, DATA / "long.csv"):
        with pytest.raises(LabError, match="name the folder of a clone of home-assistant-datasets"):
            import_outcomes("homeassistant", place)


def test_yaml_tags_are_text_and_never_followed(tmp_path):
    shutil.copytree(DATA / "homeassistant", tmp_path / "clone")
    file = tmp_path / "clone/reports/assist/2025.4.3/cloudy/flat_se_lights-hall_light_off-0.yaml"
    file.write_text(
        file.read_text() + f"  more: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n"
    )
    assert len(import_outcomes("homeassistant", tmp_path / "clone").query_ids) == 3
    assert not (tmp_path / "made").exists()


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
    ],
)
def test_the_command_says_what_is_wrong_and_writes_nothing(tmp_path, words, says):
    text = call(*words[:2], tmp_path / "t.parquet", *words[2:], code=1)
    assert says in text
    assert text.startswith("Error: ")
    assert "Traceback" not in text
    assert not list(tmp_path.iterdir())


def test_a_trace_is_not_written_under_another_kinds_name(tmp_path):
    assert "ends in .parquet, got" in call("long", DATA / "long.csv", tmp_path / "t.csv", code=1)
    assert not list(tmp_path.iterdir())
