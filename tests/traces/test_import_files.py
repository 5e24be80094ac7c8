import io
import pickle
import zipfile
from pathlib import Path

import pytest

from ecollm_lab.records import LabError
from ecollm_lab.traces import import_outcomes
from tests.support.recorded import DATA, frame, write


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.csv", None, "there is no such file or folder"),
        ("t.csv", b"", "t.csv is empty"),
        ("t.csv", b"query_id,path_id,quality\n", "has columns but no row"),
        ("t.csv", b"\n\n", "is no CSV table"),
        ("t.csv", b"query_id,path_id,quality\na,x,1\nb,x,1,2\n", "is no CSV table: .*line 3"),
        (
            "t.csv",
            b"query_id,path_id,quality\na,x,1,9\nb,x,1,9\n",
            "line 2 has 4 cells, its header 3",
        ),
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


def _pickles(marker):
    """Return pickles, by name, whose loading would create the marker file: `open(marker, "w")`."""
    call = b"cbuiltins\nopen\n(V" + str(marker).encode() + b"\nVw\ntR."
    binary = b"\x80\x02" + call

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

    pickle.loads(_pickles(marker)["rb.pkl"]).close()
    assert marker.exists()  # the pickle is a live one


def test_no_code_of_the_package_can_unpickle():
    source = "".join(file.read_text() for file in Path("ecollm_lab/traces/importers").glob("*.py"))
    assert "def import_outcomes" in source
    assert "import pickle" not in source
    assert "read_pickle" not in source
    assert "allow_pickle" not in source
