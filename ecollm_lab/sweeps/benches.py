"""Where the stages and edge models of a sweep run: here, or on the workers of an executor."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from threading import Lock
from typing import Any, Protocol

from ecollm_lab.domains.judging import Models
from ecollm_lab.models import CallFailed, Reply
from ecollm_lab.models.replies import ChatModel, EndpointClosed
from ecollm_lab.paths import Memo, Pipeline, Prepared, called_on
from ecollm_lab.paths.stages import build_hyde_prompt
from ecollm_lab.records import LabError, Path, Prompt, Query
from ecollm_lab.sweeps import worker
from ecollm_lab.sweeps.calls import Calls
from ecollm_lab.sweeps.options import DomainOptions

CONNECT_S = 10  # to wait for the scheduler of a cluster

Stages = Callable[[Path], Prepared]


class Bench(Protocol):
    """Where stages and edge models run."""

    @property
    def pipeline(self) -> Pipeline:
        """The stages, and who grades."""
        ...

    @property
    def models(self) -> Models:
        """The models that answer, by name."""
        ...

    def begin(self, query: Query, paths: Sequence[Path], calls: Calls) -> Stages:
        """Return what brings a query up to its prompt on each of the paths."""
        ...


class Here:
    """In this process: a stage runs when a path needs it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline, self.models = pipeline, pipeline.models

    def begin(self, query: Query, paths: Sequence[Path], calls: Calls) -> Stages:
        """Return what runs the stages; they share their work."""
        memo: Memo = {}
        return lambda path: self.pipeline.prepare(query, path, memo)


class Workers:
    """On the workers of an executor: a query's stages are one task, and each edge call is another.

    Models behind an endpoint are asked from this process, which owns the ledger and the cap.
    """

    def __init__(self, executor: Executor, pipeline: Pipeline, paths: Sequence[Path]) -> None:
        self.pipeline, self.models = pipeline, self
        self._executor, self._setup = executor, worker.Setup.of(pipeline, paths)
        self._numbers, self._counting = count(), Lock()

    def __getitem__(self, name: str) -> ChatModel:
        """Return a model by name."""
        here = self.pipeline.catalog[name].placement == "cloud"
        return self.pipeline.models[name] if here else _Away(self, name)

    def begin(self, query: Query, paths: Sequence[Path], calls: Calls) -> Stages:
        """Run the stages on a worker, and keep the calls of the model that rewrites."""
        rewriters = {n for path in paths for n in called_on(self.pipeline.catalog, path)[:-1]}
        prompt = Prompt.of(build_hyde_prompt(query.text))
        stored = {(name, prompt): calls.stored(name, prompt) for name in rewriters}
        known = {asked: reply for asked, reply in stored.items() if reply}
        try:
            staged: worker.Staged = self.run(worker.prepare, query, tuple(paths), known)
        except CallFailed as error:
            found: dict[Path, Prepared | worker.NotAsked] = dict.fromkeys(paths, error)
        else:
            found = dict(zip(paths, staged.prepared, strict=True))
            for asked, reply in staged.made.items():
                calls.keep(*asked, reply)
            with self._counting:
                self.pipeline.executions += staged.executions
                self.pipeline.requests += staged.requests

        def stages(path: Path) -> Prepared:
            one = found[path]
            if isinstance(one, (CallFailed, EndpointClosed)):
                raise one
            return one

        return stages

    def reply(self, name: str, prompt: Prompt | str) -> Reply:
        """Ask an edge model on a worker."""
        answer: Reply = self.run(worker.reply, name, prompt, next(self._numbers))
        return answer

    def run(self, task: Callable[..., Any], *given: object) -> Any:
        """Run a task on a worker and wait for it.

        Raises
        ------
        CallFailed
            If several workers ended while they worked on it.
        LabError
            If the executor gave it up. What the task raises is raised here.

        """
        try:
            return self._executor.submit(task, self._setup, *given).result()
        except _killed() as error:
            raise CallFailed(
                "Several workers ended while they worked on this; the next sweep tries again."
                f" {error}"
            ) from error
        except (CancelledError, BrokenExecutor) as error:
            raise LabError(
                f"The executor gave up ({type(error).__name__}: {error}). Every finished outcome is"
                " in the store: start the workers again, and run the same sweep."
            ) from error


@dataclass(frozen=True, slots=True)
class _Away:
    workers: Workers
    name: str

    def reply(self, prompt: Prompt | str) -> Reply:
        return self.workers.reply(self.name, prompt)


def _killed() -> tuple[type[Exception], ...]:
    """Return what Dask raises for a task that ended several workers; nothing without Dask."""
    scheduler = sys.modules.get("distributed.scheduler")
    return (scheduler.KilledWorker,) if scheduler else ()


@contextmanager
def connected(options: DomainOptions) -> Iterator[DomainOptions]:
    """Give a sweep the workers of the Dask cluster that it names, if it names one.

    Raises
    ------
    LabError
        If Dask is not installed, there is no scheduler at this address, or it has no workers.

    """
    if options.dask is None:
        yield options
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise LabError(
            "A sweep on a Dask cluster needs the package distributed. In the folder of the lab,"
            " run: pip install -c constraints.txt -e '.[edge,dask]'"
        ) from error
    try:
        client = Client(options.dask, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise LabError(
            f"dask must be the address of a running Dask scheduler, such as tcp://host:8786; got"
            f" {options.dask!r} ({error})."
        ) from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise LabError(
                f"The Dask scheduler {options.dask} has no workers. Start some: dask worker"
                f" {options.dask} --nthreads 1"
            )
        yield replace(options, executor=client.get_executor(), queries_at_once=2 * threads)
