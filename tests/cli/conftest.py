import pytest

from tests.support.homes import write_home


@pytest.fixture
def place(tmp_path):
    """A writable copy of the catalog, which names the tests' models, and of a small domain."""
    write_home(tmp_path)
    return tmp_path
