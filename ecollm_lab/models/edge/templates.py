"""The chat template of an edge model: the one inside its GGUF unless the catalog names another."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ecollm_lab.models.catalog import Model
from ecollm_lab.records import LabError

if TYPE_CHECKING:
    from llama_cpp import Llama


def set_template(llama: Llama, model: Model) -> str:
    """Make a loaded model use the catalog's template, if it names one; return a name for it.

    llama-cpp-python takes the one inside the GGUF by itself; where there is none it would fall back
    to Llama 2's without a word.

    Raises
    ------
    LabError
        If there is no template in the GGUF nor in the catalog, its Jinja text is broken, or the
        named format is not built in.

    """
    from jinja2 import TemplateError
    from llama_cpp import llama_chat_format as formats

    chosen = model.chat_template
    if chosen is None or "{" not in chosen:
        used = _own_or_built_in(model, "tokenizer.chat_template" in llama.metadata)
        llama.chat_format = chosen or llama.chat_format
        return used
    tokens = {
        name: llama._model.token_get_text(i) if i != -1 else ""
        for name, i in (("eos", llama.token_eos()), ("bos", llama.token_bos()))
    }
    try:
        formatter = formats.Jinja2ChatFormatter(
            chosen, tokens["eos"], tokens["bos"], stop_token_ids=[llama.token_eos()]
        )
    except TemplateError as error:
        raise LabError(
            f"Model {model.name!r}: the chat_template of the catalog is no valid Jinja: {error}."
        ) from error
    llama.chat_handler = formatter.to_chat_handler()
    return "the catalog's file"


def check_template(model: Model, file: str) -> str:
    """Return the name of the template that a GGUF will be served with, from its metadata.

    Raises as `set_template` does.
    A file that cannot be loaded is left to the server, whose own words say more.
    """
    try:
        import llama_cpp
    except ImportError:
        return "unknown"
    logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    loaded = llama_cpp.llama_model_load_from_file(file.encode(), params)
    if not loaded:
        return "unknown"
    try:
        return _own_or_built_in(
            model, llama_cpp.llama_model_chat_template(loaded, None) is not None
        )
    finally:
        llama_cpp.llama_model_free(loaded)


def _own_or_built_in(model: Model, has_own: bool) -> str:
    from llama_cpp import llama_chat_format as formats

    chosen = model.chat_template
    if chosen is None:
        if not has_own:
            raise LabError(
                f"Model {model.name!r}: its GGUF holds no chat template, so nobody knows how to"
                " talk to it. Set chat_template in the catalog to a format built into"
                " llama-cpp-python, such as 'chatml', or on the edge to a Jinja file."
            )
        return "the GGUF's own"
    known = formats.LlamaChatCompletionHandlerRegistry()._chat_handlers
    if chosen not in known:
        raise LabError(
            f"Model {model.name!r}: no chat template {chosen!r} is built in; built in:"
            f" {', '.join(sorted(known))}."
        )
    return f"built-in {chosen}"
