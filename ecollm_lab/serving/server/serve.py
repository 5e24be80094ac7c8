"""Starting the server from files: a policy, a catalog and a domain."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath

import uvicorn

from ecollm_lab.domains import load_domain
from ecollm_lab.models import ModelPool, default_encoder, load_catalog
from ecollm_lab.paths import Pipeline
from ecollm_lab.policies import load_policy
from ecollm_lab.records import SLO
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
        If a file cannot be read or a model cannot be opened.

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
    runtime.warm_up()
    app = create_app(runtime, settings)
    gc.collect()
    gc.freeze()
    if on_ready is not None:
        on_ready(runtime)
    try:
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.drain_s,
        )
    finally:
        gc.unfreeze()
