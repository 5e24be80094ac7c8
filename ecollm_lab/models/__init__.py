"""Language models behind one method; the only rooms that import `llama_cpp` or `openai`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock
from types import TracebackType
from typing import Protocol

from ecollm_lab.catalog import Catalog, Model
from ecollm_lab.records import LabError

MAX_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote, the tokens it read and wrote, and the measured wall time in seconds."""

    text: str
    tokens_in: int
    tokens_out: int
    latency_s: float


class ChatModel(Protocol):
    """Answers one user message greedily."""

    def reply(self, prompt: str) -> Reply:
        """Answer `prompt`; raise `LabError` if the model cannot."""
        ...


class ModelPool:
    """Opens the models of a catalog when they are first asked for, and closes them all at the end.

    Use as a context manager: leaving it frees the edge models and stops the loopback servers it started.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._open: dict[str, ChatModel] = {}
        self._exits = ExitStack()
        self._lock = Lock()

    def __getitem__(self, name: str) -> ChatModel:
        with self._lock:
            if name not in self._open:
                model = self._start(self.catalog[name])
                model.reply("Question: warm up")  # the first call allocates; no outcome should carry that
                self._open[name] = model
            return self._open[name]

    def _start(self, model: Model) -> ChatModel:
        if model.placement == "edge":
            from ecollm_lab.models.edge import EdgeModel

            return self._exits.enter_context(EdgeModel(model))
        from ecollm_lab.models.cloud import CloudModel

        return self._exits.enter_context(CloudModel(model))

    def check(self, names: list[str]) -> None:
        """Verify that every named model could be opened: known, priced, its file whole."""
        for name in names:
            model = self.catalog[name]
            if model.file is not None:
                from ecollm_lab.models.gguf import check_file

                check_file(model)

    def __enter__(self) -> ModelPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.clear()
        self._exits.close()


@dataclass
class ScriptedModel:
    """A model for tests: replies from a table, counts its calls, and fails on prompts it does not know."""

    answers: dict[str, str]
    calls: int = 0

    def reply(self, prompt: str) -> Reply:
        """Look the prompt up."""
        self.calls += 1
        if prompt not in self.answers:
            raise LabError(f"The scripted model has no answer for {prompt!r}.")
        text = self.answers[prompt]
        return Reply(text, len(prompt.split()), len(text.split()), 0.001)
