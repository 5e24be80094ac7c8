from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ecollm_lab.records import LabError
from ecollm_lab.traces import import_outcomes
from tests.support.recorded import frame, where_present, write

SHARED = Path("../shared/inputs")
HEAD = "query_id,path_id,quality,text\n"
needs_shared = where_present(SHARED)


def read(folder, text, **options):
    (folder / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_outcomes("long", folder / "t.csv", heldout_share=0, **options)


@needs_shared
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("12_duplicate_header", "header must name every column once; 'quality'"),
        ("15_unbalanced_quote", "the row that begins in line 2 has a quote that is never closed"),
    ],
)
def test_shared_tables_that_lose_data_are_refused(name, says):
    with pytest.raises(LabError, match=says):
        import_outcomes("long", SHARED / f"{name}.csv")


@needs_shared
def test_the_shared_table_with_semicolons_is_read_as_it_is_meant():
    trace = import_outcomes("long", SHARED / "16_semicolon_decimal_comma.csv")
    first = trace.outcomes.iloc[0]
    assert (first.quality, first.cost_usd, first.latency_s) == (0.5, 0.001, 0.5)
    assert len(trace.outcomes) == 60


@pytest.mark.parametrize("kind", ["long", "routerbench", "routellm"])
def test_a_name_twice_in_a_header_is_refused_in_every_format(tmp_path, kind):
    (tmp_path / "t.csv").write_text("prompt,a,b,a\nx,1,0,1\n")
    with pytest.raises(LabError, match=r"t\.csv:1: the header .* 'a' occurs more than once"):
        import_outcomes(kind, tmp_path / "t.csv")
    table = pa.table(
        [pa.array(["x"]), pa.array([1.0]), pa.array([0.0])], names=["prompt", "a", "a"]
    )
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(LabError, match="'a' occurs more than once"):
        import_outcomes(kind, tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ('a,x,1,fine\nb,x,1,"never closed\nc,x,1,ok\n', 3),
        ('a,x,1,"say hi\nb,x,1,"also\n', 2),
        ('a,x,1,"say "hi" now"\n', 2),
        ('a,x,1,"two\nlines"\nb,x,1,"""\n', 4),
    ],
)
def test_a_quote_that_swallows_rows_is_named_by_its_line(tmp_path, rows, line):
    with pytest.raises(LabError, match=f"the row that begins in line {line} has a quote"):
        read(tmp_path, HEAD + rows)


def test_quotes_lines_and_separators_inside_texts_are_kept(tmp_path):
    trace = read(tmp_path, HEAD + 'a,x,1,"He said ""hi"",\nthen; left"\n\nb,x,0,5" pipe\n')
    assert trace.queries["text"].tolist() == ['He said "hi",\nthen; left', '5" pipe']


def test_spaces_behind_separators_belong_to_no_cell(tmp_path):
    text = 'query_id, path_id, quality, text\na, x, 1, "one, two"\nb, x, 0, tea\n'
    trace = read(tmp_path, text)
    assert trace.path_ids == ["x"]
    assert trace.queries["text"].tolist() == ["one, two", "tea"]


@pytest.mark.parametrize(
    ("row", "says"),
    [("b,x,1", "line 3 has 3 cells, its header 4"), ("b,x,1,t,9", "line 3 has 5 cells")],
)
def test_a_row_that_is_cut_or_too_long_is_named(tmp_path, row, says):
    with pytest.raises(LabError, match=says):
        read(tmp_path, f"{HEAD}a,x,1,t\n{row}\n")


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_with_decimal_commas_are_read_aloud(tmp_path, separator):
    rows = ["query_id,path_id,quality,cost_usd,text", "a,x,0;5,1.234;5,one; two", "b,x,1,0;001,tea"]
    text = "\r\n".join(row.replace(",", "@").replace(";", ",") for row in rows)
    trace = read(tmp_path, text.replace("@", separator))
    assert trace.array("quality")[:, 0].tolist() == [0.5, 1.0]
    assert trace.array("cost_usd")[:, 0].tolist() == [1234.5, 0.001]
    assert trace.queries["text"].tolist() == ["one, two", "tea"]
    said = trace.provenance["notes"]
    assert "separate the cells of t.csv" in said[0]
    assert said[1:2] == ["commas in quality, cost_usd of t.csv are decimal points"]


def test_the_line_in_which_excel_names_the_separator_is_passed_over(tmp_path):
    trace = read(tmp_path, "sep=;\r\nquery_id;path_id;quality\r\na;x;0,5\r\n")
    assert trace.array("quality").tolist() == [[0.5]]


def test_empty_rows_at_the_end_and_padded_names_as_excel_writes_them_change_nothing(tmp_path):
    head = "query_id ;path_id;quality ;text\r\n"
    trace = read(tmp_path, f"{head}a;x;0,5;tea\r\nb;x;1;cake\r\n;;;\r\n;  ;;\r\n")
    assert trace.queries["text"].tolist() == ["tea", "cake"]
    assert trace.provenance["rows_read"] == 2
    with pytest.raises(LabError, match="row 2: query_id is missing"):
        read(tmp_path, f"{head}a;x;0,5;tea\r\n;;;\r\nb;x;1;cake\r\n")
    with pytest.raises(LabError, match="it has columns but no row"):
        read(tmp_path, f"{head};;;\r\n")


def test_a_row_below_the_line_of_excel_is_named_by_its_line_in_the_file(tmp_path):
    for text, says in [
        ("sep=;\nquery_id;path_id;quality\na;x;0,5\nb;x\n", "line 4 has 2 cells"),
        ("sep=;\nquery_id;path_id;path_id\n", r"t\.csv:2: the header"),
        ("sep=;", "there is no header"),
    ]:
        with pytest.raises(LabError, match=says):
            read(tmp_path, text)


def test_a_header_of_any_length_is_read(tmp_path):
    trace = read(tmp_path, f"query_id,path_id,quality,{'x' * 140_000}\na,x,1,t\n")
    assert trace.query_ids == ["a"]


def test_decimal_commas_stand_in_powers_and_percent_and_beside_what_is_not_recorded(tmp_path):
    text = "query_id;path_id;quality;cost_usd;latency_s\na;x;87,5 %;1,2E-05;NA\nb;x;NA;2;0,5\n"
    trace = read(tmp_path, text + "c;x;1 %;n/a;1,5\n")
    assert trace.array("quality")[:, 0].tolist() == [0.875, 0.01]
    np.testing.assert_array_equal(trace.array("cost_usd")[:, 0], [1.2e-5, np.nan])
    np.testing.assert_array_equal(trace.array("latency_s")[:, 0], [np.nan, 1.5])


def test_a_decimal_comma_among_commas_is_no_number(tmp_path):
    with pytest.raises(LabError, match=r"row 1: quality must be a number .*, got '0,5'"):
        read(tmp_path, HEAD + 'a,x,"0,5",t\n')


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_line_ends_and_rare_separators_change_nothing(tmp_path, mark, end):
    text = end.join(
        [f"{mark}query_id,path_id,quality,text", "a,x,1,one\u2028line\u0085", "b,x,0,t"]
    )
    trace = read(tmp_path, text)
    assert trace.query_ids == ["a", "b"]
    assert trace.queries["text"][0] == "one\u2028line\u0085"


@pytest.mark.parametrize("kind", ["long", "routerbench", "routellm"])
def test_utf_16_is_refused_by_name_in_every_format(tmp_path, kind):
    (tmp_path / "t.csv").write_bytes((HEAD + "a,x,1,t\n").encode("utf-16"))
    with pytest.raises(LabError, match=r"the text is UTF-16\. Save it as UTF-8"):
        import_outcomes(kind, tmp_path / "t.csv")


@pytest.mark.parametrize(
    "cell", ["9" * 400, "9" * 5000, "1e309", "5e-324", "1e308", "1_000", "1,000"]
)
def test_a_number_that_no_cost_can_be_is_refused(tmp_path, cell):
    file = write(tmp_path, frame(cost_usd=[1, cell, 1, 1]))
    with pytest.raises(LabError, match="row 2: cost_usd must be a number >= 0") as error:
        import_outcomes("long", file)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("ids", [[[1], [1], [2], [2]], [b"a", b"a", b"b", b"b"]])
def test_ids_that_are_no_words_are_refused(tmp_path, ids):
    with pytest.raises(LabError, match="row 1: query_id must be a text or a number, got a"):
        import_outcomes("long", write(tmp_path, frame(query_id=ids), "t.parquet"))


@pytest.mark.parametrize("name", ["~nosuchuser/t.csv", "a\0b.csv"])
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(LabError, match="cannot be the name of a file"):
        import_outcomes("long", name)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_answers_are_kept_unless_they_are_averaged(tmp_path, name):
    file = write(tmp_path, frame(said=["one", "two", "", "three"]), name)
    trace = import_outcomes("long", file, columns={"answer": "said"})
    assert trace.outcomes["answer"].tolist() == ["one", "two", "", "three"]
    doubled = pd.concat([frame(answer="one"), frame(answer="two")])
    trace = import_outcomes("long", write(tmp_path, doubled, name), repeats="mean")
    assert "answer" not in trace.outcomes
    np.testing.assert_array_equal(trace.array("n_repeats"), 2)
