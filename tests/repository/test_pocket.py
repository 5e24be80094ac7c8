"""The workshop: invented worlds share nothing with the domains, and training is repeatable."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from ecollm_lab.domains import load_domain
from ecollm_lab.paths import PathSpace
from ecollm_lab.study import DOMAINS
from scripts.pocket import corpus, grammar, noise


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


def lessons(seed: int, n: int, ks: tuple[int, ...] = (1, 3, 6)):
    rng = Random(seed)
    return [corpus.lesson(rng, k) for k in ks for _ in range(n)]


def test_a_lesson_answers_from_its_own_passages():
    for lesson in lessons(1, 200):
        text = " ".join(lesson.passages)
        for turn in lesson.turns:
            if turn.kind == "compare":
                a, b = turn.facts[:2]
                assert a in text
                assert b in text
            elif turn.kind == "unanswerable":
                assert turn.answer == grammar.NOT_SAID
            elif turn.kind != "general":
                assert turn.answer in text


def test_a_lesson_has_its_passages_and_every_kind_its_share():
    assert [len(corpus.lesson(Random(0), k).passages) for k in (0, 1, 3, 6)] == [0, 1, 3, 6]
    turns = [turn for lesson in lessons(4, 500, (1, 2, 3, 4, 5, 6)) for turn in lesson.turns]
    share = {kind: sum(t.kind == kind for t in turns) / len(turns) for kind in (*corpus.KINDS, "general", "unanswerable")}
    assert sum(share.values()) == pytest.approx(1)
    assert share["compare"] > 0.14
    assert share["lookup"] < 0.34
    assert min(share.values()) > 0.04
    assert 0.07 < share["unanswerable"] < 0.13


def test_lessons_are_repeatable_by_seed():
    assert lessons(7, 30) == lessons(7, 30)
    assert lessons(7, 30) != lessons(8, 30)


def test_the_winner_of_a_comparison_is_right():
    rng = Random(2)
    attribute = grammar.SMART_HOME.attributes[0]
    for _ in range(200):
        turn = corpus.ask_compare(rng, attribute, ("Aa bulb", 3.0), ("Bb bulb", 12.0))
        adjectives, superlatives, amount = grammar.ADJECTIVES[attribute.more]
        wants_more = any(
            words in turn.question.lower() for words in (*attribute.more_wins, *adjectives, *superlatives, f"{amount} battery")
        )
        wants_more |= any(f"{amount} {name}" in turn.question for name in attribute.names)
        assert turn.facts[2] == f"so it is the {'Bb' if wants_more else 'Aa'} bulb", turn.question


def test_an_unsaid_question_is_really_unsaid(monkeypatch):
    monkeypatch.setattr(corpus, "ROUGH", 0)
    monkeypatch.setattr(corpus, "ask_unsaid", lambda turn: replace(turn, kind="unanswerable"))  # keep the answer it would have had
    checked = 0
    for lesson in lessons(5, 400):
        text = " ".join(lesson.passages)
        for turn in lesson.turns:
            if turn.kind != "unanswerable":
                continue
            checked += 1
            if "so it is the" in turn.answer:
                said = [clause.partition(" is ")[0].replace(", so it", "") for clause in turn.answer.lower().split(" and ")]
                assert not all(f"{clause} is " in text.lower() for clause in said), turn
            elif turn.answer.startswith("If"):
                assert turn.answer.partition(", ")[0] not in text, turn
            else:
                assert f"{turn.answer.partition(' is ')[0]} is " not in text, turn
    assert checked > 300


def test_a_step_is_the_one_that_was_asked_for():
    rng = Random(6)
    procedure, actions = grammar.SMART_HOME.procedures[0], grammar.SMART_HOME.steps[:5]
    frames: set[int] = set()
    for _ in range(2000):
        n = rng.randint(1, 5)
        turn = corpus.ask_procedure(rng, procedure, "Aa kettle", actions, n)
        assert turn.facts == (actions[n - 1],)
        assert turn.answer == f"Step {n} to descale the Aa kettle is to {actions[n - 1]}."
        words = turn.question.lower().rstrip("?").replace(",", " ").replace(":", " ").split()
        numbers = [i for i, w in enumerate(zip(grammar.ORDINALS, grammar.NUMBERS, "12345678", strict=True), 1) if set(w) & set(words)]
        if len(numbers) == 1:
            frames.add(numbers[0])
            follows = any(w in turn.question.lower() for w in ("what is next", "what's next", "comes next", "after step", "what now"))
            assert n == numbers[0] + 1 if follows else n == numbers[0], turn
        else:  # asked by its neighbour, or as the last
            neighbours = [actions[i] for i in (n - 2, n) if 0 <= i < 5]
            verbs = [w for action in neighbours for w in (action, corpus._gerund(action))]
            assert any(v in turn.question for v in verbs) or (n in (1, 5)), turn
    assert frames == {1, 2, 3, 4, 5}


def test_carelessness_changes_the_question_alone_and_keeps_its_numbers():
    rng = Random(9)
    tidy = [turn.question for lesson in lessons(9, 200) for turn in lesson.turns]
    rough = [noise.roughen(rng, question, (), ()) for question in tidy]
    assert sum(a != b for a, b in zip(tidy, rough, strict=True)) > 0.8 * len(tidy)
    for before, after in zip(tidy, rough, strict=True):
        for number in re.findall(r"(?<= )\d+\b", before):
            assert number in after or noise._NUMBERS[number] in after.lower(), (before, after)


def test_a_short_name_fits_one_entity_alone():
    rng = Random(10)
    names = {"Aa bulb", "Aa Mini bulb", "Bb Pro plug", "Bb fan", "Cc lamp"}
    short = {name: {noise.short_name(rng, name, names) for _ in range(50)} for name in names}
    assert short["Aa bulb"] == {"Aa bulb"}
    assert short["Aa Mini bulb"] == {"Aa Mini bulb", "Aa Mini"}
    assert short["Cc lamp"] == {"Cc"}


def test_held_back_wordings_are_not_in_training():
    kept = {questions[-1] for speech in grammar.SPEECH.values() for _, _, questions in speech.general}
    rng = Random(3)
    asked = {turn.question.lower().rstrip("?") for _ in range(1500) for turn in corpus.lesson(rng, rng.randint(0, 3)).turns}
    assert not [q for q in kept if any(a.endswith(q.rstrip("?")) for a in asked)]


def test_training_is_repeatable_and_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    from scripts.pocket import train

    plan = train.Plan(4, 300, processes=1)
    monkeypatch.setattr(train, "EVERY", 2)
    weights = []
    for folder in ("whole", "whole again"):
        monkeypatch.setattr(train, "BUILD", tmp_path / folder)
        train.train("pocket-s", plan, fused=False)
        weights.append(torch.load(train.BUILD / "pocket-s.pt"))
    monkeypatch.setattr(train, "BUILD", tmp_path / "interrupted")
    looks = iter((True, False))

    def interrupted(*args, **kwargs):
        if next(looks):
            return {"all": 0.0}
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(train, "KS", (1,))
        patched.setattr(train, "accuracy", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train.train("pocket-s", plan, fused=False)
    log = train.train("pocket-s", plan, fused=False)
    weights.append(torch.load(train.BUILD / "pocket-s.pt"))
    assert [row["step"] for row in log["log"]] == [2, 4]
    for others in weights[1:]:
        assert all(torch.equal(weights[0][key], others[key]) for key in weights[0])
    with pytest.raises(SystemExit, match="remove it to begin anew"):
        train.train("pocket-s", train.Plan(5, 300, processes=1), fused=False)
    known = train.described("pocket-m", plan)
    torch.save({}, train.BUILD / "pocket-s.pt")  # trained anew: what grew out of the old one is not of this family
    assert train.described("pocket-m", plan) != known


TWO_PROCESSES = """
import torch
import torch.distributed as dist
from scripts.pocket import train
from scripts.pocket.model import Pocket

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
trainer = train.Trainer(Pocket(train.SHAPES["pocket-s"]), 0.02, 3e-3, fused=False)
before = trainer.net.state_dict()["embed.weight"].clone()
trainer.step([([1 + 100 * rank + i for i in range(20)], [1] * 20)], 1.0)
moved = (trainer.net.state_dict()["embed.weight"] != before).any(1).nonzero().ravel()
torch.save((moved, trainer.net.state_dict()), f"{rank}.pt")
assert train.each(rank) == [0, 1]
dist.destroy_process_group()
"""


def test_two_processes_learn_from_the_lessons_of_both(tmp_path):
    torch = pytest.importorskip("torch")
    (tmp_path / "script.py").write_text(TWO_PROCESSES)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "script.py"]
    env = {**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (moved, first), (_, second) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert moved.tolist() == [*range(1, 20), *range(101, 120)]  # the last token of a row is only predicted
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_model_trains_in_the_number_of_processes_of_its_plan(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from scripts.pocket import train

    monkeypatch.setattr(train, "BUILD", tmp_path)
    with pytest.raises(SystemExit, match="pocket-s trains in 2 processes, got 1: see torchrun"):
        train.train("pocket-s", train.Plan(4, 300), fused=False)


def test_a_grown_model_starts_as_its_parent():
    torch = pytest.importorskip("torch")
    from scripts.pocket import train
    from scripts.pocket.model import Pocket

    torch.manual_seed(0)
    tokens = torch.arange(40).reshape(2, 20)
    nets = {"pocket-s": Pocket(train.SHAPES["pocket-s"])}
    for name, parent in train.PARENTS.items():
        small = nets[parent]
        nets[name] = train.grow(small, train.SHAPES[name], noise=0.0)
        torch.testing.assert_close(nets[name](tokens), small(tokens), atol=1e-4, rtol=1e-4)
        away = (train.grow(small, train.SHAPES[name])(tokens) - small(tokens)).std() / small(tokens).std()
        wider = train.SHAPES[name].width > small.shape.width
        assert away < 1, name
        assert wider == (away > 1e-3), name


def test_the_hosted_model_is_drilled_in_comparisons_that_say_why():
    pytest.importorskip("torch")
    from scripts.pocket import train

    rng, n = Random(11), 0
    for _ in range(300):
        lesson = corpus.drill(rng)
        text = " ".join(lesson.passages)
        assert len(lesson.passages) == 2
        for turn in lesson.turns:
            said = re.fullmatch(r"(The .*) and (the .*), which is (more|less), (more|less) wanted, so it is the (.*)\.", turn.answer)
            first, second, than, wanted, winner = said.groups()
            assert f"{first}." in text
            assert f"T{second[1:]}." in text
            assert f" of the {winner} is " in (second if than == wanted else first)
            va, vb = (float(re.search(r"\d[\d.]*", fact).group()) for fact in turn.facts[:2])
            assert (vb > va) == (than == "more"), turn
            n += 1
    assert n > 900
    tok = train.tokenizer()
    library = train.Library(tok)
    for step, begins in ((1, " The "), (train.WHOLE + 1, ", which is ")):
        for ids, marks in train.hosted_lessons(tok, rng, 3000, step, library):
            learned = tok.decode([token for token, mark in zip(ids, marks, strict=True) if mark == 1])
            assert learned.startswith(begins)
            assert " wanted, so it is the " in learned
    plain = [tok.decode(ids) for step in range(1, 30) for ids, _ in train.lessons(tok, rng, 3000, step, train.MOST, grown=True)]
    assert any("so it is the" in text for text in plain)
    assert not any("wanted, so" in text for text in plain)


def test_a_hosted_model_reads_manuals_and_neither_queries_nor_notes():
    pytest.importorskip("torch")
    from scripts.pocket import train

    tok = train.tokenizer()
    library = train.Library(tok)
    read = " ".join(tok.decode(ids) for ids, _ in library.rows(Random(0), 200_000))
    for name in DOMAINS:
        domain = load_domain(f"data/{name}")
        assert not [query.text for query in domain.queries if query.text in read]
        found = {"manual": [], "notes": []}
        for passage in domain.passages:
            found[passage.source].append(any(sentence in read for sentence in passage.text.rstrip(".").split(". ")))
        assert np.mean(found["manual"]) > 0.9
        assert not any(found["notes"])


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
    from ecollm_lab.models.edge.gguf import without_amx
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
    from ecollm_lab.models import ModelPool, load_catalog
    from scripts.pocket.family import export_family

    (tmp_path / "odd.toml").write_text("[models.x]\n")
    with pytest.raises(ValueError, match="must hold a line hyde_model"):
        export_family(tmp_path / "odd.toml", tmp_path)
    assert not (tmp_path / "models").exists()
    shutil.copy("data/models.toml", tmp_path)
    size = export_family(tmp_path / "models.toml", tmp_path)
    catalog = load_catalog(tmp_path / "models.toml")
    assert [model.placement for model in catalog.models.values()] == ["edge"] * 9 + ["cloud"]
    assert catalog[str(catalog.hyde_model)].placement == "edge"
    assert 300 <= len(PathSpace.of(catalog)) <= 340
    assert size == sum(file.stat().st_size for file in (tmp_path / "models").iterdir())
    with ModelPool(catalog) as models:
        models.check(list(catalog.models))
        for name in ("pocket-s-q8_0", "pocket-s-q4_0", "pocket-xl"):  # a served one runs in a process of its own
            assert models[name].reply("Question: hi").tokens_out >= 1
