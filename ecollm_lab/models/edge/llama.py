"""Edge models: GGUF in this process, through llama-cpp-python."""

from __future__ import annotations

import threading
import time
from typing import Any, cast

import numpy as np

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.edge.gguf import check_context, check_file, read_metadata, without_amx
from ecollm_lab.models.edge.templates import set_template
from ecollm_lab.models.replies import (
    CallFailed,
    PromptUnfit,
    Reply,
    answer_limit,
    messages,
    storable,
    without_thoughts,
)
from ecollm_lab.records import LabError, Prompt


class EdgeModel:
    """One GGUF model, answering one message at a time on the CPU.

    With `reuse`, the beginning that a prompt has in common with the previous one is not read again.
    That takes less time than the prompt would take alone.
    """

    def __init__(self, model: Model, *, reuse: bool = False) -> None:
        file = check_file(model)
        try:
            import llama_cpp
        except ImportError as error:
            raise LabError(
                f"Model {model.name!r} runs on llama-cpp-python, which is not installed. In the"
                " folder of the lab, run: pip install -c constraints.txt -e '.[edge]'"
            ) from error
        check_context(model, read_metadata(file))
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
        self.model, self.name, self._reuse = model, model.name, reuse
        try:
            self.template = set_template(self._llama, model)
        except LabError:
            self._llama.close()
            raise
        self._lock = threading.Lock()

    def reply(self, prompt: Prompt | str) -> Reply:
        """Answer greedily; the latency covers prompt and answer, not the wait for other callers."""
        return self.reply_unless(threading.Event(), prompt)

    def reply_unless(self, stopped: threading.Event, prompt: Prompt | str) -> Reply:
        """Answer like `reply`, but end at the next token once `stopped` is set.

        Raises
        ------
        CallFailed
            If it was stopped. The prompt is always read to its end.

        """
        from jinja2 import TemplateError
        from llama_cpp import LogitsProcessorList

        greedy = _GreedyLogprobs(stopped, self._llama.token_eos())
        with self._lock:
            if not self._reuse:
                self._llama.reset()
            started = time.perf_counter()
            try:
                raw = self._llama.create_chat_completion(
                    cast("Any", messages(self.model, prompt)),
                    temperature=0.0,
                    max_tokens=answer_limit(self.model, prompt),
                    logits_processor=LogitsProcessorList([greedy]),
                )
            except (ValueError, TemplateError) as error:  # too long for the context, for one
                raise PromptUnfit(
                    f"Model {self.name!r} cannot answer: {error}. Raise its 'context' or retrieve"
                    " less."
                ) from error
            except RuntimeError as error:  # llama_decode gave up on this prompt
                raise CallFailed(
                    f"Model {self.name!r} failed while it answered: {error}. Run the same command"
                    " again; if it fails again, lower its 'context' or 'gpu_layers', which need"
                    " memory."
                ) from error
            latency = time.perf_counter() - started
        if stopped.is_set():
            raise CallFailed(
                f"Model {self.name!r} was stopped while it answered, because nobody waits for the"
                " answer any more.",
                answered=True,
            )
        return self._read(cast("dict[str, Any]", raw), latency, greedy)

    def _read(self, raw: dict[str, Any], latency_s: float, greedy: _GreedyLogprobs) -> Reply:
        choice, usage = raw["choices"][0], raw["usage"]
        answer = without_thoughts(choice["message"]["content"] or "")
        if answer is None:
            raise CallFailed(
                f"Model {self.name!r} was cut while it thought, within {usage['completion_tokens']}"
                f" tokens. Raise max_tokens of [models.{self.name}] in the catalog.",
                answered=True,
            )
        return Reply(
            storable(answer),
            usage["prompt_tokens"],
            usage["completion_tokens"],
            latency_s,
            choice["finish_reason"],
            logprob=greedy.mean(usage["completion_tokens"]),
        )

    def __enter__(self) -> EdgeModel:
        return self

    def __exit__(self, *_: object) -> None:
        self._llama.close()


class _GreedyLogprobs:
    """A logits processor that notes the log-probability of the best token.

    It sees the logits of one position at a time, so llama.cpp need not keep those of the prompt.
    It changes nothing, until `stopped` is set: then only the token that ends an answer is left.
    """

    def __init__(self, stopped: threading.Event, last_token: int) -> None:
        self._stopped, self._last = stopped, last_token
        self._noted: list[float] = []

    def __call__(self, tokens: np.ndarray, logits: np.ndarray) -> np.ndarray:
        if self._stopped.is_set():
            logits = np.full_like(logits, -np.inf)
            logits[self._last] = 0.0
            return logits
        best = logits.max()
        self._noted.append(-float(np.log(np.exp(logits - best).sum(dtype=np.float64))))
        return logits

    def mean(self, tokens: int) -> float | None:
        """Return the mean over the first so many tokens, without the one that ends the answer."""
        return float(np.mean(self._noted[:tokens])) if tokens else None
