"""Edge models: GGUF in this process, through llama-cpp-python."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, cast

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.edge.gguf import check_file, without_amx
from ecollm_lab.models.edge.templates import set_template
from ecollm_lab.models.replies import CallFailed, Reply, most_tokens_out
from ecollm_lab.records import LabError, Prompt


class EdgeModel:
    """One GGUF model, answering one message at a time on the CPU."""

    def __init__(self, model: Model) -> None:
        file = check_file(model)
        try:
            import llama_cpp
        except ImportError as error:
            raise LabError(
                f"Model {model.name!r} runs on llama-cpp-python, which is not installed. Run: pip"
                " install 'ecollm_lab[edge]'"
            ) from error
        try:
            with without_amx():
                self._llama = llama_cpp.Llama(
                    file,
                    n_ctx=model.context,
                    n_threads=model.threads,
                    n_threads_batch=model.threads,
                    n_gpu_layers=model.gpu_layers,
                    flash_attn=True,
                    verbose=False,
                    seed=0,
                )
        except (ValueError, RuntimeError) as error:
            raise LabError(
                f"Model {model.name!r}: llama.cpp cannot load {file}: {error}. Restore the file or"
                " name another."
            ) from error
        self.name = model.name
        try:
            self.template = set_template(self._llama, model)
        except LabError:
            self._llama.close()
            raise
        self._lock = threading.Lock()

    def reply(self, prompt: Prompt | str) -> Reply:
        """Answer greedily; the latency covers prompt and answer, not the wait for other callers."""
        with self._lock:
            self._llama.reset()
            started = time.perf_counter()
            try:
                raw = self._llama.create_chat_completion(
                    cast("Any", Prompt.of(prompt).messages),
                    temperature=0.0,
                    max_tokens=most_tokens_out(prompt),
                )
            except ValueError as error:  # llama-cpp-python: the prompt does not fit the context
                raise CallFailed(
                    f"Model {self.name!r} cannot answer: {error}. Raise its 'context' or retrieve"
                    " less."
                ) from error
            latency = time.perf_counter() - started
        done = cast("dict[str, Any]", raw)
        choice, usage = done["choices"][0], done["usage"]
        text = choice["message"]["content"] or ""
        return Reply(
            text.strip(),
            usage["prompt_tokens"],
            usage["completion_tokens"],
            latency,
            choice["finish_reason"],
        )

    def __enter__(self) -> EdgeModel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._llama.close()
