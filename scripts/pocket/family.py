"""Export the whole pocket family and write its tables into a catalog: every edge size in three types, the cloud model in one.

python -m scripts.pocket.family data/models.toml
"""

from __future__ import annotations

import argparse
import re
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
    folder, tables, size = catalog.parent / "models", [], 0
    folder.mkdir(exist_ok=True)
    wanted = [(name, kind, f"{name}-{kind}") for name in EDGE for kind in TYPES] + [(CLOUD, CLOUD_TYPE, CLOUD)]
    for name, kind, model in wanted:
        file = folder / f"{model}.gguf"
        digest = export(name, file, kind, build)
        size += file.stat().st_size
        tables.append((CLOUD_TABLE if name == CLOUD else EDGE_TABLE).format(name=model, sha256=digest))
    if size > LIMIT_BYTES:
        raise ValueError(f"The files in {folder} have {size:,} bytes together, more than {LIMIT_BYTES:,}.")
    text = re.sub(r'(?m)^hyde_model = ".*"$', f'hyde_model = "{HYDE}"', catalog.read_text())
    first, examples = text.index("[models."), text.index("# ---- Examples")
    catalog.write_text(text[:first] + "\n".join(tables) + "\n" + text[examples:])
    return size


def main() -> None:
    """Export the family into the catalog named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path)
    print(f"{export_family(parser.parse_args().catalog):,} bytes")


if __name__ == "__main__":
    main()
