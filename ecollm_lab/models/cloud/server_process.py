"""The process that serves a GGUF: `llama_cpp.server` on a socket it is given, behind a key.

It reads one line of JSON from its standard input, and ends when that closes: however its parent
ends, even by kill -9, the server does not outlive it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from typing import Any

from ecollm_lab.models.edge.gguf import without_amx


def main() -> None:
    """Serve until the standard input ends."""
    asked = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(asked["socket"], asked["key"], asked["settings"])


def _end_with_parent() -> None:
    while os.read(0, 4096):  # nothing more is written to it
        pass
    os._exit(0)


def serve(descriptor: int, key: str, settings: dict[str, Any]) -> None:
    """Load the model and answer requests that carry the key, from this machine's programs alone."""
    import uvicorn
    from llama_cpp import Llama
    from llama_cpp.server.app import create_app
    from llama_cpp.server.settings import ModelSettings, ServerSettings
    from starlette.middleware.cors import CORSMiddleware

    ours = {"config_file", *ModelSettings.model_fields, *ServerSettings.model_fields}
    for name in [name for name in os.environ if name.lower() in ours]:
        del os.environ[name]  # the settings would read it
    start_afresh(Llama)
    with without_amx():
        app = create_app(
            server_settings=ServerSettings(api_key=key, interrupt_requests=False),
            model_settings=[ModelSettings(**settings)],
        )
    # No web page may ask it.
    app.user_middleware = [m for m in app.user_middleware if m.cls is not CORSMiddleware]
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    server.run(sockets=[socket.socket(fileno=descriptor)])


def start_afresh(model: Any) -> None:
    """Let a class of models read each prompt whole, whatever was asked before.

    llama.cpp goes on from what a prompt has in common with the one before it. Then time and, in the
    last digits, probabilities depend on the order of the requests, and so do some answers.
    """
    generate = model.generate

    def afresh(self: Any, *given: Any, **options: Any) -> Any:
        self.reset()
        return generate(self, *given, **options)

    model.generate = afresh


if __name__ == "__main__":
    main()
