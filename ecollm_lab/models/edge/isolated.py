"""Edge models in a process of their own: a crash in native code costs one call, not the sweep."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.edge.gguf import check_file
from ecollm_lab.models.edge.llama import EdgeModel
from ecollm_lab.models.replies import DEATHS, WARM_UP, CallFailed, CallState, Reply
from ecollm_lab.records import LabError, Prompt

_here: list[EdgeModel] = []  # in a worker: its one model


def _begin(model: Model) -> None:
    """Load the model in a fresh worker, which ends with its parent and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _here.append(EdgeModel(model))
    atexit.register(
        _here[0].__exit__, None, None, None
    )  # while llama_cpp is still there to free it


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(0)


def _reply(prompt: Prompt | str) -> Reply:
    return _here[0].reply(prompt)


class IsolatedModel:
    """One edge model in a worker process, which is replaced when it dies."""

    def __init__(self, model: Model) -> None:
        check_file(model)  # in this process, where the message reaches the user
        self.model, self.name = model, model.name
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(
            1, mp_context=context, initializer=_begin, initargs=(self.model,)
        )
        try:  # no outcome should carry a cold start
            pool.submit(_reply, WARM_UP).result()
        except BaseException as error:
            if isinstance(error, CallFailed) and error.answered:
                return pool
            pool.shutdown(wait=True)
            if not isinstance(error, BrokenProcessPool):
                raise
            raise LabError(
                f"Model {self.name!r}: its worker process ended while it loaded. Try without"
                " isolation to see why."
            ) from error
        return pool

    def reply(self, prompt: Prompt | str) -> Reply:
        """Answer greedily; the latency is measured in the worker.

        Raises `CallFailed`, quarantined, if two workers died of the prompt; `LabError` if no new
        one can be started, which is tried again at the next call.
        """
        with self._lock:
            for _ in range(DEATHS):
                self._pool = self._pool or self._new_pool()
                try:
                    return self._ask(prompt)
                except BrokenProcessPool:
                    self._close()
        raise CallFailed(
            f"Model {self.name!r}: {DEATHS} worker processes died on this prompt; the pair is"
            " quarantined and no sweep tries it again.",
            attempts=DEATHS,
            state=CallState.QUARANTINED,
        )

    def _ask(self, prompt: Prompt | str) -> Reply:
        assert self._pool is not None
        return self._pool.submit(_reply, prompt).result()

    def _close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)

    def __enter__(self) -> IsolatedModel:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
