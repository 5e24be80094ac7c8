"""Errors in the shape that OpenAI's clients read."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from typing import Any

from fastapi.responses import JSONResponse

from ecollm_lab.serving.results import Reason, Refused


class Kind(Enum):
    """What can go wrong: HTTP status, type and code as OpenAI's clients know them."""

    INVALID = (400, "invalid_request_error", "invalid_request")
    UNSUPPORTED = (400, "invalid_request_error", "unsupported_parameter")
    TOO_LONG = (400, "invalid_request_error", "context_length_exceeded")
    REFUSED = (400, "invalid_request_error", "question_refused")
    BAD_HOST = (400, "invalid_request_error", "unknown_host")
    BAD_KEY = (401, "authentication_error", "invalid_api_key")
    NO_MODEL = (404, "invalid_request_error", "model_not_found")
    NOT_FOUND = (404, "invalid_request_error", "not_found")
    NOT_ALLOWED = (405, "invalid_request_error", "method_not_allowed")
    TOO_LARGE = (413, "invalid_request_error", "request_too_large")
    NOT_JSON = (415, "invalid_request_error", "unsupported_media_type")
    INFEASIBLE = (422, "invalid_request_error", "slo_infeasible")
    BUSY = (429, "rate_limit_error", "rate_limit_exceeded")
    GONE = (499, "invalid_request_error", "client_closed_request")
    INTERNAL = (500, "server_error", "internal_error")
    NO_ENDPOINT = (503, "server_error", "no_model_answers")
    DEADLINE = (504, "server_error", "deadline_exceeded")


KINDS = {
    Reason.INFEASIBLE: Kind.INFEASIBLE,
    Reason.DEADLINE: Kind.DEADLINE,
    Reason.PATIENCE: Kind.DEADLINE,
    Reason.ENDPOINTS: Kind.NO_ENDPOINT,
    Reason.REFUSED: Kind.REFUSED,
    Reason.CANCELLED: Kind.GONE,
}


class Rejected(Exception):
    """A request that is not answered."""

    def __init__(self, kind: Kind, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.param = kind, message, param


def error_response(kind: Kind, message: str, param: str | None = None, **more: Any) -> JSONResponse:
    """Return an error; clients are told to try again only when the server is busy."""
    status, type_, code = kind.value
    headers = {"x-should-retry": "true" if kind is Kind.BUSY else "false"}
    if kind is Kind.BUSY:
        headers["retry-after"] = "1"
    if kind is Kind.BAD_KEY:
        headers["www-authenticate"] = "Bearer"
    error = {"message": message, "type": type_, "param": param, "code": code}
    return JSONResponse({"error": error, **more}, status, headers)


def refusal(refused: Refused) -> JSONResponse:
    """Return a refusal, with the nearest SLO that can be met where there is one."""
    nearest = None if refused.nearest is None else asdict(refused.nearest)
    tried = [{"path_id": one.path_id, "ended": str(one.ended)} for one in refused.attempts]
    more = {"nearest_slo": nearest, "attempts": tried, "cost_usd": refused.cost_usd}
    return error_response(KINDS[refused.reason], refused.message, "slo", ecollm=more)
