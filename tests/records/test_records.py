import subprocess
import sys

import numpy as np
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
        ({"max_cost_usd": True}, "max_cost_usd"),
        ({"max_latency_s": np.True_}, "max_latency_s"),
        ({"max_latency_s": float("inf")}, "max_latency_s"),
        ({"max_latency_s": "1"}, "max_latency_s"),
        ({"max_latency_s": 10**400}, "max_latency_s .* got inf"),
        ({"min_quality": 10**5000}, "min_quality"),
        ({"min_quality": True}, "min_quality"),
        ({"min_quality": "0.5"}, "min_quality"),
        ({"min_quality": 1.2}, "min_quality"),
        ({"prefer": "speed"}, "quality, cost, latency"),
    ],
)
def test_a_bad_slo_names_the_argument(kwargs, names):
    with pytest.raises(LabError, match=names):
        SLO(**kwargs)


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), 0.5, np.int64(1), 1])
def test_numbers_of_numpy_are_limits_too(value):
    slo = SLO(max_latency_s=value, max_cost_usd=value, min_quality=value)
    assert slo == SLO(max_latency_s=float(value), max_cost_usd=float(value), min_quality=value)
    assert "np." not in repr(slo)


def test_the_limits_of_an_slo_name_what_they_bound_and_decide_what_keeps_it():
    assert SLO(min_quality=0.5).limits == ()
    slo = SLO(max_cost_usd=0.1, max_latency_s=2)
    assert [(one.name, one.value, one.column, one.tail) for one in slo.limits] == [
        ("max_latency_s", 2, "latency_s", "latency_p95_s"),
        ("max_cost_usd", 0.1, "cost_usd", "cost_p95_usd"),
    ]
    cost, latency = np.array([0.1, 0.2, 0.1, np.nan]), np.array([2.0, 1.0, np.nan, 1.0])
    assert slo.keeps(cost, latency).tolist() == [True, False, False, False]
    assert SLO(max_latency_s=2).keeps(cost, latency).tolist() == [True, True, False, True]


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
