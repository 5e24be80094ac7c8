import numpy as np
import pytest

from ecollm_lab.domains import load_domain
from ecollm_lab.models import default_encoder
from ecollm_lab.paths.components import find, run_component
from ecollm_lab.paths.sources import Indexes, Sources, reciprocal_rank_fusion
from ecollm_lab.paths.stages.rewrite import build_hyde_prompt, hyde
from ecollm_lab.records import Component, LabError, Passage


def rewrite(name, text):
    return run_component(find(Component("rewrite", name)), (text,))


def rank(name, sources, text):
    return run_component(find(Component("retrieve", name)), (sources, text))


def refine(component, sources, question, passages, k):
    return run_component(find(component), (sources, question, passages[:k], k, component.k))


@pytest.fixture
def embed(encoder):
    return lambda text: encoder.encode([text])[0]


@pytest.fixture
def search(encoder, embed):
    return lambda passages: Sources(Indexes(passages, encoder), embed)


def test_keywords_drop_stop_words_but_never_everything():
    assert rewrite("keywords", "what is the weight of the Halo bulb?") == "weight Halo bulb"
    assert rewrite("keywords", "what is it?") == "what is it"
    assert rewrite("none", "What?") == "What?"


def test_hyde_searches_for_query_and_made_up_answer_together():
    question = "how heavy is it?"
    assert hyde(question, "It weighs 3 tons.") == "how heavy is it? It weighs 3 tons."
    assert hyde(question, "") == question  # a model may write nothing
    assert (
        build_hyde_prompt(question)
        == f"Write the sentence that would answer.\nQuestion: {question}"
    )


@pytest.mark.parametrize("name", ["bm25", "dense", "hybrid"])
def test_retrieval_finds_the_passage_that_shares_the_words(domain, search, name):
    sources = search(domain.passages)
    ranking = rank(name, sources, "weight Lumo lamp noise level decibels specifications")
    assert ranking[0].id == "p2"
    assert {passage.id for passage in ranking} == {"p1", "p2", "p3"}
    assert rank("none", sources, "weight") == ()


def test_a_ranking_is_as_long_as_a_reranker_looks(search):
    sources = search([Passage(f"p{i}", "", "manual", f"word{i}") for i in range(30)])
    for name in ("bm25", "dense", "hybrid"):
        assert len(rank(name, sources, "word7")) == 20
    assert rank("bm25", sources, "word7")[0].id == "p7"


def test_bm25_with_no_known_word_still_ranks_every_passage(domain, search):
    assert len(rank("bm25", search(domain.passages), "zzz")) == 3


def test_fusion_by_hand():
    scores = reciprocal_rank_fusion([np.array([0, 1, 2]), np.array([1, 0, 2])], 3)
    assert scores == pytest.approx([1 / 61 + 1 / 62, 1 / 62 + 1 / 61, 2 / 63])


def test_extract_keeps_the_best_sentences_in_retrieval_order(domain, search):
    sources = search(domain.passages)
    both = domain.passages[1], domain.passages[0]
    assert refine(Component("refine", "none"), sources, "x", both, 2) == (
        both[0].text,
        both[1].text,
    )
    assert refine(Component("refine", "none"), sources, "x", both, 1) == (both[0].text,)
    question = "warranty of the Halo bulb in years"
    assert refine(Component("refine", "extract", 1), sources, question, both, 2) == (
        "The warranty of the Halo bulb is 2 years.",
    )
    only = refine(Component("refine", "extract", 1), sources, question, both, 1)
    assert only[0] in both[0].text  # of the one passage that was retrieved
    assert refine(Component("refine", "extract", 2), sources, "x", (), 3) == ()


@pytest.fixture(scope="module")
def home():
    """The training queries of the smart home, and its passages with all texts embedded once."""
    encoder, domain = default_encoder(), load_domain("data/smart_home")
    queries = [query for query in domain.split("train") if query.gold]
    texts = [q.text for q in queries] + [rewrite("keywords", q.text) for q in queries]
    vectors = dict(zip(texts, encoder.encode(texts), strict=True))
    return queries, Sources(Indexes(domain.passages, encoder), vectors.__getitem__)


def test_what_the_path_space_leaves_out_it_leaves_out_for_a_reason(home):
    """Keywords help BM25 and harm the encoder, and both together find more than either."""
    queries, sources = home

    def found(retrieve, rewriting, k):
        shares = []
        for query in queries:
            best = rank(retrieve, sources, rewrite(rewriting, query.text))[:k]
            shares.append(np.mean([gold in {p.id for p in best} for gold in query.gold]))
        return np.mean(shares)

    assert found("bm25", "keywords", 1) > found("bm25", "none", 1)
    assert found("dense", "keywords", 1) < found("dense", "none", 1)
    assert found("hybrid", "none", 1) > max(found(one, "none", 1) for one in ("bm25", "dense"))
    assert found("hybrid", "none", 6) > 0.95


def test_unknown_components_are_named():
    for stage, name in (("rewrite", "stepback"), ("retrieve", "bm42"), ("instruct", "rude")):
        with pytest.raises(LabError, match=f"Unknown {stage} component '{name}'; there are: "):
            find(Component(stage, name))
