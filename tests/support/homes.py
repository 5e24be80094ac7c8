"""A small domain and the catalog of the tests' models, written to a folder."""

import json
from pathlib import Path


def write_home(folder, heldout=0):
    """Write four training queries of the smart home and some held-out ones, and a few passages."""
    catalog = Path("tests/data/models.toml").read_text()
    (folder / "models.toml").write_text(
        catalog.replace('"pocket-s.gguf', f'"{Path("tests/data").resolve()}/pocket-s.gguf')
    )
    queries = rows("queries")
    train, late = ([q for q in queries if q["split"] == split] for split in ("train", "heldout"))
    kept = train[:2] + train[-2:] + late[:heldout]
    gold = {passage for query in kept for passage in query["gold"]}
    passages = [p for i, p in enumerate(rows("passages")) if i < 9 or p["id"] in gold]
    (folder / "home").mkdir()
    for name, some in (("queries", kept), ("passages", passages)):
        text = "".join(f"{json.dumps(row)}\n" for row in some)
        (folder / f"home/{name}.jsonl").write_text(text)


def rows(name):
    return [json.loads(line) for line in Path(f"data/smart_home/{name}.jsonl").open()]
