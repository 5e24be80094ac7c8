from pathlib import Path

import pandas as pd
import pytest

from ecollm_lab.records import LabError
from ecollm_lab.traces import import_outcomes
from ecollm_lab.traces.importers.queries import plain
from tests.support.recorded import frame, where_present, write

TWICE = Path("../shared/inputs/03_routerbench_repeated_id.csv")
needs_shared = where_present(TWICE)


@needs_shared
def test_the_shared_table_with_one_id_for_two_texts_has_a_way_on():
    says = (
        r"row 10: query arc\.val\.8 has another text than in row 9, 'made-up question 9\?' and"
        r" 'made-up question 8\?'\. .*--ids-from-text"
    )
    with pytest.raises(LabError, match=says):
        import_outcomes("routerbench", TWICE)
    trace = import_outcomes("routerbench", TWICE, repeats="by_text")
    assert len(trace.query_ids) == 10
    assert trace.outcomes["quality"].sum() == 15


@needs_shared
def test_a_space_after_the_shared_text_is_no_other_text(tmp_path):
    text = TWICE.read_text().replace(
        "arc.val.8,made-up question 9?", "arc.val.9,made-up question 9? "
    )
    (tmp_path / "t.csv").write_text(text)
    assert len(import_outcomes("routerbench", tmp_path / "t.csv").query_ids) == 10


def test_texts_that_differ_in_case_spaces_or_a_full_stop_are_one_text(tmp_path):
    texts = ["Hall light off", " hall  light off.", "Hall light on", "Hall light ON。"]
    trace = import_outcomes("long", write(tmp_path, frame(text=texts)))
    assert trace.queries["text"].tolist() == ["Hall light off", "Hall light on"]
    for one, other in [("5°", "-5°"), ("$20", "20"), ("What?", "What"), ("1.5", "15"), ("é", "e")]:
        assert plain(one) != plain(other)
    assert plain("...") == "..."


def test_ids_of_texts_do_not_depend_on_ids_or_the_order_of_rows(tmp_path):
    table = frame(query_id=["a", "b", "a", "c"], path_id="x", text=["t", "T.", "u", "v"])
    trace = import_outcomes("long", write(tmp_path, table), repeats="by_text", heldout_share=0)
    quality = dict(zip(trace.queries["text"], trace.array("quality")[:, 0], strict=True))
    assert quality == {"t": 0.75, "u": 0.0, "v": 1.0}  # 1 and 0.5 of "t" and "T." are averaged
    assert trace.provenance["rows_averaged"] == 2
    back = write(tmp_path, table.iloc[::-1])
    again = import_outcomes("long", back, repeats="by_text", heldout_share=0)
    assert set(again.query_ids) == set(trace.query_ids)
    with pytest.raises(LabError, match="row 2: there is no text to make an id of"):
        import_outcomes(
            "long", write(tmp_path, frame(text=["t", None, "u", "u"])), repeats="by_text"
        )


def test_an_error_names_the_rows_of_several_ids(tmp_path):
    table = frame(query_id=["a", "a", "b", "b"], path_id=list("xyxy"), text=list("tuvw"))
    with pytest.raises(LabError, match=r"row 2: query a .* in row 1, 'u' and 't'; row 4: query b"):
        import_outcomes("long", write(tmp_path, table))
    with pytest.raises(LabError, match=r"2 rows repeat a pair \(rows 1, 2, 3, 4\).*--repeats mean"):
        import_outcomes("long", write(tmp_path, frame(path_id="x")))


@pytest.mark.parametrize("seed", range(10))
def test_near_duplicates_stay_on_one_side_of_a_random_split(tmp_path, seed):
    texts = [f"{word} the light" for word in ("Dim", "Find", "Fix", "Buy", "Sell", "Lift")]
    near = [
        change(text) for text in texts for change in (str, str.upper, "{}.".format, " {} ".format)
    ]
    table = pd.DataFrame({"query_id": range(24), "path_id": "x", "quality": 1.0, "text": near})
    trace = import_outcomes("long", write(tmp_path, table), seed=seed, heldout_share=0.5)
    sides = trace.queries["split"].to_numpy().reshape(6, 4)
    assert (sides == sides[:, :1]).all()
    assert (sides[:, 0] == "heldout").sum() == 3


def test_near_duplicates_on_both_sides_of_a_recorded_split_are_counted(tmp_path):
    table = frame(query_id=list("abcd"), text=["On", "on.", "off", "dim"])
    table["split"] = ["train", "test", "test", "train"]
    trace = import_outcomes("long", write(tmp_path, table))
    assert trace.queries["split"].tolist() == ["train", "heldout", "heldout", "train"]
    assert trace.provenance["split"] == "recorded; texts on both sides of it: 1"
