"""Files: text read as the world writes it, and results written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from ecollm_lab.records import DATA, LabError

if TYPE_CHECKING:
    import pandas as pd

# What a text file begins with that is not UTF-8; the longer marks come first.
_OTHER_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_LINE_ENDS = re.compile("\r\n|\n|\r")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def resolved(file: FilePath | str) -> FilePath:
    """Return a file name with `~` put in; raise a `LabError` for a name that no file can have."""
    try:
        path = FilePath(file).expanduser()
        os.fsencode(path)
        if "\0" in str(path):
            raise ValueError("it holds a NUL character")
    except (RuntimeError, ValueError) as error:
        raise LabError(f"{str(file)!r} cannot be the name of a file: {error}.") from error
    return path


def own_data_advice(file: FilePath | str) -> str:
    """Return what to do if a file of the lab's own is not there, " …", else an empty text.

    An installed package holds code alone; domains, catalog and traces lie in the repository.
    """
    if DATA.is_dir() or not FilePath(file).is_relative_to(DATA):
        return ""
    return (
        " The lab's own domains, catalog and traces are not part of the installed package: get its"
        " repository and set ECOLLM_DATA to the folder `data` in it, or name a file of your own."
    )


def read_bytes(file: FilePath | str) -> bytes:
    """Return the content of a file; raise a `LabError` if it cannot be read or is empty."""
    path = resolved(file)
    try:
        data = path.read_bytes()
    except OSError as error:
        advice = own_data_advice(path)
        raise LabError(f"Cannot read {file}: {error.strerror or error}.{advice}") from error
    if not data:
        raise LabError(f"{file} is empty.")
    return data


def read_text(file: FilePath | str) -> str:
    r"""Return the content of a UTF-8 text file, without its byte order mark if it has one.

    Line ends stay as they are; `lines` knows "\n", "\r\n" and "\r".

    Raises
    ------
    LabError
        If the file cannot be read, is empty, or is not UTF-8: UTF-16 and UTF-32 are refused by
        name, other bytes with their line.

    """
    return decoded(read_bytes(file), str(file))


def decoded(data: bytes, name: str) -> str:
    """Return the text of a file's content, as `read_text` does; `name` is for messages."""
    for mark, encoding in _OTHER_MARKS.items():
        if data.startswith(mark):
            raise LabError(f"{name}:1: the text is {encoding}. Save it as UTF-8.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line_of(data, error.start)
        raise LabError(
            f"{name}:{line}: not UTF-8 (byte {data[error.start]:#04x}). Save it as UTF-8."
        ) from error
    if "\0" in text:  # UTF-16 of Latin letters without its mark is valid UTF-8 with NULs
        line = _line_of(data, data.index(b"\0"))
        raise LabError(
            f"{name}:{line}: a NUL byte, so this is UTF-16 or no text. Save it as UTF-8."
        )
    return text


def _line_of(data: bytes, position: int) -> int:
    return data[:position].count(b"\n") + 1


def lines(text: str) -> list[str]:
    r"""Return the lines of a text, ended by "\n", "\r\n" or "\r" and by nothing else.

    `str.splitlines` also cuts at U+2028, U+0085 and others, which may stand in a JSON string.

    Examples
    --------
    >>> lines('{"a": "one\u2028line"}\r\nsecond\n')
    ['{"a": "one\u2028line"}', 'second']

    """
    parts = _LINE_ENDS.split(text)
    return parts[:-1] if not parts[-1] else parts


def parse_json(text: str, where: str) -> Any:
    r"""Return the value of a JSON text, or raise a `LabError` that begins with `where`.

    Half of a surrogate pair, which `\ud83d` can spell and no file can store, is refused too.
    """
    try:
        value = json.loads(text)
        if "\\u" in text and _LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False)):
            raise ValueError(
                "half of a character (a lone surrogate, \\ud800 to \\udfff) stands in a text;"
                " write the whole character"
            )
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise LabError(f"{where}: not JSON: {why}. Correct it; got {text[:60]!r}.") from error
    return value


def json_lines(file: FilePath | str) -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each line of a JSON Lines file, but of blank lines.

    Raises
    ------
    LabError
        As `read_text` does, and for the first line that is not JSON, with its number.

    """
    for number, line in enumerate(lines(read_text(file)), start=1):
        if line.strip():
            yield number, parse_json(line, f"{file}:{number}")


def read_toml(file: FilePath | str) -> dict[str, Any]:
    """Return the table of a TOML file; raise a `LabError` with file and reason if there is none."""
    try:
        return tomllib.loads("\n".join(lines(read_text(file))))
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise LabError(f"{file}: not TOML: {why}.") from error


def require_parquet(file: FilePath) -> None:
    """Raise unless a trace's name says that it is Parquet."""
    if file.suffix != ".parquet":
        raise LabError(
            f"A trace is written as Parquet: give a name that ends in .parquet, got {file}."
        )


def require_distinct(files: Mapping[str, FilePath | str]) -> None:
    """Raise if two options, such as --store and --out, lead to one file: one would be lost."""
    seen: dict[FilePath, str] = {}
    for option, file in files.items():
        other = seen.setdefault(resolved(file).resolve(), option)
        if other != option:
            raise LabError(f"{other} and {option} are the same file, {file}. Name two files.")


def require_writable(file: FilePath) -> None:
    """Raise before anything is measured if a result could not be written."""
    file = resolved(file)
    folder = file.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(
            f"Cannot create {folder}: {error.strerror}. Name a writable place."
        ) from error
    if not os.access(folder, os.W_OK) or file.is_dir():
        raise LabError(
            f"Cannot write {file}: the folder is read-only or the name is taken by a folder. Name a"
            " writable place."
        )


@contextmanager
def replacing(file: FilePath | str) -> Iterator[FilePath]:
    """Yield the name of a file to write; it takes the place of `file` once all of it is written.

    The folder is made if it is not there. After an error nothing is left beside `file`, and `file`
    is what it was.

    Raises
    ------
    LabError
        If the file cannot be written.

    """
    path = resolved(file)
    if not path.name:
        raise LabError(f"Cannot write {str(file)!r}: it names no file. Name one.")
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise LabError(
            f"Cannot write {file}: {error.strerror or error}. Name a writable place."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write(text: str, file: FilePath | str) -> FilePath:
    """Write a text file in UTF-8, whole or not at all; half a character is written as "?".

    Returns where it lies, with `~` put in. Raises a `LabError` if it cannot be written.
    """
    with replacing(file) as part:
        part.write_bytes(text.encode("utf-8", errors="replace"))
    return resolved(file)


def csv_text(frame: pd.DataFrame) -> str:
    """Return a table as CSV that a spreadsheet opens without running anything in it.

    Texts that begin like a formula (=, +, -, @, a tab, a carriage return) get a quote in front.

    Examples
    --------
    >>> import pandas as pd
    >>> csv_text(pd.DataFrame({"path_id": ["=1+1", "small"], "quality": [0.5, -1.0]})).split()
    ['path_id,quality', "'=1+1,0.5", 'small,-1.0']

    """
    safe = frame.rename(columns=_unformulated)
    for place, dtype in enumerate(frame.dtypes):
        if dtype.kind not in "biufcmM":
            safe.isetitem(place, frame.iloc[:, place].astype(object).map(_unformulated))
    return safe.to_csv(index=False, lineterminator="\r\n")  # so that "\r" in a text is quoted


def _unformulated(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
