import shutil

import numpy as np
import pandas as pd
import pytest

from ecollm_lab.records import LabError
from ecollm_lab.traces import import_outcomes
from tests.support.recorded import DATA, outcome, write


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
        match=(r"contaminated_prompts\.jsonl:2: not JSON: .*got 'nonsense'"),
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
