"""What a sweep says when nothing could be measured, or its files cannot be where they should."""

import shutil
from pathlib import Path

import pytest

from ecollm_lab.emulator import Budget, ExplorationOptions, emulate_domain
from ecollm_lab.records import LabError
from ecollm_lab.sweeps import DomainOptions, Ended, sweep_domain
from tests.conftest import LetterEncoder
from tests.support.commands import call
from tests.support.rig import HOSTED_CATALOG

PATHS = ("none/none/none/plain/hosted",)


@pytest.fixture(autouse=True)
def _quick_encoder(monkeypatch):
    """No path here retrieves, so that no text needs to be embedded."""
    monkeypatch.setattr("ecollm_lab.sweeps.domains.default_encoder", LetterEncoder)


def files(judge, place, remote):
    (place / "models.toml").write_text(
        HOSTED_CATALOG.format(base_url=judge.base_url, remote=remote)
    )
    return {
        "catalog_file": place / "models.toml",
        "store_file": place / "s.sqlite",
        "out": place / "t.parquet",
    }


@pytest.mark.parametrize(
    ("remote", "says"),
    [
        ("status:404", "it does not know the model or address.*no, not for you"),
        ("status:401", "it refused the key"),
        (
            "perm:100",
            r"\d+ pairs failed, for example \S+ on none/none/none/plain/hosted: .*not allowed",
        ),
        ("filter", "content filter"),
    ],
)
def test_if_every_pair_fails_the_recorded_reason_is_what_is_said(judge, tmp_path, remote, says):
    options = DomainOptions(path_ids=PATHS, limit=4)
    with pytest.raises(LabError, match=f"(?s)Nothing was measured.*{says}") as raised:
        sweep_domain("data/smart_home", options=options, **files(judge, tmp_path, remote))
    assert "There are no outcomes" not in str(raised.value)
    assert not (tmp_path / "t.parquet").exists()


def test_the_command_says_the_reason_too(judge, tmp_path):
    places = files(judge, tmp_path, "perm:100")
    words = [f"--{name.partition('_')[0]}" for name in places]
    pairs = [word for pair in zip(words, places.values(), strict=True) for word in pair]
    said = call(
        "sweep", "--domain", "smart_home", "--limit", 3, "--paths", PATHS[0], *pairs, code=1
    )
    assert "this prompt is not allowed" in said
    assert "Traceback" not in said


def test_a_store_that_is_also_the_trace_is_refused_and_not_touched(judge, tmp_path):
    places = files(judge, tmp_path, "ok")
    options = DomainOptions(path_ids=PATHS, limit=3)
    sweep_domain("data/smart_home", options=options, **places)
    shutil.move(places["store_file"], tmp_path / "s.parquet")
    held = (tmp_path / "s.parquet").read_bytes()
    (tmp_path / "link.parquet").symlink_to(tmp_path / "s.parquet")
    for store, out in (("s.parquet", "s.parquet"), ("s.parquet", "link.parquet")):
        places |= {"store_file": tmp_path / store, "out": tmp_path / out}
        with pytest.raises(LabError, match="--store and --out are the same file"):
            sweep_domain("data/smart_home", options=options, **places)
        with pytest.raises(LabError, match="--store and --out are the same file"):
            emulate_domain("data/smart_home", budget=Budget(outcomes=3), **places)
    assert (tmp_path / "s.parquet").read_bytes() == held


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"out": "models.toml/t.parquet"}, "Cannot create"),
        ({"out": "~nosuch/t.parquet"}, "cannot be the name of a file"),
        ({"out": "a\0b.parquet"}, "cannot be the name of a file"),
        ({"store_file": "a\0b"}, "cannot be the name of a file"),
        ({"store_file": "~nosuch/s.sqlite"}, "cannot be the name of a file"),
        ({"store_file": ":memory:"}, "must be a file"),
        ({"catalog_file": "a\0b.toml"}, "model catalog"),
        ({"catalog_file": "~nosuch/models.toml"}, "model catalog"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_anything_is_asked(
    judge, tmp_path, monkeypatch, changes, says
):
    places = files(judge, tmp_path, "ok")
    home = Path("data/smart_home").resolve()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError, match=says):
        sweep_domain(str(home), **places | {key: Path(v) for key, v in changes.items()})
    assert judge.requests("ok") == 0


@pytest.mark.parametrize("domain", ["~nosuch/home", "a\0b"])
def test_a_domain_that_no_folder_can_have_as_its_name_is_refused(judge, tmp_path, domain):
    with pytest.raises(LabError):
        sweep_domain(domain, **files(judge, tmp_path, "ok"))


@pytest.mark.parametrize("taken", ["t.log.jsonl", "t.parquet"])
def test_a_folder_in_the_place_of_a_result_is_refused_before_anything_is_asked(
    judge, tmp_path, taken
):
    (tmp_path / taken).mkdir()
    with pytest.raises(LabError, match=f"Cannot write .*{taken}"):
        sweep_domain("data/smart_home", **files(judge, tmp_path, "ok"))
    assert judge.requests("ok") == 0


@pytest.mark.parametrize("lost", ["t.log.jsonl", "t.parquet"])
def test_a_result_that_can_no_longer_be_written_is_a_message_and_loses_no_outcome(
    judge, tmp_path, lost
):
    places = files(judge, tmp_path, "ok:20")
    options = DomainOptions(path_ids=PATHS, limit=6)

    def take_the_place(progress):
        (tmp_path / lost).mkdir(exist_ok=True)

    with pytest.raises(LabError, match=f"Cannot write .*{lost}"):
        sweep_domain("data/smart_home", options=options, on_progress=take_the_place, **places)
    (tmp_path / lost).rmdir()
    _, _, progress = sweep_domain("data/smart_home", options=options, **places)
    assert (progress.reused, progress.done, progress.ended) == (6, 6, None)


def test_a_sweep_that_a_cap_ends_early_says_so_as_a_kind_and_as_a_sentence(judge, tmp_path):
    options = DomainOptions(path_ids=PATHS, max_cost_usd=0.003)
    trace, _, progress = sweep_domain(
        "data/smart_home", options=options, **files(judge, tmp_path, "ok")
    )
    assert progress.ended is Ended.BUDGET
    assert "budget spent" in progress.stopped
    assert trace.provenance["sweep"]["charged_usd"] <= 0.003


def test_an_exploration_passes_on_the_notices_of_its_sweeps(judge, tmp_path):
    seen = []
    emulate_domain(
        "data/smart_home",
        Budget(outcomes=4),
        options=ExplorationOptions(path_ids=list(PATHS)),
        on_progress=lambda progress: seen.append(list(progress.notices)),
        **files(judge, tmp_path, "verbose:20"),
    )
    assert any("billed" in notice for notice in seen[-1])
