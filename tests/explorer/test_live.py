"""Sweeps and explorations beside the notebook, with a real small model."""

import threading
import time
from pathlib import Path

import pytest

from ecollm_lab.emulator import Budget
from ecollm_lab.explorer import emulate_live, live, sweep_live
from ecollm_lab.records import LabError, Outcome
from ecollm_lab.sweeps import Progress, Store
from tests.conftest import SMALL

PATHS = [f"none/none/none/{SMALL}", f"none/bm25-1/none/{SMALL}"]
RECORDED = [f"none/{found}/none/plain/smollm2-135m" for found in ("dense-1", "hybrid-1")]


@pytest.fixture
def options(tmp_path):
    return {
        "catalog_file": Path("tests/data/models.toml"),
        "store_file": tmp_path / "outcomes.sqlite",
        "out": tmp_path / "trace.parquet",
        "path_ids": PATHS,
    }


@pytest.fixture
def held_at_five(monkeypatch):
    """Let a sweep get no further than its fifth outcome until it is asked to stop: however fast the
    machine, the stop comes in time.
    """

    def held(domain, *, stop, on_progress, **options):
        def report(progress):
            on_progress(progress)
            if progress.done >= 5:
                assert stop.wait(60)

        return sweep_domain(domain, stop=stop, on_progress=report, **options)

    sweep_domain = live.sweep_domain
    monkeypatch.setattr(live, "sweep_domain", held)


def stored(options):
    with Store(options["store_file"]) as store:
        return store._db.execute("SELECT count(*) FROM outcomes").fetchone()[0]


def test_a_sweep_runs_beside_other_work_and_shows_what_it_did(options):
    view = sweep_live("data/smart_home", limit=30, **options)
    work = 0
    while view.job.state == "running":
        work += len(sorted(range(1000)))  # the kernel's thread goes on
        time.sleep(0.01)
    trace, _, progress = view.result(60)
    assert work > 10_000
    assert view.job is not threading.current_thread()
    assert (progress.done, stored(options), len(trace.outcomes)) == (30, 30, 30)
    view.job.join()
    assert (view.bar.value, view.bar.max, view.bar.bar_style) == (30, 30, "success")
    assert "30 of 30 outcomes" in view.line.value
    for path in view.job.tally.front()["path_id"]:
        assert path in view.table.value
    assert view.stop_button.disabled


def test_the_stop_button_loses_nothing_and_the_next_call_goes_on(
    options, held_at_five, monkeypatch
):
    view = sweep_live("data/smart_home", **options)
    while view.job.is_alive() and (view.job.progress is None or view.job.progress.done < 3):
        time.sleep(0.01)
    view.stop_button.click()
    assert view.bar.value >= 3
    _, _, first = view.result(60)
    view.job.join()
    assert 3 <= first.done < first.total
    assert (stored(options), view.bar.bar_style, view.job.state) == (
        first.done,
        "warning",
        "stopped",
    )
    assert "Stopped" in view.line.value
    assert "go on" in view.line.value
    monkeypatch.undo()
    again = sweep_live("data/smart_home", limit=5, **options)
    assert again.result(60)[2].reused == first.done
    assert stored(options) == first.done + 5


def test_running_the_cell_again_shows_the_same_job(options, held_at_five):
    first = sweep_live("data/smart_home", **options)
    again = sweep_live("data/smart_home", **options)
    assert again.job is first.job
    with pytest.raises(
        LabError, match=r"is running, asked for sweep data/smart_home.*stop\(\) it first"
    ):
        sweep_live("data/smart_home", limit=1, **options)
    while first.job.is_alive() and first.job.progress is None:
        time.sleep(0.01)
    again.stop()
    assert first.bar.value
    assert first.result(60)[2].stopped == "stopped on request"


def test_an_exploration_reports_and_hands_over_its_report(options):
    view = emulate_live("data/smart_home", budget=Budget(share=0.05), **options)
    assert "Ended because: budget spent" in view.result(60)
    view.job.join()
    assert view.bar.value == view.bar.max == stored(options)
    emulate_live(
        "data/smart_home",
        budget=Budget(share=0.05),
        replay=Path("data/traces/smart_home.parquet"),
        **options | {"path_ids": RECORDED},
    ).result(60)


@pytest.mark.parametrize(
    ("domain", "changes", "says"),
    [
        ("data/nowhere", {}, "data/nowhere"),
        ("data/smart_home", {"limit": -1}, "limit must be"),
        ("data/smart_home", {"limt": 3}, "limt"),
    ],
)
def test_an_error_is_shown_in_the_view_and_raised_by_the_result(options, domain, changes, says):
    view = sweep_live(domain, **options | changes)
    with pytest.raises((LabError, TypeError), match=says):
        view.result(60)
    view.job.join()
    assert says in view.line.value
    assert (view.bar.bar_style, view.stop_button.disabled) == ("danger", True)


def test_hostile_text_is_text_and_failures_and_retries_are_counted(options, monkeypatch):
    def scripted(domain, *, stop, on_progress, **_):
        bad = "<script>alert(1)</script>"
        on_progress(
            Progress(
                9,
                done=1,
                failed=2,
                retried=1234,
                latest=Outcome("q", f"none/none/none/{bad}", 1.0, 1e-6, 0.1, 1, 1),
            )
        )
        raise LabError(f"the endpoint said {bad}")

    monkeypatch.setattr(live, "sweep_domain", scripted)
    view = sweep_live("data/smart_home", **options)
    view.job.join(10)
    assert "2 failed" in view.line.value
    assert "1,234 calls tried again" in view.line.value
    assert "&lt;script&gt;" in view.line.value
    assert "&lt;script&gt;" in view.table.value
    assert "<script>" not in view.line.value + view.table.value
