"""Starting the server from files: a policy, a catalog and a domain."""

from __future__ import annotations

import gc
import logging
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path as FilePath

import uvicorn

from ecollm_lab.domains import load_domain
from ecollm_lab.models import ModelPool, default_encoder, load_catalog
from ecollm_lab.paths import Pipeline
from ecollm_lab.policies import load_policy
from ecollm_lab.records import SLO, LabError
from ecollm_lab.serving.runtime import Runtime
from ecollm_lab.serving.server.app import create_app, log
from ecollm_lab.serving.server.settings import Settings


@dataclass(frozen=True, slots=True)
class Files:
    """What a server is made of: a saved policy, a model catalog, and a domain's name or folder."""

    policy: FilePath
    catalog: FilePath
    domain: str


def serve(
    files: Files,
    slo: SLO,
    settings: Settings,
    *,
    isolate: bool = False,
    on_ready: Callable[[Runtime], None] | None = None,
) -> None:
    """Serve until the process is asked to stop; questions in flight are answered first.

    Parameters
    ----------
    files
        What to serve.
    slo
        The SLO of requests that bring none.
    settings
        Where, to whom and how much.
    isolate
        Whether each edge model runs in a process of its own.
    on_ready
        Called when every model is open, just before the server listens.

    Raises
    ------
    LabError
        If a file cannot be read, the port is taken or a model cannot be opened.

    """
    policy, catalog = load_policy(files.policy), load_catalog(files.catalog)
    domain, encoder = load_domain(files.domain), default_encoder()
    with ModelPool(catalog, isolate=isolate, persistent=True) as pool:
        pipeline = Pipeline(domain, catalog, encoder, pool)
        with Runtime(policy, pipeline, slo=slo) as runtime:
            log.setLevel(logging.INFO)
            log.addHandler(handler := logging.StreamHandler(sys.stderr))
            try:
                listen(runtime, settings, on_ready=on_ready)
            finally:
                log.removeHandler(handler)


def listen(
    runtime: Runtime, settings: Settings, *, on_ready: Callable[[Runtime], None] | None = None
) -> None:
    """Warm a Runtime up and serve it; see `serve`.

    What is in memory by then stays, and is left out of Python's garbage collections, which would
    stop all answers for a tenth of a second while they look at it.
    """
    bound = bind(settings)
    try:
        runtime.warm_up()
        config = uvicorn.Config(
            create_app(runtime, settings),
            host=settings.host,
            port=settings.port,
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.drain_s,
        )
        gc.collect()
        gc.freeze()
        if on_ready is not None:
            on_ready(runtime)
        with suppress(KeyboardInterrupt):  # the server has ended in order by then
            uvicorn.Server(config).run(bound)
    finally:
        gc.unfreeze()
        for one in bound:
            one.close()


def bind(settings: Settings) -> list[socket.socket]:
    """Listen at every address of the host, before anything that takes long is done.

    Clients that come before the server is ready wait.

    Raises
    ------
    LabError
        If the port is taken, or the host is no address of this machine.

    """
    bound: list[socket.socket] = []
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            bound.append(one := socket.socket(family, kind, protocol))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:  # its IPv4 address, if it has one, is taken apart
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen()
    except OSError as error:
        for one in bound:
            one.close()
        raise LabError(
            f"Cannot listen at {host}:{port} ({error.strerror or error}). Name another port with"
            " --port, or an address of this machine with --host; or end the program that holds it."
        ) from error
    return bound
