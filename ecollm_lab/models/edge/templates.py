"""The chat template of a GGUF: the one inside it unless the catalog names another."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.edge.gguf import check_context, read_metadata
from ecollm_lab.models.replies import messages
from ecollm_lab.records import LabError

if TYPE_CHECKING:
    from llama_cpp import ChatCompletionRequestMessage, Llama
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

_OWN = "tokenizer.chat_template"


def set_template(llama: Llama, model: Model) -> str:
    """Make a loaded model use the catalog's template, if it names one; return a name for it.

    llama-cpp-python takes the one inside the GGUF by itself; where there is none it would fall back
    to Llama 2's without a word.

    Raises
    ------
    LabError
        If there is no template in the GGUF nor in the catalog, its Jinja text is broken or fails on
        a first message, or the named format is not built in.

    """
    chosen = model.chat_template
    eos, bos = (
        llama._model.token_get_text(token) if token != -1 else ""
        for token in (llama.token_eos(), llama.token_bos())
    )
    if chosen is None or "{" not in chosen:
        used = _own_or_built_in(model, _OWN in llama.metadata)
        llama.chat_format = chosen or llama.chat_format
        if chosen is None:
            _formatter(model, llama.metadata[_OWN], eos, bos)
        return used
    formatter = _formatter(model, chosen, eos, bos, llama.token_eos())
    llama.chat_handler = formatter.to_chat_handler()
    return "the catalog's file"


def check_served(model: Model, file: str) -> str:
    """Check the context and the template of a GGUF to be served; return a name for the template.

    Raises as `set_template` and `check_context` do. A file that cannot be loaded is left to the
    server, whose own words say more.
    """
    metadata = read_metadata(file)
    if not metadata:
        return "unknown"
    check_context(model, metadata)
    used = _own_or_built_in(model, _OWN in metadata)
    if model.chat_template is None:
        _formatter(model, metadata[_OWN], metadata["eos"], metadata["bos"])
    return used


def _formatter(
    model: Model, template: str, eos: str, bos: str, stop: int | None = None
) -> Jinja2ChatFormatter:
    """Return what formats messages by a Jinja template, after trying it on a first message."""
    from jinja2 import TemplateSyntaxError
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    where = "of the catalog" if model.chat_template else "inside its GGUF"
    try:
        formatter = Jinja2ChatFormatter(
            template, eos, bos, stop_token_ids=None if stop is None else [stop]
        )
    except TemplateSyntaxError as error:
        raise LabError(
            f"Model {model.name!r}: the chat_template {where} is no valid Jinja: {error}."
        ) from error
    try:
        asked = cast("list[ChatCompletionRequestMessage]", messages(model, "How are you?"))
        formatter(messages=asked)
    except Exception as error:  # a template may do anything
        raise LabError(
            f"Model {model.name!r}: the chat template {where} fails on a first message"
            f" ({type(error).__name__}: {error}). Set chat_template in the catalog to another one"
            " or, on the edge, to a mended Jinja file."
        ) from error
    return formatter


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
