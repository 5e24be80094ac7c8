"""Measuring from the explorer in a real JupyterLab, as a hand would: ask for the cost, measure,
stop, go on; and a policy's marks that follow a limit while the kernel runs.
"""

import re

import pytest

from scripts.browser import ROOT, SeenExplorer
from tests.explorer.browsing import in_browser, run_notebook
from tests.explorer.test_accessible import issues

pytestmark = in_browser
CELL = f"""import time
import numpy as np
from ecollm_lab import Emulator, Trace, explore, fit_policy
from ecollm_lab.emulator import Measuring, replay_from

whole = Trace.load({str(ROOT / "data/benchmarks/pocket_smart_home.parquet")!r}).split("train")
paths, queries = whole.path_ids[::40], whole.query_ids[:90]
outcomes = whole.outcomes
outcomes = outcomes[outcomes["path_id"].isin(paths) & outcomes["query_id"].isin(queries)]
whole = Trace.from_frame(outcomes, whole.queries, whole.provenance)
known = outcomes[outcomes["query_id"].isin(queries[:30])]
rng = np.random.default_rng(0)
vectors = rng.standard_normal((len(whole.query_ids), 8))
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
look_up = replay_from(whole)


def run(pairs):
    time.sleep(0.2)
    return look_up(pairs)


emulator = Emulator(whole.path_ids, whole.query_ids, vectors)
part = Trace.from_frame(known, whole.queries, whole.provenance)
measure = Measuring(emulator, run, queries=whole.queries)
explorer = explore(part, fit_policy(part, "best_single"), measure=measure, embeddings=None)
explorer"""
OUTCOMES = "(root) => root.explorer.moment().p.outcomes"


@pytest.fixture(scope="module")
def seen(browser, tmp_path_factory):
    """The explorer in a notebook whose cells were run."""
    with run_notebook(browser, tmp_path_factory.mktemp("lab") / "n.ipynb", [CELL]) as page:
        yield SeenExplorer(page)


def said(seen, words):
    """Wait until the panel says something, and return all it says."""
    seen.root.locator(".ecl-panel", has_text=words).wait_for()
    return " ".join(seen.text("panel").split())


def test_the_cost_is_told_before_and_a_stop_loses_nothing(seen):
    before = seen.root.evaluate(OUTCOMES)
    assert before == 30 * 9
    seen.tab("measure more")
    seen.root.locator(".ecl-more").fill("200")
    seen.click("what would they cost?")
    offer = said(seen, "as these paths cost and took so far")
    assert re.search(r"200 outcomes on \d+ paths: about [\d.e-]+ USD at declared prices", offer)
    assert seen.root.evaluate(OUTCOMES) == before  # nothing is measured yet
    assert issues(seen.page, ".ecl") == []
    seen.click("measure these 200")
    said(seen, "left")
    seen.page.wait_for_function(
        f"(before) => ({OUTCOMES})(document.querySelector('.ecl')) > before", arg=before
    )
    seen.root.get_by_role("button", name="stop", exact=True).click()
    ended = said(seen, "Stopped; what was measured is kept")
    done = int(re.search(r"kept: (\d+) of 200 outcomes", ended)[1])
    seen.page.wait_for_function(
        f"(all) => ({OUTCOMES})(document.querySelector('.ecl')) === all", arg=before + done
    )
    assert 0 < done < 200


def test_the_picture_tightens_where_it_was_unsure(seen):
    script = (
        "(root, i) => { const { p, decision } = root.explorer.moment(), at = i ?? decision.chosen;"
        " return [p.outcomes, at, p.high[at] - p.low[at]]; }"
    )
    before, winner, wide = seen.root.evaluate(script, None)
    seen.tab("measure more")
    seen.root.locator(".ecl-more").fill("60")
    seen.click("the winner and its ties")
    said(seen, "as these paths cost and took so far")
    seen.root.locator("[data-measure=start]").click()
    ended = said(seen, "Done")
    done = int(re.search(r"Done: (\d+) of", ended)[1])
    seen.page.wait_for_function(
        f"(all) => ({OUTCOMES})(document.querySelector('.ecl')) === all", arg=before + done
    )
    seen.calm()
    assert done > 4
    assert seen.root.evaluate(script, winner)[2] < wide


def test_marks_of_a_policy_follow_a_limit_while_the_kernel_runs(seen):
    for limit in ("15 ms", "40 ms"):
        seen.type("max_latency_s", limit)
        seen.page.wait_for_function(
            "() => { const text = document.querySelector('.ecl-policies').textContent;"
            " return text.includes('oracle') && !text.includes('nearest'); }"
        )
    assert "best single path" in seen.text("policies")
