import pytest

from ecollm_lab.paths import Pipeline
from ecollm_lab.sweeps import Store
from tests.paths.test_pipeline import CATALOG, Echo
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


@pytest.fixture
def rig(domain, encoder, tmp_path):
    """Queries, a pipeline over two models that echo, these models, and an empty store."""
    models = {"s": Echo({}), "c": Echo({})}
    with Store(tmp_path / "s.sqlite") as store:
        yield domain.queries, Pipeline(domain, CATALOG, encoder, models), models, store
