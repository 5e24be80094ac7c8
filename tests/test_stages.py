import numpy as np
import pytest

from ecollm_lab.records import Component, LabError
from ecollm_lab.stages.prompt import build_prompt
from ecollm_lab.stages.refine import Refiner
from ecollm_lab.stages.retrieve import Retriever, reciprocal_rank_fusion
from ecollm_lab.stages.rewrite import rewrite


def test_keywords_drop_stop_words_but_never_everything():
    keywords = Component("rewrite", "keywords")
    assert rewrite(keywords, "what is the weight of the Halo bulb?") == "weight Halo bulb"
    assert rewrite(keywords, "what is it?") == "what is it"
    assert rewrite(Component("rewrite", "none"), "What?") == "What?"


@pytest.mark.parametrize("name", ["bm25", "dense", "hybrid"])
def test_retrieval_finds_the_passage_that_shares_the_words(domain, encoder, name):
    retriever = Retriever(domain.passages, encoder)
    for k in (1, 3):
        found = retriever.find(Component("retrieve", name, k), "weight Lumo lamp noise level decibels specifications")
        assert found[0].id == "p2"
        assert len(found) == k
    assert retriever.find(Component("retrieve", "none"), "weight") == ()


def test_bm25_with_no_known_word_still_returns_k_passages(domain, encoder):
    assert len(Retriever(domain.passages, encoder).find(Component("retrieve", "bm25", 3), "zzz")) == 3


def test_fusion_by_hand():
    scores = reciprocal_rank_fusion([np.array([0, 1, 2]), np.array([1, 0, 2])], 3)
    assert scores == pytest.approx([1 / 61 + 1 / 62, 1 / 62 + 1 / 61, 2 / 63])


def test_extract_keeps_the_best_sentences_in_retrieval_order(domain, encoder):
    refiner = Refiner(domain.passages, encoder)
    both = domain.passages[1], domain.passages[0]
    assert refiner.refine(Component("refine", "none"), "x", both) == (both[0].text, both[1].text)
    kept = refiner.refine(Component("refine", "extract", 1), "warranty of the Halo bulb in years", both)
    assert kept == ("The warranty of the Halo bulb is 2 years.",)
    assert refiner.refine(Component("refine", "extract", 2), "x", ()) == ()


def test_prompt_with_and_without_passages():
    assert build_prompt(("a", "b"), "c?") == "Passages:\n- a\n- b\nQuestion: c?"
    assert build_prompt((), "c?") == "Question: c?"


def test_unknown_components_are_named(domain, encoder):
    with pytest.raises(LabError, match=r"rewrite component 'hyde'"):
        rewrite(Component("rewrite", "hyde"), "x")
    with pytest.raises(LabError, match=r"retrieve component 'bm42'"):
        Retriever(domain.passages, encoder).find(Component("retrieve", "bm42", 1), "x")
    with pytest.raises(LabError, match=r"refine component 'rerank'"):
        Refiner(domain.passages, encoder).refine(Component("refine", "rerank", 1), "x", ())
