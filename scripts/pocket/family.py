"""Export the whole pocket family and write its tables into a catalog: every edge size in three types, the cloud model in one.

python -m scripts.pocket.family data/models.toml
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

from scripts.pocket.export import TYPES, export
from scripts.pocket.train import BUILD

EDGE, CLOUD = ("pocket-s", "pocket-m", "pocket-l"), "pocket-xl"
CLOUD_TYPE = "q8_0"  # half the bytes of f16 in the repository
HYDE = "pocket-s-q8_0"
LIMIT_BYTES = 60_000_000  # what the files may weigh together
EDGE_TABLE = """[models.{name}]
placement = "edge"
file = "models/{name}.gguf"
sha256 = "{sha256}"
context = 1024
"""
CLOUD_TABLE = """# Stands for a hosted model: served by llama_cpp.server on loopback, reached through the openai client.
[models.{name}]
placement = "cloud"
file = "models/{name}.gguf"
sha256 = "{sha256}"
context = 1024
price_in_usd_per_mtok = 0.15  # a small hosted model's list price, as of OpenAI's gpt-4o-mini (July 2024)
price_out_usd_per_mtok = 0.60
network_delay_s = 0.08  # declared round trip and queueing, added to the measured latency; nothing sleeps
"""


def export_family(catalog: Path, build: Path = BUILD) -> int:
    """Write the GGUF files beside `catalog`, in `models`, and their tables into it; return the bytes of the files together."""
    text = re.sub(r'(?m)^hyde_model = ".*"$', f'hyde_model = "{HYDE}"', catalog.read_text())
    marks = [text.find(mark) for mark in (f'hyde_model = "{HYDE}"', "[models.", "# ---- Examples")]
    if marks != sorted(marks) or marks[0] < 0:
        raise ValueError(f'{catalog} must hold a line hyde_model = "…", tables [models.…] and a line "# ---- Examples", in this order.')
    folder, fresh, tables = catalog.parent / "models", build / "gguf", []
    folder.mkdir(exist_ok=True)
    fresh.mkdir(parents=True, exist_ok=True)
    wanted = [(name, kind, f"{name}-{kind}") for name in EDGE for kind in TYPES] + [(CLOUD, CLOUD_TYPE, CLOUD)]
    for name, kind, model in wanted:
        digest = export(name, fresh / f"{model}.gguf", kind, build)
        tables.append((CLOUD_TABLE if name == CLOUD else EDGE_TABLE).format(name=model, sha256=digest))
    files = [fresh / f"{model}.gguf" for _, _, model in wanted]
    size = sum(file.stat().st_size for file in files)
    if size > LIMIT_BYTES:
        raise ValueError(f"The files in {fresh} have {size:,} bytes together, more than {LIMIT_BYTES:,}; {folder} was left as it was.")
    for file in files:
        shutil.move(file, folder / file.name)
    catalog.write_text(text[: marks[1]] + "\n".join(tables) + "\n" + text[marks[2] :])
    return size


def main() -> None:
    """Export the family into the catalog named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path)
    print(f"{export_family(parser.parse_args().catalog):,} bytes")


if __name__ == "__main__":
    main()
