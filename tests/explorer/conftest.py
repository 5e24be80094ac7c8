import pytest

from ecollm_lab import explore
from scripts.browser import SeenExplorer, chromium_page


@pytest.fixture(scope="package")
def explorer(measured):
    return explore(measured)


@pytest.fixture(scope="package")
def file(explorer, tmp_path_factory):
    return explorer.to_html(tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture(scope="package")
def browser():
    with chromium_page() as page:
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        assert errors == []


@pytest.fixture
def seen(browser, file):
    """The page as it was written."""
    browser.set_viewport_size({"width": 1440, "height": 1000})
    browser.goto("about:blank")
    browser.goto(file.as_uri())
    return SeenExplorer(browser)


@pytest.fixture
def view(explorer):
    return explorer.board.view()
