"""How the paper's claims are laid out beside measured and recorded ones."""

import pandas as pd
import pytest

from benchmarks import claims, spaces
from ecollm_lab.records import LabError
from tests.conftest import make_trace

SHARE = {
    "metric": "cost_share_of_router",
    "value": 0.25,
    "low": 0.1,
    "high": 1.2,
    "quality_over": -0.01,
    "quality_over_low": -0.03,
    "quality_over_high": 0.0,
}


def rows(trace, *more, **about):
    some = [
        {"metric": "best_cloud_quality", "value": 0.5, "low": 0.4, "high": 0.6},
        {"metric": "oracle_quality", "value": 0.75, "low": 0.7, "high": 0.8},
        {"metric": "router_quality", "value": 0.5, "low": 0.4, "high": 0.6, "policy": "knn"},
        {"metric": "edge_over_cloud", "value": -0.25, "low": -0.5, "high": 0.0, "n": 3},
        *more,
    ]
    frame = pd.DataFrame(some).assign(
        trace=trace, source="measured", n_queries=9, n_paths=4, n_domain=20, lacks="", quick=False
    )
    frame["kind"] = ["lookup" if one == "edge_over_cloud" else None for one in frame["metric"]]
    return frame.assign(**about)


def test_a_share_is_shown_as_a_change_with_the_quality_that_goes_with_it():
    text = claims.markdown(rows("smart_home", SHARE))
    assert (
        "| cost of our policy against it | −62 % | −75 % [−90 %, +20 %]; quality −0.010"
        " [−0.030, +0.000] |" in text
    )
    assert "| quality of the best path for each query, in hindsight | 0.90 | 0.750 [0.7" in text


def test_what_is_saved_giving_up_nothing_stands_beside_what_is_saved_by_default():
    strict = {**SHARE, "metric": "strict_cost_share_of_router", "value": 0.5, "quality_over": 0.0}
    text = claims.markdown(rows("smart_home", SHARE, strict))
    assert "giving up no quality for it, against it | −62 % | −50 % [−90 %, +20 %]; quality" in text


def test_what_a_trace_does_not_record_is_a_dash_and_said_below():
    whole = rows("smart_home", SHARE)
    part = rows("bfcl", source="recorded", n_domain=None, lacks=claims.UNPRICED)
    text = claims.markdown(pd.concat([part, whole]))
    assert text.startswith("| | paper | smart_home | bfcl |")
    assert "| latency of our policy against it | −62 % | – | – |" in text
    assert (
        "smart_home, measured: 9 of the domain's 20 queries on 4 paths; the best router is" in text
    )
    assert "bfcl, recorded: 9 queries on 4 paths" in text
    assert "Note: no prices are recorded." in text
    assert "- automotive: not measured yet." in text
    assert "| smart_home | lookup | 3 | −0.250 [−0.500, +0.000] |" in text
    assert "| bfcl | lookup" not in text


def test_the_short_table_says_how_many_queries_and_what_a_saving_costs_in_quality():
    shares = ("cloud_over_edge", "oracle_cost_share", "oracle_latency_share")
    shares += ("latency_share_of_router",)
    more = [SHARE, *({**SHARE, "metric": name} for name in shares)]
    home = rows("smart_home", *more)
    recorded = rows("homeassistant", *more, n_domain=None, n_queries=171)
    text = claims.short(pd.concat([recorded, home]))
    assert text.startswith("| | Paper | smart_home, 9 of 20 queries | homeassistant, 171 queries |")
    cells = "−75% (−0.01), −75% (−0.01)"
    assert f"router: cost, latency (quality) | −62%, −62% | {cells} | {cells} |" in text
    assert "| its lead over the best edge path | – | +0.25 | +0.25 |" in text


def test_what_a_trace_lacks_is_said():
    whole = make_trace([[0, 1]], 1e-6, 0.1)
    assert claims.lacks(whole) == []
    bare = make_trace([[0, 1]], float("nan"), 0.1)
    bare.provenance.pop("models")
    assert claims.lacks(bare) == [claims.UNPRICED, claims.UNPLACED]


def test_a_trace_that_is_not_at_hand_is_refused_with_those_that_are(tmp_path, monkeypatch):
    words = ["claims", "--json", str(tmp_path / "c.json"), "--traces", "automotiv,smart_home"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit, match="is named automotiv; there are: smart_home, automotive"):
        claims.main()


def test_a_domain_that_is_not_measured_has_no_claims(monkeypatch):
    monkeypatch.setattr(claims, "domain_trace", lambda domain: None)
    with pytest.raises(LabError, match="Nothing is measured of smart_home yet"):
        claims.collect("smart_home")


def committed():
    return pd.read_parquet("data/benchmarks/claims.parquet")


@pytest.mark.parametrize("name", claims.DOMAINS)
def test_the_committed_claims_are_of_the_committed_trace(name):
    """After a trace has grown: make claims."""
    found = set(committed().loc[committed()["trace"] == name, "edition"])
    file = spaces.trace_file(name)
    assert found == ({spaces.digest(file)} if file.exists() else set())


def test_every_row_of_the_committed_claims_is_of_a_whole_run():
    assert not committed()["quick"].any()
    assert set(claims.SYSTEMS) <= set(committed()["trace"])
