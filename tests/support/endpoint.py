"""A small OpenAI-compatible endpoint on loopback that echoes keys; it counts its requests."""

import json
import threading
import time
from base64 import b64encode
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote


def completion(text):
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        ],
        "usage": {"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 45},
    }


class Endpoint:
    """A context manager; `answers` maps model names to a reply text or a function of the prompt."""

    def __init__(self, answers=None):
        self.answers = answers or {}
        self.requests = Counter()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.serve(self)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def serve(self, request):
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        name = body["model"]
        self.requests[name] += 1
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        echo = f"bad key {key} / {quote(key, safe='')} / {b64encode(f':{key}'.encode()).decode()}"
        match name:
            case "refuses":
                return self.send(
                    request,
                    401,
                    {
                        "error": {
                            "message": echo,
                            "type": "invalid_request_error",
                            "code": "invalid_api_key",
                        }
                    },
                )
            case "is-html":
                return self.send(
                    request, 200, f"<html><body>Welcome. {echo}</body></html>", "text/html"
                )
            case "hangs":
                time.sleep(1.5)
                return None
            case "echoes":
                return self.send(
                    request, 200, completion(f"You sent {echo}"), headers={"X-Echo": key}
                )
        if name not in self.answers:
            return self.send(
                request,
                404,
                {
                    "error": {
                        "message": f"The model {name} does not exist",
                        "code": "model_not_found",
                    }
                },
            )
        answer = self.answers[name]
        return self.send(
            request,
            200,
            completion(answer(body["messages"][-1]["content"]) if callable(answer) else answer),
        )

    def send(self, request, status, body, kind="application/json", headers=()):
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        request.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(data)),
            **dict(headers),
        }.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
