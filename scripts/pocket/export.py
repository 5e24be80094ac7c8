"""Write a trained pocket model as GGUF (architecture lfm2) that llama.cpp runs, in float16 or quantised.

    python -m scripts.pocket.export pocket-s data/models/pocket-s-q4_0.gguf --type q4_0

Quantised are the matrices between embedding and output: to blocks of 32 weights of 8 bits (q8_0) or 4 bits (q4_0) and a float16 scale.
Embedding and output have 8 bits in both, as errors there go into every token; convolutions and norms, which are small, stay float32.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import gguf
import torch

from scripts.pocket.model import Pocket
from scripts.pocket.train import BUILD, END, SHAPES

# The line break sits inside an expression: Jinja's trim_blocks swallows one that follows a tag.
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}{{ '\\nAnswer:' }}"
NAMES = {
    "operator_norm": "attn_norm", "ffn_norm": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down",
    "operator.in_proj": "shortconv.in_proj", "operator.out_proj": "shortconv.out_proj", "operator.conv": "shortconv.conv",
    "operator.q": "attn_q", "operator.k": "attn_k", "operator.v": "attn_v", "operator.out": "attn_output",
    "operator.q_norm": "attn_q_norm", "operator.k_norm": "attn_k_norm",
}  # fmt: skip
TYPES = {  # type of the file, of the matrices in blocks, of embedding and output
    "f16": (gguf.LlamaFileType.MOSTLY_F16, gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.F16),
    "q8_0": (gguf.LlamaFileType.MOSTLY_Q8_0, gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q8_0),
    "q4_0": (gguf.LlamaFileType.MOSTLY_Q4_0, gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q8_0),
}
TOP = {"embed": "token_embd", "norm": "token_embd_norm", "output": "output"}


def tensor_name(name: str) -> str:
    """Translate a torch parameter name into llama.cpp's."""
    name = name.removesuffix(".weight")
    if not name.startswith("blocks."):
        return f"{TOP[name]}.weight"
    _, block, rest = name.split(".", 2)
    return f"blk.{block}.{NAMES[rest]}.weight"


def export(name: str, out: Path, kind: str = "f16", build: Path = BUILD) -> str:
    """Write `out` in one of `TYPES` and return its sha256."""
    file_type, inner, outer = TYPES[kind]
    shape = SHAPES[name]
    net = Pocket(shape)
    net.load_state_dict(torch.load(build / f"{name}.pt", weights_only=True))
    vocabulary = json.loads((build / "tokenizer.json").read_text())["model"]
    writer = gguf.GGUFWriter(out, "lfm2")
    writer.add_name(f"{name}-{kind}")
    writer.add_vocab_size(shape.vocab)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(len(shape.layers))
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv([shape.kv_heads if layer == "a" else 0 for layer in shape.layers])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_shortconv_l_cache(shape.kernel)
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    tokens = sorted(vocabulary["vocab"], key=vocabulary["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token == END else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in vocabulary["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    for key, value in net.state_dict().items():
        array = value.float().numpy()
        matrix = array.ndim == 2 and not key.endswith(".conv")
        if not matrix:
            writer.add_tensor(tensor_name(key), array)
            continue
        chosen = inner if key.startswith("blocks.") else outer
        if array.shape[1] % 32 and chosen != gguf.GGMLQuantizationType.F16:
            raise ValueError(f"{key} has rows of {array.shape[1]}; {kind} needs a multiple of 32.")
        writer.add_tensor(tensor_name(key), gguf.quants.quantize(array, chosen), raw_dtype=chosen)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return hashlib.sha256(out.read_bytes()).hexdigest()


def main() -> None:
    """Export the model named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=SHAPES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--type", choices=TYPES, default="f16")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    print(export(args.name, args.out, args.type))


if __name__ == "__main__":
    main()
