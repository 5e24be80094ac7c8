"""What the benchmark of scale makes of its measurements, by hand."""

import json
from pathlib import Path

import pytest

from benchmarks.scale import growth, main, sizes_to
from benchmarks.scale_projection import LEARNT, PEAK, needs, projection

ABOUT = {"cores": 2, "memory_gb": 24.0, "git_revision": "x", "measured_at": "2026-01-01"}


def row(metric, value, size, peak_mb=100.0):
    return {
        "metric": f"{metric}_s",
        "value": value,
        "size": size,
        "peak_mb": peak_mb,
        "base_mb": 100.0,
        **ABOUT,
    }


def records():
    size = 10**7
    rows = [
        row("load", 1.0, size, peak_mb=100.0 + 1024),
        row("front", 2.0, size),
        row("fit", 86.4, size, peak_mb=100.0 + 2048),
        row("replay", 1.0, size),
        row("move", 0.01, size),
        row("select", 0.1, 10**4),
        row("encode", 1.0, 100),
        row("emulator", 3.0, 10**4),
        {"metric": "file_mb", "value": 1024.0, "size": size, **ABOUT},
    ]
    growths = [("load", 0.9), ("front", 1.0), ("fit", 1.0), ("emulator", 2.0)]
    return rows + [
        {"metric": f"{part}_exponent", "value": 1.0, "last": last, **ABOUT}
        for part, last in growths
    ]


def test_the_exponent_is_the_slope_of_logarithms_and_that_of_the_last_step_stands_beside():
    rows = [row("load", seconds, size) for size, seconds in ((10, 1.0), (100, 10.0), (1000, 1e3))]
    (found,) = growth(rows, "load", at_most=1.1)
    assert found["value"] == pytest.approx(1.5)
    assert found["last"] == pytest.approx(2.0)
    assert found["at_most"] == 1.1
    assert growth(rows[:1], "load") == []


def test_sizes_are_the_powers_of_ten_up_to_the_largest():
    assert sizes_to(5e6) == [10**4, 10**5, 10**6]
    assert sizes_to(1e7)[-1] == 10**7
    assert sizes_to(9_999) == []


def test_a_largest_size_below_the_smallest_is_refused(tmp_path, monkeypatch, capsys):
    words = ["scale", "--json", str(tmp_path / "s.json"), "--largest", "100"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit):
        main()
    assert "--largest must be at least 10,000, got 100" in capsys.readouterr().err


def test_nothing_is_projected_from_a_single_size(tmp_path, monkeypatch):
    """A quick run measures the Emulator at one size."""
    file = tmp_path / "s.json"
    quick = [one for one in records() if one["metric"] != "emulator_exponent"]
    file.write_text(json.dumps(quick))
    monkeypatch.setattr("sys.argv", ["scale", "--project", str(file)])
    with pytest.raises(SystemExit, match="emulator was measured at one size alone"):
        main()


def test_needs_follow_from_the_records_and_the_worst_stands_first():
    found = {(need.part, need.kind): need for need in needs(records(), 86_400e3, 1000)}
    assert found["embed the queries", "cores"].needed == pytest.approx(PEAK * 1000 * 0.01)
    assert found["choose a path for each", "cores"].needed == pytest.approx(PEAK * 1000 * 1e-5)
    assert found["fit the policy", "GB"].needed == pytest.approx(2 * LEARNT * 1000 / 1e7)
    assert found["fit the policy", "s a day"].times == pytest.approx(1e-3)
    # below 1 an exponent would promise more than can be
    assert found["load a day's outcomes", "s a day"].needed == pytest.approx(8.64)
    assert found["Emulator: a batch of 1,000", "s"].needed == pytest.approx(0.03)
    times = [need.times for need in needs(records(), 1e9, 1e5)]
    assert times == sorted(times, reverse=True)


def test_what_one_machine_can_do_stays_where_it_is():
    lines = projection(records(), 1000, 10).splitlines()[4:]
    assert {line.split(" | ")[-1] for line in lines} == {"stays |"}
    lines = projection(records(), 1e9, 1e5).splitlines()[4:]
    assert lines[0].startswith("| embed the queries | 350 cores | 2 | 170 |")


def test_the_committed_records_are_of_a_whole_run_from_a_clean_tree():
    rows = json.loads(Path("data/benchmarks/scale.json").read_text())
    assert not [one for one in rows if one["quick"] or one["git_revision"].endswith("+")]
    assert max(one["size"] for one in rows if one["metric"] == "load_s") == 10**7
