import shutil

import numpy as np
import pytest

from ecollm_lab.records import LabError
from ecollm_lab.traces import import_outcomes
from tests.support.recorded import DATA, outcome


def test_homeassistant_averages_the_repeats_of_each_request():
    trace = import_outcomes("homeassistant", DATA / "homeassistant", prices=DATA / "prices.csv")
    off, lit, door = (
        "assist/flat_se_lights-hall_light_off",
        "assist/flat_se_lights-is_the_hall_lit",
        "automations/door-door_alert",
    )
    assert trace.query_ids == [off, lit, door]
    cloudy, homely = outcome(trace, off, "cloudy"), outcome(trace, off, "homely")
    # two runs: 1.5005 and 2.5005 s; 2,100 tokens in each at 0.4, 30 and 50 out at 1.6 US dollars
    # per million
    assert (
        cloudy.quality,
        cloudy.latency_s,
        cloudy.tokens_in,
        cloudy.tokens_out,
        cloudy.n_repeats,
    ) == (1, 2.0005, 2100, 40, 2)
    assert cloudy.cost_usd == pytest.approx((2100 * 0.4 + 40 * 1.6) / 1e6)
    assert (homely.quality, homely.latency_s, homely.n_repeats) == (
        0.5,
        0.4,
        2,
    )  # one run has no details: not recorded
    assert np.isnan(
        [homely.cost_usd, homely.tokens_in, outcome(trace, lit, "homely").latency_s]
    ).all()
    assert outcome(trace, door, "cloudy").quality == 0.5  # one of two tests passed
    assert trace.queries["text"].tolist() == [
        'Hall "big" light off',
        "Is the hall lit?",
        "# Door\\nAlert",
    ]
    assert trace.queries["kind"].tolist() == ["light", "light,question", "media_player"]
    p = trace.provenance
    assert p["dropped"] == {"runs_of_other_versions": 1, "runs_without_a_verdict": 1}
    assert p["models"] == {"cloudy": {"placement": "cloud"}, "homely": {"placement": "edge"}}
    assert p["price_source"] == "prices.csv"
    assert (p["licence"], p["rows_averaged"]) == ("Apache-2.0", 4)


def test_homeassistant_without_prices_has_no_cost_and_can_leave_a_dataset_out():
    trace = import_outcomes(
        "homeassistant", DATA / "homeassistant", exclude=[("dataset", "automations")]
    )
    assert trace.outcomes["cost_usd"].isna().all()
    assert "cost_usd" in trace.provenance["not_recorded"]
    assert len(trace.query_ids) == 2


@pytest.mark.parametrize(
    ("name", "was", "now", "says"),
    [
        (
            "cloudy/flat_se_lights-hall_light_off-0.yaml",
            "task:",
            "task: [oops",
            r"off-0.yaml:\d+: not YAML",
        ),
        (
            "cloudy/flat_se_lights-hall_light_off-0.yaml",
            "context:",
            "contents:",
            "off-0.yaml:1: this is no report of a run",
        ),
        (
            "cloudy/flat_se_lights-hall_light_off-0.yaml",
            "1500.5",
            "soon",
            "off-0.yaml:33: duration_ms must be a number, got 'soon'",
        ),
        (
            "cloudy/flat_se_lights-hall_light_off-0.yaml",
            "1500.5",
            "-1",
            "report.csv, row 1: latency_s must be a number >= 0",
        ),
        ("report.csv", '"Bad"', '"Meh"', "report.csv, row 4: label must be Good or Bad, got 'Meh'"),
        ("report.csv", "label", "verdict", "has no column label; it has: task_id"),
    ],
)
def test_a_broken_report_is_named_with_its_line(tmp_path, name, was, now, says):
    shutil.copytree(DATA / "homeassistant", tmp_path / "clone")
    file = tmp_path / "clone/reports/assist/2025.4.3" / name
    assert was in file.read_text()
    file.write_text(file.read_text().replace(was, now))
    with pytest.raises(LabError, match=says):
        import_outcomes("homeassistant", tmp_path / "clone")


def test_a_folder_without_reports_is_no_clone(tmp_path):
    for place in (tmp_path, DATA / "long.csv"):
        with pytest.raises(LabError, match="name the folder of a clone of home-assistant-datasets"):
            import_outcomes("homeassistant", place)


def test_yaml_tags_are_text_and_never_followed(tmp_path):
    shutil.copytree(DATA / "homeassistant", tmp_path / "clone")
    file = tmp_path / "clone/reports/assist/2025.4.3/cloudy/flat_se_lights-hall_light_off-0.yaml"
    file.write_text(
        file.read_text() + f"  more: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n"
    )
    assert len(import_outcomes("homeassistant", tmp_path / "clone").query_ids) == 3
    assert not (tmp_path / "made").exists()
