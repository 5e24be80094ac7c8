"""The chat template of an edge model: the one inside its GGUF unless the catalog names another."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from ecollm_lab.catalog import Model
from ecollm_lab.records import LabError

if TYPE_CHECKING:
    from llama_cpp import Llama


def set_template(llama: Llama, model: Model) -> str:
    """Make a loaded model use the catalog's template, if it names one, and say which template is used.

    llama-cpp-python takes the one inside the GGUF by itself; where there is none it would fall back to Llama 2's without a word.

    Raises
    ------
    LabError
        If there is no template in the GGUF nor in the catalog, its Jinja text is broken, or the named format is not built in.

    """
    from jinja2 import TemplateError
    from llama_cpp import llama_chat_format as formats

    chosen = model.chat_template
    if chosen is None:
        if "tokenizer.chat_template" not in llama.metadata:
            raise LabError(
                f"Model {model.name!r}: its GGUF holds no chat template, so nobody knows how to talk to it. Set chat_template in the "
                "catalog to a format built into llama-cpp-python, such as 'chatml', or on the edge to a Jinja file."
            )
        return "the GGUF's own"
    if "{" not in chosen:
        known = formats.LlamaChatCompletionHandlerRegistry()._chat_handlers
        if chosen not in known:
            raise LabError(f"Model {model.name!r}: no chat template {chosen!r} is built in; built in: {', '.join(sorted(known))}.")
        llama.chat_format = chosen
        return f"built-in {chosen}"
    tokens = {
        name: llama._model.token_get_text(i) if i != -1 else "" for name, i in (("eos", llama.token_eos()), ("bos", llama.token_bos()))
    }
    try:
        formatter = formats.Jinja2ChatFormatter(chosen, tokens["eos"], tokens["bos"], stop_token_ids=[llama.token_eos()])
    except TemplateError as error:
        raise LabError(f"Model {model.name!r}: the chat_template of the catalog is no valid Jinja: {error}.") from error
    llama.chat_handler = formatter.to_chat_handler()
    return "the catalog's file"


def check_template(model: Model, file: str) -> str:
    """Say which template a GGUF to be served will use, from its vocabulary alone; raises as `set_template` does.

    A file that cannot be loaded is left to the server, whose own words say more.
    """
    with suppress(ImportError, ValueError, RuntimeError):
        from llama_cpp import Llama

        with closing(Llama(file, vocab_only=True, verbose=False)) as llama:
            return set_template(llama, model)
    return "unknown"
