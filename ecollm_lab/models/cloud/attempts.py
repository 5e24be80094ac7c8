"""How an attempt at an endpoint can fail, and what follows from each way."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import openai

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.cloud.guards import ReplyRejected
from ecollm_lab.models.cloud.mends import Mend
from ecollm_lab.models.cloud.secrets import redact
from ecollm_lab.models.replies import CallState, storable

CONNECT_S = 10.0  # a host that has taken no connection by then is not reached
_QUOTED = 300  # characters of what an endpoint said
_READ = 20_000  # of which it is quoted; to find keys in megabytes would hold up all calls
_NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_NO_MODEL = {"model_not_found", "invalid_model"}
_NO_KEY = {"invalid_api_key", "api_key_invalid"}
_FILTER = {"content_filter", "content_policy_violation", "responsibleaipolicyviolation"}
_STATUSES = {  # that the words of an error object stand for, where it has no number
    429: _NO_MONEY
    | {"rate_limit", "rate_limit_error", "rate_limit_exceeded", "rate_limited"}
    | {"resource_exhausted", "too_many_requests"},
    401: _NO_KEY | {"authentication_error", "unauthenticated", "unauthorized"},
    400: _NO_MODEL
    | _FILTER
    | {"bad_request", "context_length_exceeded", "invalid_argument", "invalid_request_error"},
}
_NOT_REACHED = {"ConnectError", "ConnectTimeout", "ProxyError"}
_GIVEN_UP = {
    401: ("it refused the key", Mend.KEY),
    402: ("its quota is exhausted", Mend.QUOTA),
    403: ("it refused the key", Mend.KEY),
    404: ("it does not know the model or address", Mend.MODEL),
}
_TOO_LONG = re.compile(
    r"context|exceed|too (long|large|many (input )?tokens)|maximum.{0,40}(length|tokens)", re.I
)
# Said of the limit of an answer, where nothing is said of the context that it shares.
_LIMIT_TOO_HIGH = re.compile(
    r"max_(completion_)?tokens(\W{0,2} (is )?too large|: \d+ >)"
    r"|at most \d+ (completion|output) tokens",
    re.I,
)
_FILTERED = re.compile(
    r"content.?(filter|policy|management)|moderation|(input|prompt|content) (is|was|has been) flag",
    re.I,
)
_NOT_TAKEN = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|not (permitted|allowed)|invalid"
    r"|extra (inputs|fields)|only the default|deprecated",
    re.I,
)


class AttemptEnd(StrEnum):
    """How an attempt went, as far as its endpoint is concerned."""

    OK = "ok"  # answered, whether or not the answer is of use
    BUSY = "busy"  # 429
    DOWN = "down"  # 5xx, a timeout, no reply or a broken one
    REFUSED = "refused"  # 400 and the like
    UNUSED = "unused"  # not sent, or refused for a reason of this one prompt


@dataclass(eq=False)
class Failed(Exception):
    """An attempt without a usable reply.

    `retry`: another attempt may help; `fatal`: no call to this model will. `charged`: it may have
    been billed, by the `tokens` it reported if it did. `pause_s`: seconds the endpoint asked to be
    left alone. `died`: the lab's own server ended. `parameter` and `mend` are as in `CallFailed`.
    """

    model: str
    why: str
    end: AttemptEnd = AttemptEnd.DOWN
    retry: bool = True
    fatal: bool = False
    charged: bool = True
    tokens: tuple[int, int] | None = None
    pause_s: float | None = None
    state: CallState = CallState.FAILED
    died: bool = False
    parameter: str = ""
    mend: str = ""

    @property
    def billed(self) -> tuple[int, int] | None:
        """The tokens it is billed for: (0, 0) if it is not, None where that is not known."""
        return self.tokens if self.charged else (0, 0)

    def __str__(self) -> str:
        return (
            f"Model {self.model!r}: the endpoint failed ({self.why}). Nothing was recorded for this"
            " outcome; run the same command again to go on."
        )


def failed_by(model: Model, error: Exception) -> Failed:
    """Name what a request raised; the key, should the endpoint echo it, is struck out."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ReplyRejected):
            why = redact(model, str(cause))
            return Failed(model.name, why, retry=False, fatal=cause.fatal, charged=cause.charged)
    if isinstance(error, openai.APIStatusError):
        status, body = error.status_code, error.body
        said = words(model, body if body is not None else error.message)
        what = f"{type(error).__name__}: Error code: {status} - {said}"
        failed = failed_with_status(model, status, body if isinstance(body, Mapping) else {}, what)
        failed.pause_s = retry_after_s(error.response.headers)
        return failed
    if isinstance(error, TimeoutError):
        why = f"no whole reply within {model.timeout_s:g} s"
        return Failed(model.name, why, mend=Mend.TIMEOUT.of(model))
    what = f"{type(error).__name__}: {shown(model, error)}"
    if isinstance(error, openai.APIConnectionError):
        return _not_connected(model, causes, what)
    return Failed(model.name, f"the reply cannot be read, {what}", mend=Mend.PROTOCOL.of(model))


def connect_s(model: Model) -> float:
    """Return how long making a connection may take: less than the attempt, which is charged."""
    return min(CONNECT_S, 0.9 * model.timeout_s)


def _not_connected(model: Model, causes: list[BaseException], what: str) -> Failed:
    said = " ".join(map(str, causes))
    if "CERTIFICATE_VERIFY_FAILED" in said:
        why = (
            f"the TLS certificate of {model.base_url} is not trusted; if it is your own, let the"
            f" environment variable SSL_CERT_FILE name the file of its authority ({what})"
        )
        return Failed(model.name, why, retry=False, fatal=True, charged=False)
    kinds = {type(cause).__name__ for cause in causes}
    if "ConnectTimeout" in kinds:
        what = f"Connection error: none was made within {connect_s(model):g} s"
    reached = not kinds & _NOT_REACHED
    return Failed(model.name, what, charged=reached, mend=Mend.CONNECTION.of(model))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _ids(body: Mapping[str, Any]) -> set[str]:
    """Return what names the kind of an error in an error object, in lower case."""
    return {str(body.get(key)).lower() for key in ("code", "type", "status")}


def status_of(body: Mapping[str, Any]) -> int:
    """Return the status that an error object names, by a number or by a word; 500 without one."""
    ids = _ids(body)
    for status in range(400, 600):
        if str(status) in ids:
            return status
    return next((status for status, names in _STATUSES.items() if ids & names), 500)


def failed_with_status(model: Model, status: int, body: Mapping[str, Any], what: str) -> Failed:
    """Return what a status, with the error object that came with it, means for the calls."""
    ids = _ids(body)
    failed = Failed(model.name, what, charged=False)
    of_one_prompt = status == 403 and _is_filtered(ids, what)
    if (status in _GIVEN_UP and not of_one_prompt) or (status == 429 and ids & _NO_MONEY):
        why, mend = _GIVEN_UP.get(status, _GIVEN_UP[402])
        failed.mend = mend.of(model)
        return _for_good(failed, f"{why}; {what}")
    if status == 429:
        failed.end, failed.mend = AttemptEnd.BUSY, Mend.QUOTA.of(model)
    elif status not in (408, 409) and status < 500:
        failed.end, failed.retry = AttemptEnd.REFUSED, False
        _refused(model, failed, ids, body)
    return failed


def _for_good(failed: Failed, why: str) -> Failed:
    failed.why, failed.end = why, AttemptEnd.REFUSED
    failed.retry, failed.fatal = False, True
    return failed


def _is_filtered(ids: set[str], why: str) -> bool:
    return bool(ids & _FILTER or _FILTERED.search(why))


def _refused(model: Model, failed: Failed, ids: set[str], body: Mapping[str, Any]) -> None:
    """Find out whether a 400 is about this prompt, a parameter, the key or the model."""
    if _is_filtered(ids, failed.why):
        failed.end, failed.state = AttemptEnd.UNUSED, CallState.REFUSED
    elif ids & _NO_KEY or re.search(r"api key (is )?(not valid|invalid)", failed.why, re.I):
        failed.mend = Mend.KEY.of(model)
        _for_good(failed, f"it refused the key; {failed.why}")
    elif ids & _NO_MODEL:
        failed.mend = Mend.MODEL.of(model)
        _for_good(failed, f"it does not know the model or address; {failed.why}")
    elif _LIMIT_TOO_HIGH.search(failed.why) and "context" not in failed.why.lower():
        where = f"[models.{model.name}], which is {model.max_tokens}"
        failed.mend = f"lower {model.tokens_key} of {where}"
        _for_good(failed, f"it does not write so long an answer: {failed.mend}; {failed.why}")
    elif _TOO_LONG.search(failed.why) or body.get("param") == "messages":
        failed.end = AttemptEnd.UNUSED
        failed.mend = "Retrieve less, or name a model that reads more."
    elif parameter := _parameter(model, failed.why, body):
        failed.parameter, failed.mend = parameter, _without(model, parameter)
        _for_good(failed, f"it does not take {parameter}: {failed.mend}; {failed.why}")


def _parameter(model: Model, why: str, body: Mapping[str, Any]) -> str:
    """Return the parameter of the request that an endpoint complains of, "" for none."""
    names = {"temperature", "seed", model.tokens_key, *model.extra_body} - set(model.omit)
    if (named := body.get("param")) in names:
        return str(named)
    said = [name for name in sorted(names) if re.search(rf"\b{re.escape(name)}\b", why)]
    return said[0] if said and _NOT_TAKEN.search(why) else ""


def _without(model: Model, parameter: str) -> str:
    """Return what to change in the catalog so that a request has no such parameter."""
    where = f"[models.{model.name}]"
    if parameter == "max_tokens":
        return f"put max_completion_tokens = {model.max_tokens} into {where} for max_tokens"
    if parameter in model.extra_body:
        return f"take {parameter} out of extra_body in {where}"
    names = ", ".join(f'"{name}"' for name in sorted({*model.omit, parameter}))
    return f"put omit = [{names}] into {where}"


def words(model: Model, body: object) -> str:
    """Return what an error object says, in one clean line without the model's keys."""
    return _clean(model, _said(body))


def _said(body: object) -> str:
    match body:
        case {"message": str(said)} if said:
            return said
        case {"detail": inner} | {"error": inner} | {"errors": inner}:
            return _said(inner)
        case {"msg": str(said), "loc": list(place)}:  # FastAPI names the place in the request
            return f"{'.'.join(map(str, place))}: {said}"
        case list():
            return "; ".join(map(_said, body))
    return str(body)


def shown(model: Model, value: object) -> str:
    """Quote the beginning of what an endpoint sent, its keys struck out first."""
    return _clean(model, str(value) if isinstance(value, Exception) else repr(value))


def _clean(model: Model, text: str) -> str:
    line = " ".join(redact(model, storable(text[:_READ])).split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)[:_QUOTED]


def retry_after_s(headers: Any) -> float | None:
    """Return the seconds of a Retry-After header, which holds seconds or a date; None without."""
    said = headers.get("retry-after")
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None
