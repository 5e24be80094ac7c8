import numpy as np
import pandas as pd
import pytest

from ecollm_lab.traces import import_outcomes
from tests.support.recorded import frame, write


@pytest.mark.parametrize("seed", range(25))
def test_identical_texts_never_straddle_a_random_split(tmp_path, seed):
    rng = np.random.default_rng(seed)
    ids = [f"q{i}" for i in range(60)]
    table = pd.DataFrame(
        {
            "query_id": ids,
            "path_id": "x",
            "quality": 1.0,
            "text": rng.choice([f"t{i}" for i in range(12)], 60),
        }
    )
    trace = import_outcomes("long", write(tmp_path, table), seed=seed, heldout_share=0.25)
    sides = trace.queries.groupby("text")["split"].agg(["nunique", "first"])
    assert (sides["nunique"] == 1).all(), seed
    assert (sides["first"] == "heldout").sum() == round(0.25 * len(sides))
    shuffled = import_outcomes(
        "long",
        write(tmp_path, table.sample(frac=1, random_state=seed)),
        seed=seed,
        heldout_share=0.25,
    )
    assert dict(trace.queries[["query_id", "split"]].to_numpy()) == dict(
        shuffled.queries[["query_id", "split"]].to_numpy()
    ), seed


def test_a_split_is_kept_only_if_both_sides_are_recorded(tmp_path):
    one_sided = import_outcomes("long", write(tmp_path, frame(split="test")))
    assert sorted(one_sided.queries["split"]) == ["heldout", "train"]
    assert one_sided.provenance["split"] == "at random by text, heldout_share 0.2, seed 0"
    again = import_outcomes("long", write(tmp_path, frame(split="dev")), seed=np.int64(0))
    assert again.provenance["split"] == one_sided.provenance["split"]
    assert set(
        import_outcomes("long", write(tmp_path, frame(text="same")), heldout_share=0).queries[
            "split"
        ]
    ) == {"train"}
