"""GGUF files: checks with clear errors before llama.cpp gives obscure ones, and safe loading."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import create_string_buffer
from typing import Any
from unittest.mock import patch

from ecollm_lab.models.catalog import Model
from ecollm_lab.records import LabError

_LONGEST = 2**20  # bytes of one value of the metadata, such as a chat template


def check_file(model: Model) -> str:
    """Check that a model's file is there, is GGUF and has the catalog's sha256; return its path."""
    file = model.file
    if file is None:
        raise LabError(f"Model {model.name!r} has no file in the catalog.")
    if model.sources and not file.exists():
        raise LabError(
            f"Model {model.name!r} is not on this machine ({(model.bytes or 0) / 1e6:,.0f} MB,"
            f" {model.licence}). Fetch it with: ecollm-lab models fetch {model.name}"
        )
    try:
        with file.open("rb") as stream:
            magic = stream.read(4)
        digest = model.file_sha256() if model.sha256 else ""
    except OSError as error:
        raise LabError(
            f"Model {model.name!r}: cannot read {file} ({error.strerror}). Restore the file or mend"
            " 'file' in the catalog."
        ) from error
    if magic != b"GGUF":
        raise LabError(
            f"Model {model.name!r}: {file} is not a GGUF file (starts with {magic!r}). Restore it"
            " or name another."
        )
    if model.sha256 and digest != model.sha256:
        raise LabError(
            f"Model {model.name!r}: {file} has sha256 {digest[:12]}…, the catalog says"
            f" {model.sha256[:12]}…. The file is cut short or another version: restore it, or put"
            " its sha256 into the catalog."
        )
    return str(file)


def read_metadata(file: str) -> dict[str, str]:
    """Return the metadata of a GGUF by key, with its special tokens under "eos" and "bos".

    Empty where llama.cpp is not installed or cannot load the file, whose own words then say more.
    """
    try:
        import llama_cpp as lib
        from llama_cpp import _logger
    except ImportError:
        return {}
    # llama-cpp-python 0.3.36 takes llama.cpp's warnings (3), such as one about any file of
    # Qwen2.5-Coder, for errors and prints them.
    _logger.GGML_LOG_LEVEL_TO_LOGGING_LEVEL[3] = logging.WARNING
    logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)
    params = lib.llama_model_default_params()
    params.vocab_only = True
    loaded = lib.llama_model_load_from_file(file.encode(), params)
    if not loaded:
        return {}
    try:
        text, found = create_string_buffer(_LONGEST), {}
        for i in range(lib.llama_model_meta_count(loaded)):
            lib.llama_model_meta_key_by_index(loaded, i, text, _LONGEST)
            key = text.value.decode()
            lib.llama_model_meta_val_str_by_index(loaded, i, text, _LONGEST)
            found[key] = text.value.decode(errors="replace")
        vocabulary = lib.llama_model_get_vocab(loaded)
        for name, token in (("eos", lib.llama_vocab_eos), ("bos", lib.llama_vocab_bos)):
            i = token(vocabulary)
            found[name] = lib.llama_vocab_get_text(vocabulary, i).decode() if i != -1 else ""
        return found
    finally:
        lib.llama_model_free(loaded)


def check_context(model: Model, metadata: dict[str, str]) -> None:
    """Raise a `LabError` if a model's context is larger than its GGUF or this machine allows."""
    architecture = metadata.get("general.architecture", "")
    numbers = {
        key.removeprefix(f"{architecture}."): int(value)
        for key, value in metadata.items()
        if key.startswith(f"{architecture}.") and value.isdecimal()
    }
    trained = numbers.get("context_length", model.context)
    if model.context > trained:
        raise LabError(
            f"Model {model.name!r}: context = {model.context}, but its GGUF was trained on"
            f" {trained} tokens. Set context = {trained} or less in the catalog."
        )
    names = ("block_count", "attention.head_count", "attention.head_count_kv", "embedding_length")
    if model.file is None or not all(numbers.get(name) for name in names):
        return
    layers, heads, kv_heads, width = (numbers[name] for name in names)
    per_token = 2 * layers * kv_heads * (width // heads) * 2  # keys and values, of 16 bits
    needed, memory = model.file.stat().st_size + model.context * per_token, memory_bytes()
    if needed > memory:
        raise LabError(
            f"Model {model.name!r}: context = {model.context} needs {needed / 1e9:.1f} GB with the"
            f" weights; this machine has {memory / 1e9:.1f} GB. Lower context in the catalog."
        )


def memory_bytes() -> int:
    """Return the memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextmanager
def without_amx() -> Iterator[None]:
    """Load weights as they lie in the file where llama.cpp is built for Intel's AMX.

    There it would repack quantised weights for AMX kernels, in which it then crashes
    (ggml-org/llama.cpp#20824; seen with q8_0 and q4_0 in llama-cpp-python 0.3.36). llama-cpp-python
    has no argument for it, so the default parameters are changed while a model loads.
    """
    from llama_cpp import llama_cpp as lib

    params = lib.llama_model_default_params
    if b"AMX_INT8 = 1" not in lib.llama_print_system_info():
        yield
        return

    def changed() -> Any:
        own = params()
        own.use_extra_bufts = False
        return own

    with patch.object(lib, "llama_model_default_params", changed):
        yield
