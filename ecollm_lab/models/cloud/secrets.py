"""API keys: read from the environment, and blotted out of what an endpoint sends back."""

from __future__ import annotations

import logging
import os
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

from ecollm_lab.models.catalog import Model
from ecollm_lab.records import LabError

# characters; "EMPTY", "none" and the like are placeholders of local servers, and words that an
# answer may hold
SHORTEST = 8


def read_key(model: Model) -> str:
    """Return the key of a model from its environment variable; "unused" if its catalog names none.

    Raises
    ------
    LabError
        If the variable is not set or empty; names the variable.

    """
    if model.api_key_env is None:
        return "unused"
    key = os.environ.get(model.api_key_env, "").strip()
    if not key:
        raise LabError(
            f"Model {model.name!r} needs a key in the environment variable {model.api_key_env},"
            f" which is not set. Set it in the shell that starts this: export {model.api_key_env}=…"
        )
    return key


def redact(model: Model, text: str) -> str:
    """Return a text of a model's endpoint without the model's key, should it be echoed there.

    Call it before a text is cut, stored, logged or put into an error. Keys under 8 characters are
    taken for placeholders.
    """
    key = os.environ.get(model.api_key_env or "", "").strip()
    if len(key) < SHORTEST:
        return text
    for form in sorted(set(_forms(key)), key=len, reverse=True):
        text = text.replace(form, f"[{model.api_key_env}]")
    return text


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
    """Yield the key as it may be echoed: as it is, escaped, URL-encoded, hex and base64."""
    raw = key.encode()
    yield from (
        key,
        repr(key)[1:-1],
        key.replace("/", "\\/"),
        quote(key, safe=""),
        quote_plus(key),
        quote(key),
    )
    yield from (raw.hex(), raw.hex().upper())
    for encode in (b64encode, urlsafe_b64encode):
        yield encode(raw).decode()
        for before in range(
            3
            # bytes before the key shift its base64; the first and last characters mix with its
            # neighbours
        ):
            first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
            yield encode(bytes(before) + raw).decode()[first:last]
