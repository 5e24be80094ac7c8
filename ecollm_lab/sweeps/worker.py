"""What a worker of an executor does: pure functions, from a query and paths to prompts and replies.

A worker holds models and no books: the process that started the sweep grades, stores and pays.
"""

from __future__ import annotations

import atexit
import hashlib
import pickle
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Lock

from ecollm_lab.models import CallFailed, ModelPool, Reply
from ecollm_lab.models.replies import ChatModel, EndpointClosed
from ecollm_lab.paths import Memo, Pipeline, Prepared, component
from ecollm_lab.paths.components import find
from ecollm_lab.records import LabError, Path, Prompt, Query

PROTOCOL = 2  # raise it whenever what a worker is sent, or what it does, changes
Asked = tuple[str, Prompt]  # a model, and what it is asked
NotAsked = CallFailed | EndpointClosed  # why a query was not rewritten


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker must know of a sweep beside the work itself: packed once, told by its digest.

    That is passages, catalog, encoder, and the components that a user added.
    """

    protocol: int
    digest: str
    packed: bytes

    @classmethod
    def of(cls, pipeline: Pipeline, paths: Sequence[Path]) -> Setup:
        """Pack what the paths need of a pipeline.

        Raises
        ------
        LabError
            If the encoder or a component cannot be sent to another process.

        """
        found = {c: find(c) for path in paths for c in path.components[:-1]}
        own = tuple({(one.stage, one.name): one for one in found.values() if one.is_own}.values())
        home = replace(pipeline.domain, queries=())
        try:
            packed = _dump((home, pipeline.catalog, pipeline.encoder, own))
        except Exception as error:  # whatever pickle meets
            raise LabError(
                "The encoder or a component of your own cannot be sent to the workers"
                f" ({type(error).__name__}: {error}). Define it in a module that they can import."
            ) from error
        return cls(PROTOCOL, hashlib.sha256(packed).hexdigest(), packed)


def _dump(what: object) -> bytes:
    try:
        import cloudpickle  # comes with Dask, and sends functions typed at a prompt, too
    except ImportError:
        return pickle.dumps(what)
    packed: bytes = cloudpickle.dumps(what)
    return packed


@dataclass(frozen=True, slots=True)
class Staged:
    """A query on several paths up to the prompt.

    A path whose call to the model that rewrites failed, or was not taken, has that error in its
    place. `made` are the calls of that kind that were made here; `executions` and `requests` are
    those of `Pipeline`.
    """

    prepared: tuple[Prepared | NotAsked, ...]
    made: Mapping[Asked, Reply]
    executions: Counter[str]
    requests: Counter[str]


def prepare(
    setup: Setup, query: Query, paths: Sequence[Path], known: Mapping[Asked, Reply]
) -> Staged:
    """Run the stages before generation; paths that share a beginning share its work.

    Parameters
    ----------
    setup, query, paths
        What to run.
    known
        Replies of the model that rewrites which are known already.

    Raises
    ------
    LabError
        If a component fails; names this machine, the query and the path.

    """
    with _bench(setup) as bench:
        pipeline, memo = bench.pipeline, Memo()
        bench.known, bench.made = known, {}
        pipeline.executions.clear()
        pipeline.requests.clear()
        prepared = tuple(_prepared(pipeline, query, path, memo) for path in paths)
        return Staged(
            prepared, bench.made, Counter(pipeline.executions), Counter(pipeline.requests)
        )


def _prepared(pipeline: Pipeline, query: Query, path: Path, memo: Memo) -> Prepared | NotAsked:
    try:
        return pipeline.prepare(query, path, memo)
    except (CallFailed, EndpointClosed) as error:
        return error
    except LabError as error:
        raise LabError(f"query {query.id} on path {path.id}: {error}") from error


def reply(setup: Setup, name: str, prompt: Prompt | str, number: int) -> Reply:
    """Ask an edge model.

    `number` makes each time of asking another task: an executor may run equal tasks once.
    """
    with _bench(setup) as bench:
        return bench.models[name].reply(prompt)


class _Bench:
    """What a process of a worker keeps: the pipeline of one setup, and its models once loaded."""

    def __init__(self, setup: Setup) -> None:
        if setup.protocol != PROTOCOL:
            raise LabError("its version of the lab is another one; install the same everywhere.")
        home, catalog, encoder, own = pickle.loads(setup.packed)
        for one in own:
            add = component(
                one.stage, one.name, numbers=one.numbers, whole_ranking=one.whole_ranking
            )
            add(one.work)
        self.digest = setup.digest
        self.known: Mapping[Asked, Reply] = {}
        self.made: dict[Asked, Reply] = {}
        self.models = ModelPool(catalog, fetch=True)
        self.pipeline = Pipeline(home, catalog, encoder, self.models)
        self.pipeline.ask_through(self)
        atexit.register(self.close)  # while llama_cpp is still there to free its models

    def __getitem__(self, name: str) -> ChatModel:
        """Return a model that rewrites; its known replies are not asked for again."""
        return _Rewriter(self, name)

    def close(self) -> None:
        """Free the models."""
        atexit.unregister(self.close)
        self.models.__exit__(None, None, None)


@dataclass(frozen=True, slots=True)
class _Rewriter:
    bench: _Bench
    name: str

    def reply(self, prompt: Prompt | str) -> Reply:
        asked = (self.name, Prompt.of(prompt))
        if asked not in self.bench.known:
            self.bench.made[asked] = self.bench.models[self.name].reply(prompt)
        return self.bench.known.get(asked) or self.bench.made[asked]


_kept: list[_Bench] = []  # one at most
_alone = Lock()  # whatever a process measures runs alone, however many threads it has


@contextmanager
def _bench(setup: Setup) -> Iterator[_Bench]:
    """Lend the bench of a setup, and name this machine in an error that ends the sweep."""
    with _alone:
        try:
            if not _kept or _kept[0].digest != setup.digest:
                while _kept:
                    _kept.pop().close()
                _kept.append(_Bench(setup))
            yield _kept[0]
        except (CallFailed, EndpointClosed):
            raise
        except LabError as error:
            raise LabError(f"On worker {platform.node()}: {error}") from error
