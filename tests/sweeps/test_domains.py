"""Sweeping a domain on a hosted endpoint: failures stay visible, the price is estimated first."""

from dataclasses import replace

import pytest

from ecollm_lab.domains import load_domain
from ecollm_lab.emulator import Budget, ExplorationOptions, emulate_domain
from ecollm_lab.models import load_catalog
from ecollm_lab.records import LabError
from ecollm_lab.sweeps import DomainOptions, Ended, Store, sweep_domain
from ecollm_lab.sweeps.domains import _log
from ecollm_lab.sweeps.pairs import setup_digest
from ecollm_lab.sweeps.preflight import FIRST
from ecollm_lab.traces import Trace
from tests.conftest import LARGE, LetterEncoder
from tests.support.rig import HOSTED_CATALOG

HOME = load_domain("data/smart_home")
N_QUERIES = len(HOME.queries)


@pytest.fixture(autouse=True)
def _quick_encoder(monkeypatch):
    """What is retrieved does not matter here, so that no text needs to be embedded by a model."""
    monkeypatch.setattr("ecollm_lab.sweeps.domains.default_encoder", LetterEncoder)
    monkeypatch.setattr("ecollm_lab.emulator.domains.default_encoder", LetterEncoder)


def options(judge, place, remote):
    (place / "models.toml").write_text(
        HOSTED_CATALOG.format(base_url=judge.base_url, remote=remote)
    )
    return {
        "catalog_file": place / "models.toml",
        "store_file": place / "s.sqlite",
        "out": place / "t.parquet",
    }


def test_runs_add_up_only_with_the_same_domain_models_and_prices(tmp_path):
    file = tmp_path / "t.log.jsonl"

    def logged(setup, n, failed=0):
        run = {"setup": setup, "outcomes": n, "failed": failed}
        return [one["outcomes"] for one in _log(file, run)]

    assert logged("a", 1) == [1]
    assert logged("b", 2) == [2]
    with file.open("a") as log:
        log.write('{"outcomes": 3}\n')  # of an older log
    assert logged("a", 4) == [1, 4]
    assert logged("b", 0) == [2]  # a run that measured nothing is not added
    assert logged("b", 0, failed=1) == [2, 0]
    catalog = load_catalog("tests/data/models.toml")
    digest = setup_digest(HOME, catalog, "letters")
    assert digest == setup_digest(HOME, catalog, "letters")
    dearer = replace(
        catalog,
        models={
            **catalog.models,
            LARGE: replace(catalog[LARGE], price_in_usd_per_mtok=9.0),
        },
    )
    assert (
        len({digest, setup_digest(HOME, dearer, "letters"), setup_digest(HOME, catalog, "words")})
        == 3
    )


def test_failed_pairs_are_in_the_provenance_and_in_every_source_line(judge, tmp_path):
    said, seen = [], []
    trace, out, progress = sweep_domain(
        "data/smart_home",
        options=DomainOptions(path_ids=["none/none/none/plain/hosted"]),
        on_estimate=said.extend,
        on_progress=lambda p: seen.append(p.latest),
        **options(judge, tmp_path, "perm:10"),
    )
    table = Trace.load(out).queries
    assert table["evidence_bm25_top"].between(0.1, 100).mean() > 0.5
    assert 10 < table["product"].nunique() < 40
    about = Trace.load(out).provenance["sweep"]
    assert 0 < about["failed"] == len(about["failures"]) < about["n"] == len(trace.outcomes)
    assert about["n"] + about["failed"] == progress.total + progress.reused == N_QUERIES
    assert progress.done + progress.failed == N_QUERIES
    assert progress.cost_usd == pytest.approx(
        trace.outcomes["cost_usd"].sum()
    )  # that of the calls made ahead is in it
    assert all(
        "not allowed" in failure["error"] and failure["attempts"] >= 1
        for failure in about["failures"]
    )
    assert f"{about['failed']} pairs failed" in trace.source_line
    assert {"queue_s", "retry_s", "repeats", "latency_spread_s", "truncated"} <= set(trace.outcomes)
    (estimate,) = said
    assert estimate.low_usd <= estimate.usd <= estimate.high_usd
    assert estimate.pairs == N_QUERIES - FIRST
    assert len(seen) >= N_QUERIES


def test_an_exploration_goes_on_past_failed_pairs(judge, tmp_path):
    ids = [
        "none/none/none/plain/hosted",
        "none/bm25-1/none/plain/hosted",
        "none/bm25-3/none/plain/hosted",
    ]
    seen = []
    report = emulate_domain(
        "data/smart_home",
        Budget(outcomes=60),
        options=ExplorationOptions(path_ids=ids),
        on_progress=lambda p: seen.append((p.done, p.failed)),
        **options(judge, tmp_path, "perm:20"),
    )
    assert f"60 of {len(ids) * len(HOME.split('train'))} outcomes" in report
    assert "budget spent" in report
    done, failed = seen[-1]
    assert failed > 0
    assert done + failed == 60
    assert len(Trace.load(tmp_path / "t.parquet").outcomes) == done


def test_an_exploration_ends_with_a_report_when_the_endpoint_is_owed_no_more(judge, tmp_path):
    ids = ["none/none/none/plain/hosted", "none/bm25-1/none/plain/hosted"]
    given = {"options": ExplorationOptions(path_ids=ids), **options(judge, tmp_path, "ok")}
    report = emulate_domain("data/smart_home", budget=Budget(cost_usd=0.02), **given)
    assert "Ended because: run stopped early; budget spent: 0." in report
    for _ in range(3):  # what was reserved and not billed may buy a call or two more
        again = emulate_domain("data/smart_home", budget=Budget(cost_usd=0.02), **given)
        if "budget spent" not in again:
            break
    assert "Ended because: run stopped early; max_cost_usd 0.02 cannot buy one more call" in again
    with Store(tmp_path / "s.sqlite") as store:
        assert 0.01 < store.spending("smart_home").charged_usd <= 0.02
    (tmp_path / "s.sqlite").unlink()
    with pytest.raises(LabError, match="cannot buy one more call"):
        emulate_domain("data/smart_home", budget=Budget(cost_usd=1e-6), **given)


HOSTED = "none/none/none/plain/hosted"


def test_outcomes_of_a_model_that_has_another_name_today_are_not_its_successors(judge, tmp_path):
    given = options(judge, tmp_path, "ok")
    some = DomainOptions(path_ids=[HOSTED], limit=3)
    assert len(sweep_domain("data/smart_home", options=some, **given)[0].outcomes) == 3
    tables = [HOSTED_CATALOG.format(base_url=judge.base_url, remote=r) for r in ("parts", "ok")]
    mini = tables[1].partition("[models.hosted]")[2]
    given["catalog_file"].write_text(f"{tables[0]}[models.mini]{mini}")
    both = DomainOptions(path_ids=[HOSTED, HOSTED.replace("hosted", "mini")], limit=0)
    with pytest.raises(LabError, match="Nothing was measured"):
        sweep_domain("data/smart_home", options=both, **given)


def test_if_the_first_calls_spend_the_cap_what_they_brought_is_exported(judge, tmp_path):
    said = []
    trace, _, progress = sweep_domain(
        "data/smart_home",
        options=DomainOptions(path_ids=[HOSTED], max_cost_usd=0.001),
        on_estimate=said.extend,
        **options(judge, tmp_path, "ok"),
    )
    assert progress.ended is Ended.BUDGET
    assert 0 < progress.done == len(trace.outcomes) < N_QUERIES
    assert "cannot buy one more call" in progress.stopped
    assert len(said) == 1


def test_a_first_call_that_was_paid_in_vain_is_not_paid_again_in_the_same_run(judge, tmp_path):
    said = []
    with pytest.raises(LabError, match=f"{N_QUERIES} pairs failed"):
        sweep_domain(
            "data/smart_home",
            options=DomainOptions(path_ids=[HOSTED]),
            on_estimate=said.extend,
            **options(judge, tmp_path, "empty"),
        )
    asked = judge.counters()["per_key"]["empty"]
    assert (set(asked.values()), len(asked)) == ({1}, N_QUERIES)


def test_calls_made_ahead_are_of_the_pairs_that_are_asked_for(judge, tmp_path):
    said, some = [], {(query.id, HOSTED) for query in HOME.queries[-12:]}
    trace, _, progress = sweep_domain(
        "data/smart_home",
        options=DomainOptions(path_ids=[HOSTED], only=some),
        on_estimate=said.extend,
        **options(judge, tmp_path, "ok"),
    )
    assert (progress.done, judge.requests("ok"), said[0].pairs) == (12, 12, 12 - FIRST)
    assert set(trace.outcomes[["query_id", "path_id"]].itertuples(index=False, name=None)) == some


def test_a_prompt_of_a_first_call_that_was_paid_in_vain_is_not_paid_again_on_another_path(
    judge, tmp_path
):
    ids = [f"{rewrite}/bm25-1/none/plain/hosted" for rewrite in ("none", "keywords")]
    with pytest.raises(LabError, match=f"{2 * N_QUERIES} pairs failed"):
        sweep_domain(
            "data/smart_home",
            options=DomainOptions(path_ids=ids),
            on_estimate=lambda _: None,
            **options(judge, tmp_path, "empty"),
        )
    asked = judge.counters()["per_key"]["empty"]
    assert set(asked.values()) == {1}
    assert len(asked) < 1.5 * N_QUERIES  # most of the prompts are those of both paths
