"""The application: OpenAI's chat completions, metrics, health and one page, over a Runtime."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from functools import partial
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from ecollm_lab.records import LabError
from ecollm_lab.serving.results import Answer, Refused
from ecollm_lab.serving.runtime import Runtime
from ecollm_lab.serving.server.errors import Kind, Rejected, error_response, refusal
from ecollm_lab.serving.server.metrics import Metrics
from ecollm_lab.serving.server.protocol import (
    ChatRequest,
    Completion,
    read_request,
    read_slo,
)
from ecollm_lab.serving.server.settings import LOOPBACK, Settings
from ecollm_lab.serving.tracing import ANY_PATH

log = logging.getLogger("ecollm_lab.serving")
PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
REFERENCE = "#/components/schemas/{model}"
OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Server:
    """The state of one application: a Runtime, what it allows, what it counts."""

    def __init__(self, runtime: Runtime, settings: Settings) -> None:
        self.runtime, self.settings, self.metrics = runtime, settings, Metrics(runtime)
        self.models = {ANY_PATH: None, **{path_id: path_id for path_id in runtime.path_ids}}
        self._threads = ThreadPoolExecutor(settings.max_concurrent, thread_name_prefix="question")
        self._in_flight = 0

    async def authorised(self, request: Request) -> None:
        """Raise `Rejected` unless the request carries the token, where one is set."""
        if self.settings.token is None:
            return
        sent = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(sent, f"Bearer {self.settings.token}".encode()):
            raise Rejected(Kind.BAD_KEY, "Send the server's token as Authorization: Bearer ….")

    async def body(self, request: Request) -> bytes:
        """Return the body of a request; raise `Rejected` once it is larger than allowed."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Rejected(Kind.NOT_JSON, "Send JSON, with Content-Type: application/json.")
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > self.settings.max_body_bytes:
                most = self.settings.max_body_bytes
                raise Rejected(Kind.TOO_LARGE, f"The request is larger than {most} bytes.")
            parts.append(part)
        return b"".join(parts)

    async def complete(self, request: Request) -> Response:
        """Answer a request for a chat completion."""
        asked = read_request(await self.body(request))
        slo = read_slo(asked, request.headers, self.runtime.slo)
        question = asked.question
        if asked.model not in self.models:
            raise Rejected(
                Kind.NO_MODEL,
                f"There is no model {asked.model[:200]!r} here; GET /v1/models lists them.",
                "model",
            )
        if len(question) > self.settings.max_question_chars:
            most = self.settings.max_question_chars
            raise Rejected(
                Kind.TOO_LONG, f"The question is longer than {most} characters.", "messages"
            )
        if self._in_flight >= self.settings.max_concurrent:
            raise Rejected(Kind.BUSY, "Too many questions at once; try again in a second.")
        call = partial(
            self.runtime.answer,
            question,
            slo,
            path_id=self.models[asked.model],
            max_tokens=asked.most_tokens,
        )
        result = await self._result(request, call)
        self._note(result, question)
        if isinstance(result, Refused):
            return refusal(result)
        done = Completion.of(result, asked)
        if asked.stream:
            return StreamingResponse(
                done.events(), media_type="text/event-stream", headers=done.headers
            )
        return JSONResponse(done.body(), headers=done.headers)

    async def _result(self, request: Request, call: partial[Answer | Refused]) -> Answer | Refused:
        """Answer in a thread; give the question up when the client goes away."""
        cancel: Future[None] = Future()
        work = asyncio.get_running_loop().run_in_executor(
            self._threads, partial(copy_context().run, partial(call, cancel=cancel))
        )
        gone = asyncio.ensure_future(_disconnected(request))
        self._in_flight += 1
        self.metrics.in_flight.set(self._in_flight)
        try:
            both: set[asyncio.Future[Any]] = {work, gone}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                cancel.set_result(None)
            return await work
        finally:
            if not cancel.done():
                cancel.set_result(None)
            gone.cancel()
            self._in_flight -= 1
            self.metrics.in_flight.set(self._in_flight)

    def _note(self, result: Answer | Refused, question: str) -> None:
        self.metrics.count(result)
        answered = isinstance(result, Answer)
        line: dict[str, Any] = {
            "event": "answered" if answered else "refused",
            "latency_s": round(result.latency_s, 6),
            "cost_usd": result.cost_usd,
            "attempts": [f"{one.path_id} {one.ended}" for one in result.attempts],
        }
        if isinstance(result, Answer):
            line |= {"path_id": result.path_id, "kept": result.kept, "bound": result.bound}
        else:
            line |= {"reason": result.reason}
        if self.settings.log_questions:  # an endpoint's error may quote the question
            line |= {"question": question, "errors": [one.error for one in result.attempts]}
        log.info(json.dumps(line))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _disconnected(request: Request) -> None:
    """Return when the client has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def create_app(runtime: Runtime, settings: Settings | None = None) -> FastAPI:
    """Return the application that serves a Runtime; the Runtime stays its owner's to close."""
    settings = settings or Settings()
    server = Server(runtime, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        server.close()

    app = FastAPI(title="ecollm-lab", lifespan=lifespan, docs_url=None, redoc_url=None)
    if settings.host in LOOPBACK:  # a page from elsewhere cannot reach it under another name
        app.add_middleware(OwnName)
    _add_errors(app)
    app.include_router(_open_routes())
    app.include_router(_guarded_routes(server))
    _describe_body(app)
    return app


class OwnName:
    """Refuses requests under any name but this machine's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with an error."""
        reply = self._app
        if scope["type"] == "http":
            name = re.sub(r":\d*$", "", Headers(scope=scope).get("host", "")).lower()
            if name not in OWN_NAMES:
                names = ", ".join(OWN_NAMES)
                reply = error_response(Kind.BAD_HOST, f"Ask this server as one of {names}.")
        await reply(scope, receive, send)


def _describe_body(app: FastAPI) -> None:
    """Put the request that is read by hand, for its limit on size, into the OpenAPI schema."""
    schema = ChatRequest.model_json_schema(ref_template=REFERENCE)
    parts = schema.pop("$defs")
    whole = app.openapi()
    whole.setdefault("components", {}).setdefault("schemas", {}).update(parts)
    content = {"application/json": {"schema": schema}}
    complete = whole["paths"]["/v1/chat/completions"]["post"]
    complete["requestBody"] = {"required": True, "content": content}


def _open_routes() -> APIRouter:
    """Return what needs no token: the page and the health check."""
    router = APIRouter()
    page = files("ecollm_lab.serving.server").joinpath("page.html").read_text(encoding="utf-8")

    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers=PAGE_HEADERS)

    @router.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return router


def _guarded_routes(server: Server) -> APIRouter:
    """Return what needs the token, where one is set."""
    router = APIRouter(dependencies=[Depends(server.authorised)])

    @router.post("/v1/chat/completions", response_model=None)
    async def complete(request: Request) -> Response:
        return await server.complete(request)

    @router.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [_shown(name) for name in server.models]}

    @router.get("/v1/models/{name:path}", response_model=None)
    async def model(name: str) -> dict[str, Any]:
        if name not in server.models:
            raise Rejected(Kind.NO_MODEL, "There is no such model here.", "model")
        return _shown(name)

    @router.get("/recent")
    async def recent() -> list[dict[str, Any]]:
        table = server.runtime.recent()
        rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
        return rows

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(server.metrics.text(), media_type="text/plain; version=0.0.4")

    return router


def _shown(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "ecollm-lab"}


def _add_errors(app: FastAPI) -> None:
    """Make every error one that OpenAI's clients can read."""

    @app.exception_handler(Rejected)
    async def rejected(_: Request, error: Rejected) -> JSONResponse:
        return error_response(error.kind, error.message, error.param)

    @app.exception_handler(LabError)
    async def mistake(_: Request, error: LabError) -> JSONResponse:
        return error_response(Kind.INVALID, str(error))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        kind = Kind.NOT_ALLOWED if error.status_code == 405 else Kind.NOT_FOUND
        return error_response(kind, str(error.detail))

    @app.exception_handler(Exception)
    async def fault(_: Request, error: Exception) -> JSONResponse:
        log.error(json.dumps({"event": "fault", "type": type(error).__name__}))
        return error_response(Kind.INTERNAL, "The server made a mistake; its log names it.")
