"""The tables of routing, and what is saved on average, from records by hand."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.routing_tables import AVERAGED, averaged, markdown


def savings(share=0.5):
    """Records of what each trace of the average spends, with intervals of ± .2."""
    rows = [
        {"trace": trace, "policy": policy, "metric": metric, "value": value, "against": against}
        for trace in AVERAGED
        for policy in ("ours", "ours_giving_up_nothing")
        for against in ("best_single", "best_router")
        for metric, value in (
            (f"cost_usd_of_{against}", share),
            (f"latency_s_of_{against}", 1.0),
            (f"cost_quality_over_{against}", 0.0),
            (f"latency_quality_over_{against}", 0.0),
        )
    ]
    frame = pd.DataFrame(rows).assign(slo=None)
    return frame.assign(ci_low=frame["value"] - 0.2, ci_high=frame["value"] + 0.2)


def test_what_is_saved_is_averaged_with_an_interval_over_independent_traces():
    frame = savings()
    frame.loc[(frame["trace"] == "bfcl") & (frame["value"] == 0.5), ["value", "ci_low"]] -= 0.4
    found = {(row["metric"], row["policy"]): row for row in averaged(frame)}
    cost = found["cost_usd_saved", "ours_giving_up_nothing"]
    assert cost["value"] == pytest.approx(0.6)
    assert (cost["at_least"], cost["n_traces"]) == (0.6, 4)
    # distances of shares to their lower ends are .2, to their upper ends .2 and for bfcl .6
    assert cost["ci_high"] - cost["value"] == pytest.approx(0.4 / 4)
    assert cost["value"] - cost["ci_low"] == pytest.approx(np.sqrt(3 * 0.04 + 0.36) / 4)
    assert "at_least" not in found["cost_usd_saved", "ours"]
    assert found["latency_quality_over_best_single", "ours_giving_up_nothing"]["value"] == 0.0
    assert averaged(frame[frame["trace"] != "bfcl"]) == []


def test_the_table_shows_what_is_given_up_and_saved_though_no_aim_was_set():
    text = markdown(savings())
    assert "| bfcl | cost_usd_of_best_single (giving up 0.02) | 0.500 [0.300, 0.700] | – |" in text
    assert "| bfcl | cost_usd_of_best_single (giving up nothing) | 0.500 [0.300" in text
    assert "best_router" not in text
    average = f"| average of {', '.join(AVERAGED)} | cost_usd_saved (giving up nothing) | 0.500 ["
    assert average in text


def test_the_table_stars_what_is_a_mean_over_fewer_slos():
    rows = [
        {
            "trace": "t",
            "policy": name,
            "slo": "grid",
            "quality": 0.5,
            "n_choices": n,
            "metric": None,
        }
        for name, n in (("ours", 4), ("knn", 4), ("ours_router", 3))
    ]
    cells = [cell.strip() for cell in markdown(pd.DataFrame(rows)).splitlines()[2].split("|")]
    assert (cells.count("0.500"), cells.count("0.500*")) == (2, 1)
