import csv
import io
import os

import numpy as np
import pandas as pd
import pytest

from ecollm_lab import files
from ecollm_lab.records import LabError


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("\ufeffa = 1\r\nb".encode(), "a = 1\r\nb"),
        ("naïve 六周 \U0001f600".encode(), "naïve 六周 \U0001f600"),
    ],
)
def test_utf_8_is_read_with_and_without_its_mark(tmp_path, content, text):
    (tmp_path / "t").write_bytes(content)
    assert files.read_text(tmp_path / "t") == text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "t is empty"),
        ("hello".encode("utf-16"), "t:1: the text is UTF-16. Save it as UTF-8"),
        ("hello".encode("utf-16-be"), "t:1: a NUL byte, so this is UTF-16 or no text"),
        ("one\nhello".encode("utf-32"), "t:1: the text is UTF-32"),
        (b"one\ntw\xe5\n", "t:2: not UTF-8 .byte 0xe5."),
        (b"one\n\xed\xa0\xbd\n", "t:2: not UTF-8 .byte 0xed."),  # a surrogate written as bytes
        (b"one\ntwo\nth\0ree", "t:3: a NUL byte"),
    ],
)
def test_other_encodings_are_refused_by_name_and_line(tmp_path, content, says):
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(LabError, match=says):
        files.read_text(tmp_path / "t")


def test_only_line_ends_end_lines():
    assert files.lines("a\u2028b\u0085c\x0bd\ne\r\nf\rg\n") == [
        "a\u2028b\u0085c\x0bd",
        "e",
        "f",
        "g",
    ]
    assert files.lines("") == []
    assert files.lines("a\n\nb") == ["a", "", "b"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_json_lines_keep_their_numbers_and_rare_separators(tmp_path, mark, end):
    text = f'{mark}{{"a": "x\u2028y"}}{end}{end}{{"a": "\u0085"}}{end}'
    (tmp_path / "t.jsonl").write_bytes(text.encode())
    rows = list(files.json_lines(tmp_path / "t.jsonl"))
    assert rows == [(1, {"a": "x\u2028y"}), (3, {"a": "\u0085"})]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"a": }', "t.jsonl:2: not JSON: Expecting value"),
        ('{"a": "\\ud83d on"}', "t.jsonl:2: not JSON: half of a character"),
        ('{"\\udc00": 1}', "t.jsonl:2: not JSON: half of a character"),
        ("[" * 100_000, "t.jsonl:2: not JSON: it is nested too deeply"),
        (f'{{"a": {"9" * 5000}}}', "t.jsonl:2: not JSON: Exceeds the limit"),
    ],
)
def test_a_line_that_is_no_json_is_named(tmp_path, line, says):
    (tmp_path / "t.jsonl").write_text(
        '{"a": "\\ud83d\\ude00"}\n' + line + "\n"
    )  # a whole character
    with pytest.raises(LabError, match=says):
        list(files.json_lines(tmp_path / "t.jsonl"))


def test_toml_is_read_with_a_mark_and_its_faults_are_named(tmp_path):
    file = tmp_path / "t.toml"
    file.write_bytes('\ufeffname = "a"\r\n'.encode())
    assert files.read_toml(file) == {"name": "a"}
    for text in ("a = = 1", f"a = {'[' * 5000}", f"a = {'9' * 5000}"):
        file.write_text(text)
        with pytest.raises(LabError, match=r"t\.toml: not TOML"):
            files.read_toml(file)


@pytest.mark.parametrize("name", ["~nosuchuser/x", "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(name):
    for use in (files.read_text, lambda file: files.write("x", file)):
        with pytest.raises(LabError, match="cannot be the name of a file"):
            use(name)


def write_half(file, error):
    with files.replacing(file) as part:
        part.write_text("half")
        raise error


def test_a_file_is_replaced_only_when_all_is_written(tmp_path):
    file = tmp_path / "deep/t.txt"
    files.write("old", file)
    with pytest.raises(KeyError):
        write_half(file, KeyError())
    assert file.read_text() == "old"
    assert os.listdir(file.parent) == ["t.txt"]
    with pytest.raises(LabError, match=r"Cannot write .*Name a writable place"):
        files.write("new", file / "below a file")
    with pytest.raises(LabError, match="No space left on device"):
        write_half(file, OSError(28, "No space left on device"))
    assert file.read_text() == "old"
    assert os.listdir(file.parent) == ["t.txt"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_spreadsheet_runs_nothing_in_a_table(start):
    frame = pd.DataFrame({"path_id": [f"{start}cmd|' /C x'!A0", "plain"], start: [-1.0, np.nan]})
    rows = list(csv.reader(io.StringIO(files.csv_text(frame), newline="")))
    assert rows == [["path_id", f"'{start}"], [f"'{start}cmd|' /C x'!A0", "-1.0"], ["plain", ""]]
    assert frame["path_id"][0].startswith(start)  # the table itself is as it was


def test_categories_are_written_safely_too():
    frame = pd.DataFrame({"a": pd.Categorical(["=x", "y", None])})
    assert files.csv_text(frame).split()[1:3] == ["'=x", "y"]
