"""A served Runtime on a loopback port, in a thread of this process."""

import socket
import threading
import time
from contextlib import contextmanager

import uvicorn

from ecollm_lab.serving.server import Settings, create_app


@contextmanager
def served(runtime, **settings):
    """Serve a Runtime; yield the address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        app = create_app(runtime, Settings(port=port, **settings))
        config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while thread.is_alive() and not server.started:
            time.sleep(0.005)
        assert server.started
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(timeout=10)
