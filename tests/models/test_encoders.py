"""Encoders: unit vectors, similar for similar texts; the static one without a transformer."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ecollm_lab.models import CachedEncoder, default_encoder
from ecollm_lab.models.encoders import StaticEncoder, static_encoder
from ecollm_lab.records import LabError
from scripts import distil_encoder

TEXTS = [
    "how loud is the Pico sensor?",
    "what noise level has the Pico sensor",
    "when is Mia's wake-up alarm?",
    "at what time does Mia get up",
    "which lamp is heavier, the Halo or the Lumo?",
]


def test_static_embeddings_are_unit_rows_and_order_pairs_as_the_encoder_they_were_distilled_from():
    small, large = static_encoder().encode(TEXTS), default_encoder().encode(TEXTS)
    assert small.shape == (5, 192)
    assert small.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(small, axis=1), 1, atol=1e-5)
    pairs = np.triu_indices(5, 1)
    close, other = ((x @ x.T)[pairs] for x in (small, large))
    assert np.corrcoef(close, other)[0, 1] > 0.7
    assert close.argmax() == other.argmax() == 0
    np.testing.assert_array_equal(static_encoder().encode(TEXTS[::-1]), small[::-1])


def test_static_is_many_times_faster():
    def seconds(encoder):
        encoder.encode(TEXTS[:1])
        started = time.perf_counter()
        for _ in range(20):
            encoder.encode(TEXTS[:1])
        return time.perf_counter() - started

    assert seconds(static_encoder()) < seconds(default_encoder()) / 5


def test_a_text_without_a_token_still_has_a_unit_embedding():
    found = static_encoder().encode(["", "   "])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)


def test_a_missing_folder_or_package_is_named(tmp_path, monkeypatch):
    with pytest.raises(LabError, match=r"no static encoder in .*scripts\.distil_encoder"):
        StaticEncoder(tmp_path)
    monkeypatch.setitem(sys.modules, "model2vec", None)
    with pytest.raises(LabError, match=r"pip install -c constraints\.txt -e '\.\[fast\]'"):
        StaticEncoder()


def test_distilling_into_a_folder_leaves_what_else_is_there(tmp_path, monkeypatch):
    class Distilled:
        def save_pretrained(self, folder):
            for name in (*distil_encoder.KEPT, "README.md"):
                (Path(folder) / name).write_text("{}")

    monkeypatch.setitem(
        sys.modules, "model2vec.distill", SimpleNamespace(distill=lambda *_, **__: Distilled())
    )
    (tmp_path / "mine.txt").write_text("kept")
    distil_encoder.main(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"mine.txt", *distil_encoder.KEPT}
    assert "distilled_from" in json.loads((tmp_path / "config.json").read_text())


def test_the_cache_embeds_each_text_once(encoder):
    cached = CachedEncoder(encoder)
    first = cached.encode(["a", "b", "a"])
    np.testing.assert_array_equal(cached.encode(["b", "a"]), first[[1, 0]])
    assert encoder.texts == 2
    assert cached.name == "letters"


def test_what_stands_at_the_end_of_a_long_text_counts():
    filler = "the lamp is green. " * 80
    encoder = default_encoder()
    one, other, short = encoder.encode([filler + "it burns 40 watts", filler + "call me", "hello"])
    assert abs(one - other).max() > 0.01
    assert np.linalg.norm([one, other, short], axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    assert "".join(encoder._windows(filler)) == filler


def test_threads_that_share_the_encoder_use_it_one_after_another(monkeypatch):
    encoder, inside, most = default_encoder(), [], []
    embed = encoder._model.encode

    def watched(*texts, **options):
        inside.append(texts)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return embed(*texts, **options)

    monkeypatch.setattr(encoder._model, "encode", watched)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda text: encoder.encode([text]), TEXTS))
    assert most == [1] * len(TEXTS)
