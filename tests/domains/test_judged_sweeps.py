"""Sweeps of a domain whose answers a hosted model grades."""

import dataclasses
import json
import threading
from pathlib import Path

import pytest

from ecollm_lab.domains import Grading
from ecollm_lab.domains.judging import build_judge_prompt
from ecollm_lab.models import ModelPool, load_catalog
from ecollm_lab.models.replies import most_usd
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.records import LabError
from ecollm_lab.sweeps import DomainOptions, Store, SweepOptions, fingerprints, sweep, sweep_domain
from ecollm_lab.traces import Trace
from tests.conftest import SMALL
from tests.support.endpoint import Endpoint

JUDGED = """
[prices]
date = "2026-01-01"
source = "test"
edge_usd_per_hour = 0.0
"""
POCKET = (
    f'[models.{SMALL}]\nplacement = "edge"\nfile = "{Path("tests/data/pocket-s.gguf").resolve()}"\n'
    "context = 1024\n"
)


def hosted(name, base_url, usd=0.0):
    return (
        f'[models.{name}]\nplacement = "cloud"\nbase_url = "{base_url}"\nprice_in_usd_per_mtok ='
        f" {usd}\nprice_out_usd_per_mtok = {usd}\nnetwork_delay_s = 0.0\ntimeout_s = 5.0\n"
    )


@pytest.fixture
def judged(domain, tmp_path):
    """A domain graded by a hosted judge, and two models that answer; one reply has no score."""

    def judge(prompt):
        answer = json.loads(prompt[prompt.index('{\n "question"') : prompt.rindex("\n\nReply")])[
            "answer"
        ]
        return {"90 grams": '{"score": 1}', "heavy": '{"score": 0}'}.get(answer, "let me think")

    with Endpoint(
        {
            "judge": judge,
            "right": "90 grams",
            "mixed": lambda prompt: "heavy" if "Halo" in prompt else "hm",
        }
    ) as server:
        (tmp_path / "models.toml").write_text(
            JUDGED
            + hosted("right", server.base_url)
            + hosted("mixed", server.base_url)
            + hosted("judge", server.base_url, 1.0)
        )
        yield (
            dataclasses.replace(domain, grading=Grading("judge", "judge")),
            load_catalog(tmp_path / "models.toml"),
            server,
        )


def sweep_judged(judged, encoder, file, **options):
    domain, catalog, _ = judged
    space = PathSpace.over(["right", "mixed"]).select(
        ["none/none/none/plain/right", "none/bm25-1/none/plain/right", "none/none/none/plain/mixed"]
    )
    marks = fingerprints(domain, catalog, encoder.name, space)
    with Store(file) as store, ModelPool(catalog) as models:
        progress = sweep(
            Pipeline(domain, catalog, encoder, models),
            domain.queries,
            space.paths,
            store,
            marks,
            SweepOptions(**options),
        )
        outcomes = {
            (o.query_id, o.path_id): o.quality
            for mark in set(marks.values())
            for o in store.outcomes(mark)
        }
        failures = [f for mark in set(marks.values()) for f in store.failures(mark)]
        return progress, outcomes, failures, store.spending(domain.name).charged_usd


def test_a_judge_is_asked_through_the_sweeps_journalled_calls_once_per_answer(
    judged, encoder, tmp_path
):
    server = judged[2]
    progress, outcomes, failures, charged = sweep_judged(judged, encoder, tmp_path / "s.sqlite")
    assert outcomes == {
        ("q1", "none/none/none/plain/right"): 1.0,
        ("q1", "none/bm25-1/none/plain/right"): 1.0,
        ("q2", "none/none/none/plain/right"): 1.0,
        ("q2", "none/bm25-1/none/plain/right"): 1.0,
        ("q1", "none/none/none/plain/mixed"): 0.0,
    }
    (failure,) = failures
    assert (failure.query_id, failure.path_id, progress.failed) == (
        "q2",
        "none/none/none/plain/mixed",
        1,
    )
    assert "did not reply with" in failure.error
    assert server.requests["judge"] == 4  # two paths of "right" gave the same answer to each query
    assert charged == pytest.approx(
        4 * 45e-6
    )  # the ledger holds the judge's calls, the only ones with a price
    again = sweep_judged(judged, encoder, tmp_path / "s.sqlite")
    assert again[1] == outcomes
    assert server.requests["judge"] == 4


def test_a_judge_is_opened_before_any_model_waits_for_its_reply(
    judged, encoder, tmp_path, monkeypatch
):
    opened, start = {}, ModelPool._start

    def noted(pool, model):
        opened[model.name] = threading.current_thread()
        return start(pool, model)

    monkeypatch.setattr(ModelPool, "_start", noted)
    sweep_judged(judged, encoder, tmp_path / "s.sqlite")
    assert opened["judge"] is threading.main_thread()


def test_a_judge_is_asked_once_where_calls_are_repeated_and_is_no_generation(
    judged, encoder, tmp_path
):
    domain, catalog, server = judged
    paths = PathSpace.over(["right"]).select(["none/none/none/plain/right"]).paths
    mark = fingerprints(domain, catalog, encoder.name, paths)
    with Store(tmp_path / "s.sqlite") as store, ModelPool(catalog) as models:
        pipeline = Pipeline(domain, catalog, encoder, models)
        repeated = SweepOptions(repeats=3, repeat_share=1.0)
        sweep(pipeline, domain.queries, paths, store, mark, repeated)
        assert server.requests == {"right": 6, "judge": 2}
        assert pipeline.executions["generate"] == 6


def test_a_hosted_judge_grades_what_the_edge_answers(domain, encoder, tmp_path):
    with Endpoint({"judge": '{"score": 0.5}'}) as server:
        (tmp_path / "models.toml").write_text(
            JUDGED + POCKET + hosted("judge", server.base_url, 1.0)
        )
        catalog = load_catalog(tmp_path / "models.toml")
        domain = dataclasses.replace(domain, grading=Grading("judge", "judge"))
        paths = PathSpace.over([SMALL]).select([f"none/bm25-1/none/plain/{SMALL}"]).paths
        mark = fingerprints(domain, catalog, encoder.name, paths)
        with Store(tmp_path / "s.sqlite") as store, ModelPool(catalog) as models:
            progress = sweep(
                Pipeline(domain, catalog, encoder, models), domain.queries, paths, store, mark
            )
            assert [o.quality for o in store.outcomes(mark[paths[0].id])] == [0.5, 0.5]
        assert (progress.done, server.requests["judge"]) == (2, 2)


def test_the_judges_calls_count_towards_the_cap(judged, encoder, tmp_path):
    domain, catalog, server = judged
    cap = (
        most_usd(catalog["judge"], build_judge_prompt(domain.queries[1], "90 grams")) + 60e-6
    )  # after two calls, 90e-6, none fits
    progress, outcomes, _, charged = sweep_judged(
        judged, encoder, tmp_path / "s.sqlite", max_cost_usd=cap
    )
    assert 0 < charged <= cap
    assert 1 <= server.requests["judge"] < 4
    assert len(outcomes) < 5
    assert progress.stopped


def test_a_judge_on_the_edge_device_is_refused_before_anything_runs(domain, encoder):
    catalog = load_catalog("tests/data/models.toml")
    with pytest.raises(LabError, match=f"'{SMALL}' runs on the edge device"):
        Pipeline(dataclasses.replace(domain, grading=Grading("judge", SMALL)), catalog, encoder, {})


def test_another_judge_is_another_fingerprint(judged, encoder):
    domain, catalog, _ = judged
    moved = dataclasses.replace(
        catalog,
        models={
            **catalog.models,
            "judge": dataclasses.replace(catalog["judge"], remote_name="judge-2"),
        },
    )
    space = PathSpace.over(["right"])
    assert not set(fingerprints(domain, catalog, "e", space).values()) & set(
        fingerprints(domain, moved, "e", space).values()
    )
    plain = dataclasses.replace(domain, grading=Grading())
    assert fingerprints(plain, catalog, "e", space) == fingerprints(plain, moved, "e", space)


def test_the_estimate_before_a_sweep_holds_the_judges_calls(judged, tmp_path):
    (tmp_path / "tiny").mkdir()
    rows = [
        {
            "id": f"q{i}",
            "text": f"Halo {i}?",
            "kind": "k",
            "references": ["r"],
            "facts": [],
            "gold": [],
            "split": "train",
        }
        for i in range(12)
    ]
    (tmp_path / "tiny/queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tiny/passages.jsonl").write_text(
        '{"id": "p", "title": "Halo bulb", "source": "manual", "text": "It weighs 90 grams."}\n'
    )
    (tmp_path / "tiny/domain.toml").write_text('grading = "judge"\njudge_model = "judge"\n')
    said = []
    sweep_domain(
        str(tmp_path / "tiny"),
        catalog_file=tmp_path / "models.toml",
        store_file=tmp_path / "s.sqlite",
        out=tmp_path / "t.parquet",
        options=DomainOptions(path_ids=["none/none/none/plain/mixed"]),
        on_estimate=said.extend,
    )
    estimates = {one.model: one for one in said}
    left = estimates["judge"].pairs
    assert 0 < left == 12 - estimates["judge"].n_calls  # some were measured ahead, to know a price
    assert estimates["judge"].usd == pytest.approx(left * 45e-6)
    assert Trace.load(tmp_path / "t.parquet").provenance["grading"] == "judge-1:judge"
