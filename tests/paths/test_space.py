import pytest

from ecollm_lab.paths import PathSpace, read_path
from ecollm_lab.records import Component, LabError

SPACE = PathSpace.over(["s", "xl"])


def test_the_space_has_every_valid_path_once():
    ids = [path.id for path in SPACE]
    whole = 9  # three retrievers at three k
    refined = 3 * 2  # extracted at k = 3 and 6
    rewritten = 2 * 3  # two retrievers for each rewrite: k = 1, k = 3, and k = 3 with extraction
    assert len(ids) == len(set(ids)) == 2 * (3 + 4 * (whole + refined + rewritten))
    assert "none/none/none/plain/s" in ids
    assert not [i for i in ids if i.startswith("keywords/none") or "/none/extract" in i]
    assert not [i for i in ids if i.startswith("none/none/none/brief")]
    with_hyde = PathSpace.over(["s", "xl"], hyde=True)
    assert len(with_hyde) == 2 * (3 + 4 * (whole + refined + 2 * rewritten))
    assert [path.id for path in with_hyde if not path.id.startswith("hyde/")] == ids


def test_three_models_and_one_that_rewrites_make_more_than_three_hundred_paths():
    assert 300 <= len(PathSpace.over(["a", "b", "c"], hyde=True)) <= 340


def test_stages_can_be_narrowed_to_some_components():
    choices = {"retrieve": [Component("retrieve", "bm25", 3)], "rewrite": [], "instruct": []}
    assert len(PathSpace.over(["s"], choices=choices)) == 0
    choices = {"retrieve": [Component("retrieve", "bm25", 3)]}
    paths = PathSpace.over(["s"], choices=choices)
    assert {path.components[1].slug for path in paths} == {"bm25-3"}
    assert len(paths) == 4 * (2 + 2)  # prompts x (two ways to refine, and as many after keywords)


def test_an_id_of_four_parts_is_the_path_with_the_plain_prompt():
    (path,) = SPACE.select(["none/bm25-1/none/s"])
    assert path.id == "none/bm25-1/none/plain/s"
    assert read_path("none/bm25-1/none/s") == path


@pytest.mark.parametrize(
    "path_id",
    [
        "keywords/dense-1/none/plain/s",
        "hyde/bm25-3/none/plain/s",
        "hyde/dense-6/none/plain/s",
        "none/bm25-1/extract-3/plain/s",
        "none/none/extract-3/plain/s",
        "hyde/none/none/plain/s",
    ],
)
def test_combinations_that_do_not_go_together_are_left_out(path_id):
    with pytest.raises(LabError, match=r"not in the space.*hyde with dense and hybrid"):
        PathSpace.over(["s"], hyde=True).select([path_id])
    assert read_path(path_id).id == path_id  # an older trace may hold it


def test_a_path_is_read_from_its_id():
    for path in PathSpace.over(["pocket-s-q8_0", "gpt-4", "m-1"], hyde=True):
        assert read_path(path.id) == path


def test_select_keeps_the_order_of_the_space():
    wanted = ["none/bm25-1/none/plain/xl", "none/none/none/plain/s"]
    assert [p.id for p in SPACE.select(wanted)] == wanted[::-1]


@pytest.mark.parametrize(
    ("path_id", "says"),
    [
        ("bm25-3/s", "has the form rewrite/retrieve/refine/generate"),
        ("none/bm42-3/none/s", "Unknown retrieve component 'bm42-3'.*bm25-1"),
        ("none/bm25-3/none/plain/gpt", "Unknown generate component 'gpt'.*s, xl"),
        ("keywords/none/none/plain/s", "not in the space"),
        ("hyde/dense-1/none/plain/s", r"top of models.toml, hyde_model = \"NAME\""),
    ],
)
def test_an_unknown_path_says_what_is_unknown(path_id, says):
    with pytest.raises(LabError, match=says):
        SPACE.select([path_id])
