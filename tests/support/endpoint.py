"""A small OpenAI-compatible endpoint on loopback that echoes keys; it keeps what it was sent."""

import json
import threading
import time
from base64 import b64encode
from collections import Counter
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

from ecollm_lab.models.replies import Account


def completion(text, *, finish="stop", usage=(40, 5), **message):
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "total_tokens": sum(usage),
        },
    }


class Endpoint:
    """A context manager; `answers` maps model names to what is answered.

    That is a text, a whole JSON body, a tuple of status, body and headers, or a function of the
    prompt that returns any of these. Without answers it repeats "fine" for every model.
    """

    def __init__(self, answers=None, context=None):
        self.answers = answers or {}
        self.requests, self.sent, self.headers = Counter(), [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.serve(self)

            def do_GET(self):
                outer.send(self, 200, {"object": "list", "data": []})

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        if context:  # TLS
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.base_url = f"http{'s' if context else ''}://127.0.0.1:{self.port}/v1"

    def serve(self, request):
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        name = body["model"]
        self.requests[name] += 1
        self.sent.append(body)
        self.headers.append(dict(request.headers))
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        echo = f"bad key {key} / {quote(key, safe='')} / {b64encode(f':{key}'.encode()).decode()}"
        error = {"message": echo, "type": "invalid_request_error", "code": "invalid_api_key"}
        match name:
            case "refuses":
                return self.send(request, 401, {"error": error})
            case "is-html":
                html = f"<html><body>Welcome. {echo}</body></html>"
                return self.send(request, 200, html, {"Content-Type": "text/html"})
            case "hangs":
                time.sleep(1.5)
                return None
            case "echoes":
                return self.send(request, 200, completion(f"You sent {echo}"), {"X-Echo": key})
        unknown = {"message": f"The model {name} does not exist", "code": "model_not_found"}
        answer = self.answers.get(name, (404, {"error": unknown}) if self.answers else "fine")
        answer = answer(body["messages"][-1]["content"]) if callable(answer) else answer
        if isinstance(answer, str):
            answer = completion(answer)
        return self.send(request, *(answer if isinstance(answer, tuple) else (200, answer)))

    def send(self, request, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        data = body.encode() if isinstance(body, str) else data
        request.send_response(status)
        standard = {"Content-Type": "application/json", "Content-Length": str(len(data))}
        for name, value in {**standard, **dict(headers)}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class Journal:
    """An account without a cap; it keeps what was reserved, settled and told."""

    def __init__(self):
        self.reserved, self.settled, self.errors, self.notices = [], [], [], []
        self.account = Account(self._reserve, self._settle, self.notices.append)

    def _reserve(self, usd):
        self.reserved.append(usd)
        return _done(len(self.reserved))

    def _settle(self, number, usd, error, reply):
        self.settled.append(self.reserved[number - 1] if usd is None else usd)
        self.errors.append(error)
        return _done(None)


def _done(value):
    future = Future()
    future.set_result(value)
    return future
