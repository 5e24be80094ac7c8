"""What files on users' disks depend on: these values change only with a version that says so."""

import shutil
from pathlib import Path

import pytest

from ecollm_lab.domains import load_domain
from ecollm_lab.models import Catalog, Reply
from ecollm_lab.paths import PathSpace
from ecollm_lab.policies import load_policy
from ecollm_lab.records import SLO, Outcome
from ecollm_lab.sweeps import Store, fingerprints
from ecollm_lab.sweeps.calls import call_key
from ecollm_lab.sweeps.store.store import Failure
from tests.conftest import LetterEncoder
from tests.support.rig import cloud, domain

BEFORE = Path("tests/data/before_the_move")  # written at revision 3515d63
PATH = "none/bm25-1/none/plain/pinned"  # stored with four parts, before the prompt was a stage
KEY = "19ab524d14691a8d0b40c3012b20e1eef433241884793ce4d8827270085e9c28"
FINGERPRINT = "959a6b9dc2ad2ead"  # with version 1 of the grader facts
TODAY = "422f5a806c5461a4"


@pytest.fixture
def catalog():
    model = cloud("pinned", "http://127.0.0.1:9/v1")
    return Catalog({"pinned": model}, 0.01, "2026-01-01", "test", "x")


@pytest.mark.parametrize(
    ("name", "digest"), [("smart_home", "16d1ef999392f356"), ("automotive", "c1c561581aa9f0e8")]
)
def test_the_digest_of_a_domain_stays(name, digest):
    assert load_domain(Path("data") / name).digest == digest


def test_the_key_of_a_call_stays(catalog):
    assert call_key(catalog["pinned"].identity(), "Question: how heavy is it?") == KEY


def test_the_fingerprint_of_outcomes_stays(catalog):
    assert fingerprints(domain(2), catalog, "letters", PathSpace.of(catalog))[PATH] == TODAY


def test_a_store_of_an_earlier_edition_gives_back_all_that_it_holds(tmp_path):
    file = shutil.copy(BEFORE / "store.sqlite", tmp_path)
    with Store(file) as store:
        assert list(store.outcomes(FINGERPRINT)) == [
            Outcome(
                "q00000", PATH, 1.0, 0.0004, 0.26, 40, 5, "90 grams", (0.0, 0.01, 0.0, 0.0, 0.25)
            )
        ]
        assert list(store.failures(FINGERPRINT)) == [
            Failure("q00001", PATH, "failed", 3, "the endpoint said 500")
        ]
        assert store.reply(KEY) == Reply("90 grams", 40, 5, 0.25, retry_s=0.5, attempts=2)
        assert store.spending("scripted").charged_usd == pytest.approx(0.0004)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ours", [-0.3384828948264709, 1.2711888422843685, 0.7887103225795492]),
        ("knn", [0.0, 1.0, 0.8]),
        ("threshold", [-0.1426393201671725, 0.9966715863649949, 0.8792858909174466]),
    ],
)
def test_a_policy_file_of_an_earlier_edition_chooses_as_it_did(name, expected):
    policy = load_policy(BEFORE / f"{name}.npz", encoder=LetterEncoder())
    embeddings = LetterEncoder().encode(["adjacent"])
    chosen = policy.select(embeddings, SLO(max_latency_s=0.3))
    assert chosen.tolist() == ["none/bm25-2/none/pocket-xl"]
    assert policy.predict(embeddings)[0] == pytest.approx(expected, rel=1e-6)
