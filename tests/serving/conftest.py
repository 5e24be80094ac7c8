import pytest

from tests.support.served import served
from tests.support.serving import Cloud, Given, Scripted, runtime_of

EDGE, CLOUD = "none/none/none/small", "none/bm25-1/none/big"
PATHS = {EDGE: (0.6, 1e-6, 0.1), CLOUD: (0.9, 1.4e-4, 0.3)}


@pytest.fixture
def small():
    return Scripted("small", text="It is 90 grams, says the edge.")


@pytest.fixture
def big():
    return Cloud("big", text="It is 90 grams, says the cloud.")


@pytest.fixture
def runtime(domain, encoder, small, big):
    with runtime_of(domain, encoder, [small, big], Given(PATHS)) as runtime:
        yield runtime


@pytest.fixture
def address(runtime):
    with served(runtime, token="secret", max_question_chars=2000, max_body_bytes=20_000) as address:
        yield address
