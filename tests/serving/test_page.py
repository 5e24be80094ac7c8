"""The page at `/` in a real browser, offline."""

import pytest

from scripts.browser import chromium_page, find_chromium
from tests.serving.conftest import CLOUD, EDGE
from tests.support.served import served

expect = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install playwright"
).expect
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not find_chromium(), reason="needs Chromium: apt-get install chromium"),
]


def slide(page, name, steps):
    """Move a slider with the keyboard; return the value that is shown beside it."""
    page.locator(f"#{name}").focus()
    for _ in range(abs(steps)):
        page.keyboard.press("ArrowLeft" if steps < 0 else "ArrowRight")
    return page.locator(f"#{name}_shown").inner_text()


def ask(page, points):
    page.locator("#ask").click()
    expect(page.locator(".point")).to_have_count(points)


def test_asking_within_limits_shows_path_predictions_actuals_and_points(runtime):
    with served(runtime) as address, chromium_page(900, 1000) as page:
        faults, requests = [], []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: line.type == "error" and faults.append(line.text))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        page.locator("#question").fill("how heavy is the Halo bulb?")
        assert page.locator("#latency_shown").inner_text() == "no limit"
        ask(page, 1)
        assert page.locator("#answer").inner_text() == "It is 90 grams, says the cloud."
        assert page.locator("#path").inner_text() == f"{CLOUD}; 1 attempt"
        assert page.locator("#p_quality").inner_text() == "0.9"
        assert page.locator("#a_quality").inner_text() == "not known"
        assert float(page.locator("#a_latency").inner_text()) < 0.3
        assert slide(page, "cost", -100) == "0.00001 USD"  # 100 steps of 0.05 powers of ten
        ask(page, 2)
        assert page.locator("#path").inner_text() == f"{EDGE}; bound by max_cost_usd; 1 attempt"
        assert slide(page, "latency", -160) == "0.001 s"
        page.locator("#ask").click()
        expect(page.locator("#answer.refused")).to_contain_text("No path keeps the SLO")
        assert page.locator("#numbers").is_hidden()
        assert [one for one in requests if not one.startswith(address)] == []
        assert [one for one in faults if "422" not in one] == []


def test_a_token_is_sent_from_the_page_and_a_hostile_answer_stays_text(runtime, big):
    big.text = "<img src=x onerror=\"document.title='taken'\">"
    with served(runtime, token="secret") as address, chromium_page(900, 1000) as page:
        page.goto(address)
        page.locator("#question").fill("how heavy is the Halo bulb?")
        page.locator("#ask").click()
        page.locator("#answer.refused").wait_for()
        page.locator("#token").fill("secret")
        ask(page, 1)
        assert page.locator("#answer").inner_text() == big.text
        assert page.title() == "ecollm-lab"
