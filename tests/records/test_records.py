import subprocess
import sys

import pytest

from ecollm_lab.records import SLO, Component, LabError, Path


def test_path_id_is_readable_and_follows_the_stages():
    path = Path(
        (
            Component("rewrite", "none"),
            Component("retrieve", "bm25", 3),
            Component("refine", "extract", 2),
            Component("generate", "m"),
        )
    )
    assert path.id == "none/bm25-3/extract-2/m"
    assert path.model == "m"


@pytest.mark.parametrize(
    ("kwargs", "names"),
    [
        ({"max_latency_s": 0}, "max_latency_s"),
        ({"max_latency_s": float("nan")}, "max_latency_s"),
        ({"max_cost_usd": -1.0}, "max_cost_usd"),
        ({"min_quality": 1.2}, "min_quality"),
        ({"prefer": "speed"}, "quality, cost, latency"),
    ],
)
def test_a_bad_slo_names_the_argument(kwargs, names):
    with pytest.raises(LabError, match=names):
        SLO(**kwargs)


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, ecollm_lab; print([m for m in ('torch', 'openai', 'llama_cpp', 'plotly',"
        " 'pandas') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
