"""GGUF files: checks with clear errors before llama.cpp gives obscure ones, and safe loading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from ecollm_lab.models.catalog import Model
from ecollm_lab.records import LabError


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
        digest = model.file_sha256()
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
