"""Users add components by a function, registered by name for a stage."""

import dataclasses
import functools

import pytest

from ecollm_lab.paths import PathSpace, Pipeline, component, read_space
from ecollm_lab.paths.components import find, forget, own_digests, registered
from ecollm_lab.paths.stages import build_prompt
from ecollm_lab.paths.stages.instruct import BRIEF, MARKER, THINKING_TOKENS
from ecollm_lab.records import Component, LabError, Prompt
from ecollm_lab.sweeps import fingerprints
from tests.paths.test_pipeline import CATALOG, Echo
from tests.support.scripted_model import ScriptedModel


@pytest.fixture
def added():
    """Forget what a test adds."""
    before = {(s, r.name) for s in ("retrieve", "refine", "instruct") for r in registered(s)}
    yield
    for stage in ("retrieve", "refine", "instruct"):
        for one in registered(stage):
            if (stage, one.name) not in before:
                forget(stage, one.name)


def test_a_retriever_and_a_prompt_of_ones_own_run_like_the_labs(domain, encoder, added):
    @component("retrieve", "last", numbers=(1,))
    def last(sources, text):
        return sources.passages[::-1]

    @component("instruct", "loud")
    def loud(texts, question):
        return Prompt(question.upper() + " " + texts[0], system="Shout.")

    choices = {"retrieve": [Component("retrieve", "last", 1)], "rewrite": [find_none("rewrite")]}
    paths = PathSpace.over(["s"], choices=choices)
    assert "none/last-1/none/loud/s" in [path.id for path in paths]
    (outcome,) = Pipeline(domain, CATALOG, encoder, {"s": Echo({})}).run(
        domain.queries[0], paths.select(["none/last-1/none/loud/s"])
    )
    assert outcome.answer == "HOW HEAVY IS THE HALO BULB? " + domain.passages[-1].text
    assert len(outcome.stage_latency_s) == 5


def find_none(stage):
    return Component(stage, "none")


def test_a_changed_function_is_another_fingerprint_and_the_labs_own_change_none(domain, added):
    component("instruct", "mine")(lambda texts, question: Prompt(question))
    mine = PathSpace.over(["s"]).select(["none/none/none/mine/s"])
    plain = PathSpace.over(["s"]).select(["none/none/none/plain/s"])
    first = fingerprints(domain, CATALOG, "e", [*mine, *plain])
    component("instruct", "mine")(lambda texts, question: Prompt(f"{question}!"))
    second = fingerprints(domain, CATALOG, "e", [*mine, *plain])
    assert first["none/none/none/mine/s"] != second["none/none/none/mine/s"]
    assert first["none/none/none/plain/s"] == second["none/none/none/plain/s"]
    assert own_digests(plain.paths[0]) == ()


@pytest.mark.parametrize(
    ("stage", "name", "numbers", "says"),
    [
        ("generate", "x", (), "stage must be one of rewrite, retrieve, refine, instruct"),
        ("instruct", "two words", (), "name must be letters"),
        ("instruct", "brief-3", (), "must not end in"),
        ("retrieve", "mine", (), "needs numbers"),
        ("instruct", "mine", (1,), "has no numbers"),
        ("retrieve", "mine", (0,), "whole numbers >= 1"),
        ("retrieve", "mine", 3, "numbers must be whole numbers >= 1, such as .*got 3"),
        ("refine", "mine", "13", "got '13'"),
        ("refine", 3, (), "must be letters.*got 3"),
        ("instruct", "plain", (), "of the lab itself"),
    ],
)
def test_a_component_that_cannot_be_is_refused(stage, name, numbers, says):
    with pytest.raises(LabError, match=says):
        component(stage, name, numbers=numbers)(lambda texts, question: Prompt(question))


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (lambda texts, question: 1 / 0, "it raised ZeroDivisionError"),
        (lambda texts, question: 7, "it must return a Prompt or a text, got 7"),
        (lambda texts: "x", "it raised TypeError"),
    ],
)
def test_a_function_that_fails_names_its_component(domain, encoder, added, work, says):
    component("instruct", "broken")(work)
    paths = PathSpace.over(["s"]).select(["none/none/none/broken/s"])
    with pytest.raises(LabError, match=rf"instruct component 'broken' failed: {says}"):
        list(Pipeline(domain, CATALOG, encoder, {"s": Echo({})}).run(domain.queries[0], paths))


class Callable:
    def __call__(self, texts, question):
        return question


@pytest.mark.parametrize("work", [functools.partial(max, 1), Callable(), str])
def test_what_is_no_function_is_refused_when_it_is_added(work, added):
    with pytest.raises(LabError, match="instruct component 'mine' must be a function, got"):
        component("instruct", "mine")(work)


def test_one_text_is_not_taken_for_a_sequence_of_its_characters(domain, encoder, added):
    @component("refine", "joined")
    def joined(sources, query, found, k, n):
        return " ".join(passage.text for passage in found[:k])

    paths = PathSpace.over(["s"]).select(["none/bm25-1/joined/plain/s"])
    with pytest.raises(LabError, match=r"component 'joined' failed: it must return texts, got 'T"):
        list(Pipeline(domain, CATALOG, encoder, {"s": Echo({})}).run(domain.queries[0], paths))


def test_a_passage_from_elsewhere_is_read_whole_and_not_by_sentences(domain, encoder, added):
    @component("retrieve", "elsewhere", numbers=(3,))
    def elsewhere(sources, text):
        return [dataclasses.replace(sources.passages[0], id="new")]

    pipeline = Pipeline(domain, CATALOG, encoder, {"s": Echo({})})
    (whole, cut) = (
        PathSpace.over(["s"]).select([f"none/elsewhere-3/{refine}/plain/s"])
        for refine in ("none", "extract-3")
    )
    (outcome,) = pipeline.run(domain.queries[0], whole)
    assert domain.passages[0].text in outcome.answer
    with pytest.raises(LabError, match="takes passages of the domain alone, and 'new' is none"):
        list(pipeline.run(domain.queries[0], cut))


def test_the_labs_prompts_differ_in_the_system_message_alone():
    asked = {
        name: find(Component("instruct", name)).work(("a", "b"), "c?")
        for name in ("plain", "brief", "examples", "think")
    }
    assert {prompt.user for prompt in asked.values()} == {build_prompt(("a", "b"), "c?")}
    assert asked["plain"] == Prompt("Passages:\n- a\n- b\nQuestion: c?")
    assert asked["brief"].system == BRIEF
    assert "The manual does not say." in asked["brief"].system
    assert asked["examples"].system.count("Question:") == 4
    assert asked["think"].extra_tokens == THINKING_TOKENS
    assert MARKER in asked["think"].system
    assert build_prompt((), "c?") == "Question: c?"


def test_after_reasoning_the_answer_alone_is_graded_and_shown(domain, encoder):
    prompt = build_prompt((), domain.queries[0].text)
    model = ScriptedModel({prompt: "The Lumo lamp has 90 grams? No. Answer: 250 grams."})
    paths = PathSpace.over(["s"]).select(["none/none/none/think/s", "none/none/none/plain/s"])
    outcomes = Pipeline(domain, CATALOG, encoder, {"s": model}).run(domain.queries[0], paths)
    said = {outcome.path_id.split("/")[3]: outcome for outcome in outcomes}
    assert (said["think"].answer, said["think"].quality) == ("250 grams.", 0.0)
    assert said["plain"].quality == 1.0  # without reasoning all that is said counts
    assert said["think"].tokens_out == said["plain"].tokens_out


MINE = """
from ecollm_lab.paths import component
from ecollm_lab.records import Prompt

@component("instruct", "polite")
def polite(texts, question):
    return Prompt(f"Please: {question}")
"""
SPACE = """
components = ["mine.py"]
models = ["s"]
rewrite = ["none"]
retrieve = ["bm25-1", "hybrid-3"]
refine = ["none"]
instruct = ["polite", "brief"]
"""


def test_a_space_file_names_components_models_and_files_with_more(tmp_path, added):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "space.toml").write_text(SPACE)
    assert [path.id for path in read_space(tmp_path / "space.toml", CATALOG)] == [
        "none/bm25-1/none/polite/s",
        "none/bm25-1/none/brief/s",
        "none/hybrid-3/none/polite/s",
        "none/hybrid-3/none/brief/s",
    ]


def test_files_that_a_space_file_names_lie_beside_it_below_the_home_folder_too(
    tmp_path, added, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "space.toml").write_text(SPACE)
    assert len(read_space("~/space.toml", CATALOG)) == 4


def test_an_empty_space_file_is_the_whole_space(tmp_path):
    (tmp_path / "space.toml").write_text("# all of it\n")
    assert read_space(tmp_path / "space.toml", CATALOG) == PathSpace.of(CATALOG)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('retreive = ["none"]', "retreive: Extra inputs are not permitted. The keys are comp"),
        ('refine = "none"', "refine: Input should be a valid list"),
        (
            'retrieve = ["bm25-4"]\nmodels = ["gpt"]',
            r"retrieve: 'bm25-4' is none of none, bm25-1.*models: 'gpt' is none of the catalog's",
        ),
        ('components = ["none.py"]', "none.py cannot be loaded: FileNotFoundError"),
        ('retrieve = ["none"]\ninstruct = ["brief"]', "no path is left"),
        ('rewrite = ["none", "hyde"]', "rewrite: A path with hyde needs a model that rewrites"),
        (
            'models = ["s", "s"]\nrefine = ["none", "none", "none"]',
            "models: 's' stands there 2 times.*refine: 'none' stands there 3 times",
        ),
        ("retrieve = [", "not TOML"),
    ],
)
def test_each_fault_of_a_space_file_is_named_with_its_key(tmp_path, text, says):
    (tmp_path / "space.toml").write_text(text)
    with pytest.raises(LabError, match=says):
        read_space(tmp_path / "space.toml", CATALOG)
