"""BM25 in any script, and where there is nothing to search."""

import pytest

from ecollm_lab.paths.lexical import LexicalIndex


@pytest.mark.parametrize(
    ("texts", "asked"),
    [
        (["锅炉每六周保养一次。", "水泵每年检查。", "灯泡很轻。"], "锅炉多久保养一次？"),
        (["หม้อต้มทุกหกสัปดาห์", "ปั๊มทุกปี", "หลอดไฟเบา"], "หม้อต้มบ่อยแค่ไหน"),
        (["ボイラーは六週ごと", "ポンプは毎年", "電球は軽い"], "ボイラーはいつ"),
        (["बॉयलर हर छह हफ़्ते", "पंप हर साल", "बल्ब हल्का है"], "बॉयलर कब"),
        (["Котёл обслуживают", "Насос проверяют", "Лампа лёгкая"], "котёл когда"),
    ],
)
def test_the_text_that_shares_letters_scores_highest(texts, asked):
    scores = LexicalIndex(texts).scores(asked)
    assert scores[0] > max(scores[1:])


def test_texts_of_stop_words_alone_are_searched_by_them():
    scores = LexicalIndex(["a b c", "to be or not"]).scores("to be")
    assert scores[1] > scores[0] == 0


def test_texts_without_any_word_score_nothing():
    assert LexicalIndex(["…", "?!"]).scores("how often?").tolist() == [0, 0]


def test_english_texts_score_as_the_library_alone_scores_them():
    import bm25s

    texts = ["The weight of the Halo bulb is 90 grams.", "It's the Lumo lamp: 2.4 bar, café."]
    alone = bm25s.BM25()
    alone.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    tokens = bm25s.tokenize("halo lamp 90 bar", stopwords="en", return_ids=False)[0]
    known = [token for token in tokens if token in alone.vocab_dict]
    scores = LexicalIndex(texts).scores("halo lamp 90 bar")
    assert scores.tolist() == alone.get_scores(known).tolist()
