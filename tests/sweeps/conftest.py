import pytest

from tests.support.scripted_server import Judge


@pytest.fixture(scope="module")
def judge():
    """The scripted server, whose counters are the judge of what was asked and would be billed."""
    server = Judge()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _fresh(request):
    if "judge" in request.fixturenames:
        request.getfixturevalue("judge").reset()
