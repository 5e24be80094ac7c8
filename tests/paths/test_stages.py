import numpy as np
import pytest

from ecollm_lab.domains import load_domain
from ecollm_lab.models import default_encoder
from ecollm_lab.paths.stages.prompt import build_prompt
from ecollm_lab.paths.stages.refine import Refiner
from ecollm_lab.paths.stages.retrieve import Retriever, reciprocal_rank_fusion
from ecollm_lab.paths.stages.rewrite import build_hyde_prompt, rewrite
from ecollm_lab.records import Component, LabError, Passage


def test_keywords_drop_stop_words_but_never_everything():
    keywords = Component("rewrite", "keywords")
    assert rewrite(keywords, "what is the weight of the Halo bulb?") == "weight Halo bulb"
    assert rewrite(keywords, "what is it?") == "what is it"
    assert rewrite(Component("rewrite", "none"), "What?") == "What?"


def test_hyde_searches_for_query_and_made_up_answer_together():
    hyde = Component("rewrite", "hyde")
    assert (
        rewrite(hyde, "how heavy is it?", "It weighs 3 tons.")
        == "how heavy is it? It weighs 3 tons."
    )
    assert rewrite(hyde, "how heavy is it?", "") == "how heavy is it?"  # a model may write nothing
    assert (
        build_hyde_prompt("how heavy is it?")
        == "Write the sentence that would answer.\nQuestion: how heavy is it?"
    )


@pytest.fixture
def embed(encoder):
    return lambda text: encoder.encode([text])[0]


@pytest.mark.parametrize("name", ["bm25", "dense", "hybrid"])
def test_retrieval_finds_the_passage_that_shares_the_words(domain, encoder, embed, name):
    retriever = Retriever(domain.passages, encoder)
    ranking = retriever.rank(name, "weight Lumo lamp noise level decibels specifications", embed)
    assert ranking[0].id == "p2"
    assert {passage.id for passage in ranking} == {"p1", "p2", "p3"}
    assert retriever.rank("none", "weight", embed) == ()


def test_a_ranking_is_as_long_as_a_reranker_looks(encoder, embed):
    passages = [Passage(f"p{i}", "", "manual", f"word{i}") for i in range(30)]
    retriever = Retriever(passages, encoder)
    assert [len(retriever.rank(name, "word7", embed)) for name in ("bm25", "dense", "hybrid")] == [
        20
    ] * 3
    assert retriever.rank("bm25", "word7", embed)[0].id == "p7"


def test_bm25_with_no_known_word_still_ranks_every_passage(domain, encoder, embed):
    assert len(Retriever(domain.passages, encoder).rank("bm25", "zzz", embed)) == 3


def test_fusion_by_hand():
    scores = reciprocal_rank_fusion([np.array([0, 1, 2]), np.array([1, 0, 2])], 3)
    assert scores == pytest.approx([1 / 61 + 1 / 62, 1 / 62 + 1 / 61, 2 / 63])


def test_extract_keeps_the_best_sentences_in_retrieval_order(domain, encoder, embed):
    refiner = Refiner(domain.passages, encoder)
    both = domain.passages[1], domain.passages[0]
    assert refiner.refine(Component("refine", "none"), "x", both, 2, embed) == (
        both[0].text,
        both[1].text,
    )
    assert refiner.refine(Component("refine", "none"), "x", both, 1, embed) == (both[0].text,)
    question = "warranty of the Halo bulb in years"
    assert refiner.refine(Component("refine", "extract", 1), question, both, 2, embed) == (
        "The warranty of the Halo bulb is 2 years.",
    )
    only = refiner.refine(Component("refine", "extract", 1), question, both, 1, embed)
    assert only[0] in both[0].text  # of the one passage that was retrieved
    assert refiner.refine(Component("refine", "extract", 2), "x", (), 3, embed) == ()


def test_rerank_brings_the_passage_with_the_best_sentence_to_the_front(encoder, embed):
    filler = " ".join("Pack my box with five dozen liquor jugs." for _ in range(4))
    passages = (
        Passage(
            "long", "", "manual", f"{filler} The reset time of the Halo bulb is 9 seconds. {filler}"
        ),
        Passage("near", "", "manual", "The Halo bulb is a bulb."),
        Passage("far", "", "manual", filler),
    )
    refiner, rerank, question = (
        Refiner(passages, encoder),
        Component("refine", "rerank"),
        "What is the reset time of the Halo bulb?",
    )
    ranking = passages[2], passages[1], passages[0]
    texts = refiner.refine(rerank, question, ranking, 3, embed)
    assert texts == (passages[0].text, passages[1].text, passages[2].text)
    assert refiner.refine(rerank, question, ranking, 1, embed) == texts[:1]  # from below the cut
    assert refiner.refine(rerank, question, (), 3, embed) == ()
    for n in range(
        1, 7
    ):  # the retriever's order makes no difference where no two passages are equal
        shuffled = [ranking[i] for i in np.random.default_rng(n).permutation(3)]
        assert refiner.refine(rerank, question, shuffled, 3, embed) == texts


def test_what_the_path_space_leaves_out_it_leaves_out_for_a_reason():
    """On training queries, keywords help BM25 and harm the encoder; six passages nearly suffice."""
    encoder, home = default_encoder(), load_domain("data/smart_home")
    retriever, keywords = Retriever(home.passages, encoder), Component("rewrite", "keywords")
    queries = [query for query in home.split("train") if query.gold]
    worded = {
        "none": [q.text for q in queries],
        "keywords": [rewrite(keywords, q.text) for q in queries],
    }
    vectors = {
        text: vector
        for texts in worded.values()
        for text, vector in zip(texts, encoder.encode(texts), strict=True)
    }

    def found(retrieve, rewriting, k):
        best = [
            retriever.rank(retrieve, text, vectors.__getitem__)[:k] for text in worded[rewriting]
        ]
        return np.mean(
            [
                np.mean([one in {p.id for p in some} for one in q.gold])
                for q, some in zip(queries, best, strict=True)
            ]
        )

    assert found("bm25", "keywords", 1) > found("bm25", "none", 1)
    assert found("dense", "keywords", 1) < found("dense", "none", 1)
    assert found("hybrid", "none", 6) > 0.95


def test_reranking_finds_more_gold_passages_than_each_retriever_alone():
    """On the training queries of the smart home: the share of gold passages among the first one."""
    encoder, home = default_encoder(), load_domain("data/smart_home")
    retriever, refiner = Retriever(home.passages, encoder), Refiner(home.passages, encoder)
    texts = {passage.id: passage.text for passage in home.passages}
    queries = [query for query in home.split("train") if query.gold]
    vectors = dict(
        zip([q.text for q in queries], encoder.encode([q.text for q in queries]), strict=True)
    )
    for name in ("bm25", "dense", "hybrid"):
        hits = {"none": 0.0, "rerank": 0.0}
        for query in queries:
            ranking = retriever.rank(name, query.text, vectors.__getitem__)
            for refine in hits:
                (read,) = refiner.refine(
                    Component("refine", refine), query.text, ranking, 1, vectors.__getitem__
                )
                hits[refine] += (read in {texts[p] for p in query.gold}) / len(queries)
        assert hits["rerank"] > hits["none"], (name, hits)


def test_prompt_with_and_without_passages():
    assert build_prompt(("a", "b"), "c?") == "Passages:\n- a\n- b\nQuestion: c?"
    assert build_prompt((), "c?") == "Question: c?"


def test_unknown_components_are_named(domain, encoder, embed):
    with pytest.raises(LabError, match=r"rewrite component 'stepback'"):
        rewrite(Component("rewrite", "stepback"), "x")
    with pytest.raises(LabError, match=r"retrieve component 'bm42'"):
        Retriever(domain.passages, encoder).rank("bm42", "x", embed)
    with pytest.raises(LabError, match=r"refine component 'summarise'"):
        Refiner(domain.passages, encoder).refine(
            Component("refine", "summarise", 1), "x", (), 1, embed
        )
