import pytest

from ecollm_lab.records import LabError
from ecollm_lab.space import PathSpace

SPACE = PathSpace.over(["s", "xl"])


def test_the_space_has_every_valid_path_once():
    ids = [path.id for path in SPACE]
    assert len(ids) == len(set(ids)) == 2 * (1 + 2 * 9 * 2)
    assert "none/none/none/s" in ids
    assert not [i for i in ids if i.startswith("keywords/none") or "/none/extract" in i]


def test_select_keeps_the_order_of_the_space():
    wanted = ["none/bm25-1/none/xl", "none/none/none/s"]
    assert [p.id for p in SPACE.select(wanted)] == wanted[::-1]


@pytest.mark.parametrize(
    ("path_id", "says"),
    [
        ("bm25-3/s", "four parts"),
        ("none/bm42-3/none/s", "Unknown retrieve component 'bm42-3'.*bm25-1"),
        ("none/bm25-3/none/gpt", "Unknown generate component 'gpt'.*s, xl"),
        ("keywords/none/none/s", "not valid"),
    ],
)
def test_an_unknown_path_says_what_is_unknown(path_id, says):
    with pytest.raises(LabError, match=says):
        SPACE.select([path_id])
