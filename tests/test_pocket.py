"""The workshop: invented worlds share nothing with the domains, and training is repeatable."""

import dataclasses
import json
import shutil
from random import Random

import numpy as np
import pytest

from ecollm_lab.domains import load_domain
from scripts.pocket import corpus, grammar


def test_no_domain_entity_can_be_invented():
    for name in ("smart_home", "automotive"):
        domain = load_domain(f"data/{name}")
        first = {p.title.split()[0] for p in domain.passages if p.source == "manual"}
        assert first <= corpus.RESERVED
    rng = Random(0)
    names = {corpus.invent_name(rng) for _ in range(20_000)}
    assert not names & corpus.RESERVED
    assert len(names) > 5_000


def test_no_owner_is_shared_with_training():
    for speech in grammar.SPEECH.values():
        assert not set(speech.owners) & set(corpus.PLACES)


def test_a_lesson_answers_from_its_own_passages():
    rng = Random(1)
    for k in (1, 3, 6):
        for _ in range(200):
            lesson = corpus.lesson(rng, k)
            assert len(lesson.passages) == k
            text = " ".join(lesson.passages)
            for turn in lesson.turns:
                if turn.kind == "compare":
                    a, b = turn.facts[:2]
                    assert a in text
                    assert b in text
                elif turn.kind != "general":
                    assert turn.answer in text


def test_the_winner_of_a_comparison_is_right():
    rng = Random(2)
    attribute = grammar.SMART_HOME.attributes[0]
    for _ in range(100):
        turn = corpus.ask_compare(rng, attribute, ("Aa bulb", 3.0), ("Bb bulb", 12.0))
        wants_more = attribute.more in turn.question
        assert turn.facts[2] == f"so it is the {'Bb' if wants_more else 'Aa'} bulb"


def test_held_back_wordings_are_not_in_training():
    kept = {questions[-1] for speech in grammar.SPEECH.values() for _, _, questions in speech.general}
    rng = Random(3)
    asked = {turn.question.lower().rstrip("?") for _ in range(1500) for turn in corpus.lesson(rng, rng.randint(0, 3)).turns}
    assert not [q for q in kept if any(a.endswith(q.rstrip("?")) for a in asked)]


def test_the_domains_are_what_their_script_writes(tmp_path, monkeypatch):
    from scripts.pocket import make_domains

    monkeypatch.setattr(make_domains, "DATA", tmp_path)
    make_domains.main()
    for name in ("smart_home", "automotive"):
        assert load_domain(tmp_path / name).digest == load_domain(f"data/{name}").digest


def test_training_is_repeatable_and_a_grown_model_starts_as_its_parent(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from scripts.pocket import train
    from scripts.pocket.model import Pocket

    monkeypatch.setattr(train, "BUILD", tmp_path)
    first = train.train("pocket-s", steps=2, threads=1)
    weights = torch.load(tmp_path / "pocket-s.pt")
    again = train.train("pocket-s", steps=2, threads=1)
    assert first["log"][-1]["loss"] == again["log"][-1]["loss"]
    small, grown = Pocket(train.SHAPES["pocket-s"]), Pocket(train.SHAPES["pocket-m"])
    small.load_state_dict(weights)
    train.grow(weights, grown)
    tokens = torch.arange(40).reshape(2, 20)
    torch.testing.assert_close(grown(tokens), small(tokens))


@pytest.fixture
def untrained(tmp_path, monkeypatch):
    """Random weights of the smallest size under every name of the family, and the alphabet as vocabulary; returns the network."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("gguf")
    from tokenizers.pre_tokenizers import ByteLevel

    from scripts.pocket import family, train
    from scripts.pocket.model import Pocket

    alphabet = [train.END, *sorted(ByteLevel.alphabet()), "th"]
    shape = dataclasses.replace(train.SHAPES["pocket-s"], vocab=len(alphabet))
    torch.manual_seed(0)
    net = Pocket(shape)
    for name in (*family.EDGE, family.CLOUD):
        monkeypatch.setitem(train.SHAPES, name, shape)
        torch.save(net.state_dict(), tmp_path / f"{name}.pt")
    vocabulary = {"model": {"vocab": {token: i for i, token in enumerate(alphabet)}, "merges": [["t", "h"]]}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(vocabulary))
    return net


@pytest.mark.parametrize(("kind", "at_least"), [("f16", 0.99999), ("q8_0", 0.999), ("q4_0", 0.97)])
def test_an_exported_model_computes_what_torch_computes(tmp_path, untrained, kind, at_least):
    torch, llama_cpp = pytest.importorskip("torch"), pytest.importorskip("llama_cpp")
    from ecollm_lab.models.gguf import without_amx
    from scripts.pocket.export import export

    export("pocket-s", tmp_path / "s.gguf", kind, tmp_path)
    with without_amx():
        llama = llama_cpp.Llama(str(tmp_path / "s.gguf"), n_ctx=64, n_threads=1, logits_all=True, flash_attn=True, verbose=False)
    tokens = [1 + i * 7 % 200 for i in range(40)]
    llama.eval(tokens)
    logits = np.array(llama.scores[: len(tokens)])
    llama.close()
    expected = untrained(torch.tensor([tokens]))[0].detach().numpy()
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > at_least


def test_the_family_is_exported_into_a_catalog_whose_models_answer(tmp_path, untrained):
    pytest.importorskip("llama_cpp")
    from ecollm_lab.catalog import load_catalog
    from ecollm_lab.models import ModelPool
    from scripts.pocket.family import export_family

    shutil.copy("data/models.toml", tmp_path)
    size = export_family(tmp_path / "models.toml", tmp_path)
    catalog = load_catalog(tmp_path / "models.toml")
    assert [model.placement for model in catalog.models.values()] == ["edge"] * 9 + ["cloud"]
    assert catalog[str(catalog.hyde_model)].placement == "edge"
    assert 300 <= len(catalog.space()) <= 340
    assert size == sum(file.stat().st_size for file in (tmp_path / "models").iterdir())
    with ModelPool(catalog) as models:
        models.check(list(catalog.models))
        for name in ("pocket-s-q8_0", "pocket-s-q4_0", "pocket-xl"):  # a served one runs in a process of its own
            assert models[name].reply("Question: hi").tokens_out >= 1
