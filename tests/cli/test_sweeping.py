"""The command that measures a domain."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from ecollm_lab.traces import Trace
from tests.conftest import LARGE, MEDIUM, SMALL
from tests.support.commands import FOUR, call, stored


def options(place, **changes):
    named = {
        "domain": place / "home",
        "catalog": place / "models.toml",
        "store": place / "s.sqlite",
        "out": place / "t.parquet",
        **changes,
    }
    return [
        "sweep",
        *(
            str(word)
            for key, value in named.items()
            for word in (f"--{key.replace('_', '-')}", value)
        ),
    ]


def test_a_sweep_measures_resumes_and_exports(place):
    assert "5 outcomes measured, 0 reused" in call(
        *options(place, paths=FOUR.replace(",", ", "), limit=5), code=0
    )
    with (place / "t.log.jsonl").open("a") as log:
        log.write('{"outcomes": 7, "domain_dig')  # as a full disk leaves it
    second = call(*options(place, paths=FOUR), code=0)
    assert "11 outcomes measured, 5 reused" in second
    assert re.search(r"\d+ stage executions instead of 55, which is 0\.\d\d", second)
    first_line, cut, second_line = (place / "t.log.jsonl").read_text().splitlines()
    runs = [json.loads(first_line), json.loads(second_line)]
    last = call(*options(place, paths=FOUR), code=0)
    assert "0 outcomes measured, 16 reused" in last
    assert "stage executions" not in last
    assert (place / "t.log.jsonl").read_text().splitlines() == [
        first_line,
        cut,
        second_line,
    ]  # one for each run that measured anything
    assert [run["outcomes"] for run in runs] == [5, 11]
    asked = [sum(run["stage_executions_without_sharing"].values()) for run in runs]
    assert asked == [5 * 5, 11 * 5]
    assert all(
        0 < sum(run["stage_executions"].values()) < n and run["seconds"] >= 0
        for run, n in zip(runs, asked, strict=True)
    )
    trace = Trace.load(place / "t.parquet")
    assert trace.provenance["runs"] == runs
    assert len(trace.outcomes) == 16
    assert trace.provenance["source"] == "measured"
    cloud = trace.path_ids.index(f"none/bm25-1/none/plain/{LARGE}")
    assert (trace.array("latency_s")[:, cloud] > 0.08).all()  # the declared network delay


def test_hyde_runs_isolated_and_another_model_that_rewrites_measures_its_paths_anew(place):
    paths, catalog = (
        f"hyde/dense-1/none/plain/{SMALL},none/dense-1/none/plain/{SMALL}",
        place / "models.toml",
    )
    assert "8 outcomes measured, 0 reused" in call(
        *options(place, paths=paths), "--isolate", code=0
    )
    trace = Trace.load(place / "t.parquet")
    rewriting = trace.outcomes.groupby("path_id")["rewrite_s"]
    least, copying = (
        rewriting.min()[f"hyde/dense-1/none/plain/{SMALL}"],
        rewriting.median()[f"none/dense-1/none/plain/{SMALL}"],
    )
    assert least > 10 * copying  # a call
    catalog.write_text(
        re.sub(r'hyde_model = ".*"', f'hyde_model = "{MEDIUM}"', catalog.read_text())
    )
    assert "4 outcomes measured, 4 reused" in call(*options(place, paths=paths), code=0)
    catalog.write_text(catalog.read_text().replace(f'hyde_model = "{MEDIUM}"', ""))
    assert 'hyde_model = "NAME"' in call(*options(place, paths=paths), code=1)


@pytest.mark.parametrize(
    ("spoil", "changes", "says"),
    [
        (
            lambda p: (p / "home/passages.jsonl").unlink(),
            {},
            "passages.jsonl: No such file or directory",
        ),
        (
            lambda p: (p / "home/queries.jsonl").open("a").write("{oops\n"),
            {},
            "queries.jsonl:5: not JSON",
        ),
        (None, {"paths": f"none/bm42-1/none/{SMALL}"}, "Unknown retrieve component 'bm42-1'"),
        (None, {"paths": "none/bm25-1/none/plain/gpt-9"}, "Unknown generate component 'gpt-9'"),
        (lambda p: _edit(p, "network_delay_s", "# "), {}, "missing 'network_delay_s'"),
        (lambda p: _edit(p, "price_in_usd_per_mtok", "# "), {}, "missing 'price_in_usd_per_mtok'"),
        (lambda p: _elsewhere(p, SMALL).write_bytes(b"GGUF"), {}, "cut short or another version"),
        (lambda p: _elsewhere(p, MEDIUM), {}, "cannot read"),
        (lambda p: (p / "s.sqlite").write_bytes(b"junk" * 99), {}, "damaged or no store"),
        (lambda p: (p / "t.parquet").mkdir(), {}, "Cannot write"),
        (
            None,
            {"domain": "nowhere"},
            (
                "There is no domain or folder 'nowhere'. The lab's own domains: automotive,"
                " smart_home."
            ),
        ),
        (None, {"out": "t.csv"}, "ends in .parquet, got t.csv"),
        (None, {"paths": " , "}, "--paths names nothing"),
        (None, {"limit": -1}, "limit must be at least 0"),
    ],
)
def test_bad_input_is_one_clear_message_and_loses_nothing(place, spoil, changes, says):
    call(*options(place, paths=FOUR, limit=3, out=place / "early.parquet"), code=0)
    before = (place / "s.sqlite").read_bytes()
    if spoil:
        spoil(place)
    text = call(*options(place, **changes), code=1)
    assert says in text
    assert text.startswith("Error: ")
    assert "Traceback" not in text
    assert len(text.splitlines()) < 25
    if "damaged" not in says:
        assert (place / "s.sqlite").read_bytes() == before


def _elsewhere(place, model):
    """Let the catalog name another file for a model, one that is not there yet, and return it."""
    file, listed = place / f"{model}.gguf", place / "models.toml"
    listed.write_text(
        re.sub(
            rf'(models.{model}\]\nplacement = "edge"\nfile = )".*"',
            rf'\1"{file}"',
            listed.read_text(),
        )
    )
    return file


def _edit(place, line, prefix):
    file = place / "models.toml"
    file.write_text(file.read_text().replace(f"\n{line}", f"\n{prefix}{line}"))


def test_ctrl_c_keeps_everything_and_prints_how_to_go_on(place):
    # a background test run ignores it
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [
        sys.executable,
        "-c",
        f"{heed}; from ecollm_lab.cli import app; app()",
        *options(place),
    ]
    child = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    deadline = time.monotonic() + 120
    while not stored(place) and time.monotonic() < deadline:
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == 130, said
    assert "goes on from there" in said
    before = stored(place)
    assert before > 0
    assert f"{before} reused" in call(*options(place, limit=1), code=0)
