"""The models of a catalog, opened when first asked for and closed together at the end."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock
from types import TracebackType

from ecollm_lab.models.catalog import Catalog, Model
from ecollm_lab.models.replies import ChatModel, Reply
from ecollm_lab.records import LabError, Prompt


class ModelPool:
    """Opens the models of a catalog when they are first asked for, and closes them all at the end.

    Use as a context manager: leaving it frees the edge models and stops the loopback servers it
    started. With `isolate`, each edge model runs in a process of its own, so that a crash in native
    code costs one call and not the sweep. A `persistent` pool, for a server, asks an endpoint again
    however long it was down.
    """

    def __init__(
        self, catalog: Catalog, *, isolate: bool = False, persistent: bool = False
    ) -> None:
        self.catalog, self.isolate, self.persistent = catalog, isolate, persistent
        self._open: dict[str, ChatModel] = {}
        self._exits = ExitStack()
        self._lock = Lock()

    def __getitem__(self, name: str) -> ChatModel:
        with self._lock:
            if name not in self._open:
                self._open[name] = self._start(self.catalog[name])
            return self._open[name]

    def _start(self, model: Model) -> ChatModel:
        started: ChatModel
        if model.placement == "edge" and self.isolate:
            from ecollm_lab.models.edge.isolated import IsolatedModel

            started = self._exits.enter_context(IsolatedModel(model))
        elif model.placement == "edge":
            from ecollm_lab.models.edge.llama import EdgeModel

            started = self._exits.enter_context(EdgeModel(model))
        else:
            from ecollm_lab.models.cloud.admission import Persistent
            from ecollm_lab.models.cloud.client import CloudModel

            admission = Persistent(model, probe_s=1.0) if self.persistent else None
            started = self._exits.enter_context(CloudModel(model, admission=admission))
        if model.base_url is None:  # the first call allocates, which no outcome should carry
            started.reply("Question: warm up")
        return started

    def check(self, names: list[str]) -> None:
        """Verify that every named model could be opened: known, priced, its file whole."""
        for name in names:
            model = self.catalog[name]
            if model.file is not None:
                from ecollm_lab.models.edge.gguf import check_file

                check_file(model)

    def __enter__(self) -> ModelPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.clear()
        self._exits.close()


@dataclass
class ScriptedModel:
    """A model for tests: it replies from a table and counts its calls.

    A prompt that is not in the table is an error.
    """

    answers: dict[str, str]
    calls: int = 0

    def reply(self, prompt: Prompt | str) -> Reply:
        """Look the user message up."""
        asked = Prompt.of(prompt).user
        self.calls += 1
        if asked not in self.answers:
            raise LabError(f"The scripted model has no answer for {asked!r}.")
        text = self.answers[asked]
        return Reply(text, len(asked.split()), len(text.split()), 0.001)
