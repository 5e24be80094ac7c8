import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def place(tmp_path):
    """A writable copy of the catalog, which names the tests' models, and of a small domain."""
    catalog = Path("tests/data/models.toml").read_text()
    (tmp_path / "models.toml").write_text(
        catalog.replace('"pocket-s.gguf', f'"{Path("tests/data").resolve()}/pocket-s.gguf')
    )
    (tmp_path / "home").mkdir()
    shutil.copy("data/smart_home/passages.jsonl", tmp_path / "home")
    lines = Path("data/smart_home/queries.jsonl").read_text().splitlines(keepends=True)
    train = [line for line in lines if json.loads(line)["split"] == "train"]
    (tmp_path / "home/queries.jsonl").write_text("".join(train[:2] + train[-2:]))
    return tmp_path
