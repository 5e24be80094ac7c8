from pathlib import Path

import numpy as np
import pytest

from ecollm_lab.records import LabError
from ecollm_lab.traces import import_outcomes
from ecollm_lab.traces.importers.units import unit_of
from tests.support.recorded import frame, where_present, write

MS = Path("../shared/inputs/13_latency_ms.csv")


def values(trace, column):
    return trace.array(column)[0].tolist()


def notes(trace):
    return "; ".join(trace.provenance["notes"])


@pytest.mark.parametrize(
    ("name", "column", "unit"),
    [
        ("latency_s", "latency_ms", "ms"),
        ("latency_s", "Latency [ms]", "ms"),
        ("latency_s", "durationMs", "ms"),
        ("latency_s", "time (seconds)", "seconds"),
        ("latency_s", "latency_s", "s"),
        ("latency_s", "min_latency", ""),
        ("latency_s", "wait_min", "min"),
        ("cost_usd", "cost (CNY)", "cny"),
        ("cost_usd", "usd_cents", "cents"),
        ("cost_usd", "cost_usd_est", "usd"),
        ("quality", "accuracy_percent", "percent"),
        ("quality", "score %", "%"),
        ("quality", "f1", ""),
    ],
)
def test_the_name_of_a_column_says_its_unit(name, column, unit):
    assert unit_of(name, column) == unit


@where_present(MS)
def test_milliseconds_of_the_shared_input_become_seconds():
    trace = import_outcomes("long", MS)
    assert trace.of_path("a")["latency_s"].tolist()[:3] == [0.5, 0.501, 0.502]
    assert notes(trace) == "latency_s is latency_ms × 0.001 (ms)"


@pytest.mark.parametrize("column", ["latency_ms", "Latency (ms)", "latencyMs"])
def test_a_column_in_another_unit_is_found_and_converted_aloud(tmp_path, column):
    trace = import_outcomes("long", write(tmp_path, frame(**{column: [250, 500, 1, 2]})))
    assert values(trace, "latency_s") == [0.25, 0.5]
    assert notes(trace) == f"latency_s is {column} × 0.001 (ms)"


@pytest.mark.parametrize(
    ("table", "columns", "expected"),
    [
        ({"took": [250, 500, 1, 2]}, {"latency_s": ("took", "ms")}, {"latency_s": [0.25, 0.5]}),
        ({"fee": [70, 7, 0, 0]}, {"cost_usd": ("fee", "0.01")}, {"cost_usd": [0.7, 0.07]}),
        ({"cost_cny": [1, 2, 0, 0]}, {"cost_usd": ("cost_cny", "0.5")}, {"cost_usd": [0.5, 1.0]}),
        ({"quality": [87, 0.5, 100, 0]}, {"quality": ("quality", "percent")}, {}),
        ({"right_pct": [87, 0.5, 100, 0]}, {"quality": "right_pct"}, {}),
        ({"quality": ["87 %", "0.5%", "100%", ""]}, {}, {}),
        ({"quality": ["87 %", "0.5%", "NA", "100%"]}, {}, {}),
        ({"quality": ["87 %", "0.5", "NA", "100"]}, {"quality": ("quality", "percent")}, {}),
        ({"right_pct": ["87 %", "0.5", "NA", "100"]}, {"quality": "right_pct"}, {}),
    ],
)
def test_units_are_converted_where_they_are_given_or_said(tmp_path, table, columns, expected):
    expected = expected or {"quality": [0.87, 0.005]}
    for name in ("t.csv", "t.parquet"):
        trace = import_outcomes("long", write(tmp_path, frame(**table), name), columns=columns)
        for column, want in expected.items():
            np.testing.assert_allclose(values(trace, column), want)
            assert f"{column} is " in notes(trace)


def test_a_name_without_a_unit_is_taken_for_the_lab_s_own_and_that_is_said(tmp_path):
    file = write(tmp_path, frame(took=[1, 2, 3, 4], fee=[0.1] * 4))
    trace = import_outcomes("long", file, columns={"latency_s": "took", "cost_usd": "fee"})
    assert values(trace, "latency_s") == [1, 2]
    assert notes(trace) == (
        "cost_usd is fee, taken as US dollars; latency_s is took, taken as seconds"
    )
    assert not import_outcomes("long", write(tmp_path, frame(latency_s=1))).provenance["notes"]


def test_a_cost_per_query_is_a_cost(tmp_path):
    file = write(tmp_path, frame(usd_per_query=[1, 2, 0, 0]))
    trace = import_outcomes("long", file, columns={"cost_usd": "usd_per_query"})
    assert values(trace, "cost_usd") == [1, 2]
    assert not notes(trace)


def test_what_seems_odd_or_unread_is_said(tmp_path):
    trace = import_outcomes("long", write(tmp_path, frame(latency_s=[500, 600, 1, 2000])))
    assert values(trace, "latency_s") == [500, 600]  # the name says seconds
    assert "are 550 seconds or more; if that is wrong, name their unit" in notes(trace)
    trace = import_outcomes("long", write(tmp_path, frame(latency=[500, 600, 1, 2000])))
    assert trace.outcomes["latency_s"].isna().all()
    assert notes(trace).startswith("latency was not read: if it is latency_s, say --column")
    given = {"latency_s": ("latency_s", "s")}
    file = write(tmp_path, frame(latency_s=[500, 600, 1, 2000]))
    assert not notes(import_outcomes("long", file, columns=given))


@pytest.mark.parametrize(
    ("table", "columns", "says"),
    [
        (
            {"took": [500, 600, 1, 2000]},
            {"latency_s": "took"},
            r"are 550 seconds or more, .*--unit latency_s=ms",
        ),
        (
            {"fee": [50, 60, 70, 80]},
            {"cost_usd": "fee"},
            "are 65 US dollars or more, .*--unit cost_usd=cents",
        ),
        ({"usd_per_1k": [1, 2, 3, 4]}, {"cost_usd": "usd_per_1k"}, "a cost per 1k, .*=0.001 for"),
        ({"cost_per_mtok": [1] * 4}, {"cost_usd": "cost_per_mtok"}, "is a cost per mtok"),
        ({"fee_eur": [1, 2, 3, 4]}, {"cost_usd": "fee_eur"}, "is in EUR, .*Give the rate"),
        ({"fee": [1, 2, 3, 4]}, {"cost_usd": ("fee", "RMB")}, "is in RMB, .*Give the rate"),
        (
            {"took": [1, 2, 3, 4]},
            {"latency_s": ("took", "parsec")},
            "must be one of s, sec.*'parsec'",
        ),
        (
            {"took": [1, 2, 3, 4]},
            {"latency_s": ("took", "-1")},
            "a number: how many seconds one is",
        ),
        ({"quality": [87, 5, 1, 0]}, {}, r"within \[0, 1\], got '87'.*--unit quality=percent"),
        ({"quality": ["87 %", 1, 1, 0]}, {}, "got '87 %'.*--unit quality=percent"),
        (
            {"tokens_in": 1},
            {"tokens_in": ("tokens_in", "1000")},
            "with a unit .--unit. must be one of quality, cost_usd, latency_s; got 'tokens_in'",
        ),
        (
            {"quality": [87, 101, 1, 0]},
            {"quality": ("quality", "percent")},
            r"row 2: quality must be a number within \[0, 100\], got '101'",
        ),
    ],
)
def test_an_unlikely_or_unknown_unit_is_asked_for(tmp_path, table, columns, says):
    with pytest.raises(LabError, match=says):
        import_outcomes("long", write(tmp_path, frame(**table)), columns=columns)


def test_a_price_in_no_unit_is_not_read_and_one_in_another_currency_needs_a_rate(tmp_path):
    trace = import_outcomes("long", write(tmp_path, frame(price=[1, 2, 3, 4])))
    assert trace.outcomes["cost_usd"].isna().all()
    with pytest.raises(LabError, match="cost_cny is in CNY"):
        import_outcomes("long", write(tmp_path, frame(cost_cny=[1, 2, 3, 4])))


@pytest.mark.parametrize("column", ["latency_max", "latency_us"])
def test_a_column_that_may_be_meant_otherwise_is_not_taken_unasked(tmp_path, column):
    other = "latency_min" if column == "latency_max" else "latency_ms"
    table = frame(**{other: [1, 2, 3, 4], column: [5, 6, 7, 8]})
    trace = import_outcomes("long", write(tmp_path, table))
    assert trace.outcomes["latency_s"].isna().all()
    assert f"{other}, {column} was not read" in notes(trace)
