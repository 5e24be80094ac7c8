"""API keys: read from the environment, and blotted out of what an endpoint sends back."""

from __future__ import annotations

import html
import logging
import os
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from ecollm_lab.models.catalog import Model
from ecollm_lab.records import LabError

# Characters of a key. "EMPTY", "none" and the like are placeholders of local servers, and words
# that an answer may hold.
SHORTEST = 8
FRAGMENT = 12  # characters of a key, or of an encoded one, that are blotted out by themselves
# One character as it may be written: an entity, a percent or backslash escape, or itself.
_CHARACTER = re.compile(
    r"&#?\w{1,8};|(?:%[0-9a-f]{2})+|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}|\\.|.", re.I | re.S
)


def read_key(model: Model) -> str:
    """Return the key of a model from its environment variable; "" if its catalog names none.

    Raises as `read_variable` does.
    """
    return "" if model.api_key_env is None else read_variable(model, model.api_key_env)


def read_variable(model: Model, variable: str) -> str:
    """Return a secret from the environment variable that the catalog names for it.

    Raises
    ------
    LabError
        If the variable is not set or empty, or holds what no HTTP header can; names the variable.

    """
    key = os.environ.get(variable, "").strip()
    if not key:
        raise LabError(
            f"Model {model.name!r} needs a key in the environment variable {variable}, which is not"
            f" set. Set it in the shell that starts this: export {variable}=…"
        )
    if not key.isascii() or not key.isprintable():
        raise LabError(
            f"Model {model.name!r}: the environment variable {variable} holds a line break or a"
            " character beyond ASCII, which no key has. It may have been copied with something"
            " beside it, such as a quotation mark; set it again."
        )
    return key


def redact(model: Model, text: str) -> str:
    """Return a text of a model's endpoint without the model's keys, should it echo them.

    Call it before a text is cut, stored, logged or put into an error. What is found is a key, or
    any 12 characters in a row of one, in upper or lower case, with white space in between, as
    entities, URL-encoded, with backslash escapes, in hexadecimal digits or in base64. Keys under 8
    characters are taken for placeholders.
    """
    named = {model.api_key_env, *model.headers_env.values()} - {None}
    for variable in sorted(map(str, named)):
        key = os.environ.get(variable, "").strip()
        if len(key) >= SHORTEST:
            text = _blot(key, text, f"[{variable}]")
    return text


def _blot(key: str, text: str, instead: str) -> str:
    """Replace every stretch of a text that spells a part of a key, however it is written."""
    spelled, places = _spelled(text)
    forms = [form for form in (_spelled(form)[0] for form in _forms(key)) if form]
    size = min(FRAGMENT, *map(len, forms))
    parts = {form[i : i + size] for form in forms for i in range(len(form) - size + 1)}
    marked: list[tuple[int, int]] = []
    for i in range(len(spelled) - size + 1):
        if spelled[i : i + size] in parts:
            begin, end = places[i][0], places[i + size - 1][1]
            if marked and begin <= marked[-1][1]:
                begin = marked.pop()[0]
            marked.append((begin, end))
    for begin, end in reversed(marked):
        text = text[:begin] + instead + text[end:]
    return text


def _spelled(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return what a text spells, in lower case and without white space, and where each is."""
    spelled: list[str] = []
    places: list[tuple[int, int]] = []
    for found in _CHARACTER.finditer(text):
        for character in _meant(found.group()).lower():
            if not character.isspace():
                spelled.append(character)
                places.append(found.span())
    return "".join(spelled), places


def _meant(written: str) -> str:
    """Return the character, or the few, that one piece of a text stands for."""
    if len(written) == 1:
        return written
    match written[0]:
        case "&":
            return html.unescape(written)
        case "%":
            return unquote(written, errors="replace")
    if written[1] in "ux" and len(written) > 2:
        return chr(int(written[2:], 16))
    return " " if written[1] in "nrt" else written[1]


@contextmanager
def clean_logs(model: Model) -> Iterator[None]:
    """Blot the key out of what the HTTP client logs while the model is open.

    At DEBUG it prints the headers an endpoint sends.

    Enter it when a client has been built: only the loggers that are there by then are cleaned.
    """

    def blot(record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if (clean := redact(model, said)) != said:
            record.msg, record.args = clean, ()
        return True

    loggers = [
        logging.getLogger(name)
        for name in logging.root.manager.loggerDict
        if name.startswith(("openai", "http"))
    ]
    for logger in loggers:
        logger.addFilter(blot)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(blot)


def _forms(key: str) -> Iterator[str]:
    """Yield the key, its hexadecimal digits and its base64, alone or within a longer text."""
    raw = key.encode()
    yield from (key, raw.hex())
    for encode in (b64encode, urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        for before in (1, 2):
            # Bytes before the key shift its base64; the first and last characters mix with its
            # neighbours.
            first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
            yield encode(bytes(before) + raw).decode()[first:last]
