"""What the tests in a browser share: whether one can run, and what an explorer on the screen must
agree with.
"""

import importlib.util

import numpy as np
import pytest

from ecollm_lab.explorer.decision import decide
from ecollm_lab.records import SLO
from scripts.browser import find_chromium

in_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not find_chromium(), reason="this test needs Chromium"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None, reason="this test needs playwright"
    ),
]


def slo_on(seen):
    state = seen.state
    names = ("max_latency_s", "max_cost_usd", "min_quality", "prefer")
    return SLO(*(state[name] for name in names))


def agree(seen, view):
    """The sentence, the halo and the points that keep the limits are those of the decision in
    Python.
    """
    decision = decide(view, slo_on(seen), seen.state["statistic"], seen.state["dropped"])
    drawn, ids = seen.drawn(), view.path_ids
    assert seen.chosen == ("" if decision.chosen is None else ids[decision.chosen])
    assert set(drawn["within"]) == {ids[i] for i in np.flatnonzero(decision.within)}
    assert drawn["chosen"] == ([] if decision.chosen is None else [seen.chosen])
    if decision.chosen is None:
        assert "Infeasible" in seen.text("sentence")
    else:
        assert f"{seen.chosen} wins: quality {view.quality[decision.chosen]:.3f}" in seen.text(
            "sentence"
        )
    return decision


def pick(seen, path):
    """Select a path in the table, as a hand would: search, click."""
    seen.tab("paths")
    seen.root.locator(".ecl-search").fill(path)
    seen.calm()
    seen.root.locator(".ecl-pick").first.click()
    seen.calm()
