import re
from pathlib import Path

import numpy as np
import pytest

from ecollm_lab.policies.fitting.fit import router_paths
from ecollm_lab.records import LabError
from ecollm_lab.traces import path_ids
from tests.conftest import make_trace

FOUR, FIVE = "none/bm25-3/none/small", "none/bm25-3/rerank/steps/small"


def named(ids, models):
    trace = make_trace([[1.0] * len(ids)], 1.0, 1.0)
    trace.outcomes["path_id"] = ids
    vars(trace).pop("path_ids", None)
    trace.provenance["models"] = models
    return trace


def test_ids_of_four_and_five_parts_are_read_by_stage():
    assert path_ids.stages(FOUR) == {
        "rewrite": "none",
        "retrieve": "bm25-3",
        "refine": "none",
        "generate": "small",
    }
    assert list(path_ids.stages(FIVE)) == ["rewrite", "retrieve", "refine", "instruct", "generate"]
    frame = path_ids.stage_slugs([FOUR, FIVE])
    assert frame.loc[FOUR].tolist() == ["none", "bm25-3", "none", "plain", "small"]
    assert frame.loc[FIVE].tolist() == ["none", "bm25-3", "rerank", "steps", "small"]
    assert list(path_ids.stage_slugs([FOUR])) == ["rewrite", "retrieve", "refine", "generate"]


@pytest.mark.parametrize("path_id", ["gpt-4", "vendor/model", "a/b/c", "a/b/c/d/e/f"])
def test_other_ids_have_a_model_and_no_stages(path_id):
    assert path_ids.model_of(path_id) == path_ids.parts(path_id)[-1]
    assert "/".join(filter(None, [path_ids.pipeline_of(path_id), path_ids.model_of(path_id)])) == (
        path_id
    )
    with pytest.raises(LabError, match=rf"rewrite/retrieve/refine/generate or .*got '{path_id}'"):
        path_ids.stages(path_id)


def test_one_id_without_parts_does_not_take_the_structure_of_the_others():
    ids = ["none/bm25-3/none/a", "none/bm25-6/none/b", "gpt-4"]
    factors = path_ids.path_factors(ids)
    assert sorted({stage for stage, _ in factors}) == [0, 1, 3]
    assert (1, ["bm25-3", "bm25-6", ""]) in factors
    assert (3, ["a", "b", "gpt-4"]) in factors
    assert path_ids.path_factors(["gpt-4", "gpt-3"]) == []
    mixed = path_ids.path_factors([FOUR, FIVE])
    assert mixed == [(2, ["none", "rerank"])]  # the prompt differs in the same way
    assert (1, ["bm25-3", "dense-3"]) in path_ids.path_factors(
        ["none/bm25-3/none/a", "none/dense-3/steps/none/a"]
    )


def test_vendors_are_not_pipelines_but_repeated_models_have_them():
    vendors = ["openai/gpt-4", "openai/gpt-3", "mistral/mixtral"]
    assert not path_ids.have_pipelines(vendors)
    assert router_paths(vendors, np.array([0.1, 0.2, 0.3])) == vendors
    crossed = ["plain/a", "plain/b", "steps/a", "steps/b"]
    assert path_ids.have_pipelines(crossed)
    assert router_paths(crossed, np.array([0.1, 0.2, 0.3, 0.1])) == crossed[2:]
    assert path_ids.have_pipelines([FOUR])
    assert not path_ids.have_pipelines([FOUR, "gpt-4"])


def test_a_path_runs_where_its_model_does_and_mixed_with_work_on_the_edge():
    models = {
        "small": {"placement": "edge"},
        "big": {"placement": "cloud", "network_delay_s": 0.25},
        "vendor/big": {"placement": "edge"},
    }
    ids = ["none/none/none/big", "none/bm25-3/none/big", "none/none/none/steps/big", FOUR]
    ids += ["vendor/big", "other/big", "gpt-4"]
    trace = named(ids, models)
    assert path_ids.path_placements(trace) == [
        "cloud",
        "mixed",
        "cloud",
        "edge",
        "edge",
        "cloud",
        "not stated",
    ]
    delays = path_ids.declared_delays(trace)
    np.testing.assert_array_equal(delays, [0.25, 0.25, 0.25, np.nan, np.nan, 0.25, np.nan])


def test_no_other_module_takes_path_ids_apart():
    split = re.compile(r"""\.(r?split|r?partition)\(\s*["']/["']""")
    rooms = [
        file
        for room in ("ecollm_lab", "benchmarks", "scripts")
        for file in Path(room).rglob("*.py")
    ]
    found = [str(file) for file in rooms if split.search(file.read_text())]
    assert found == ["ecollm_lab/traces/path_ids.py"]
