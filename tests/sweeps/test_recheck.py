"""A sample of a trace is measured again on the domain that it was measured on."""

import pytest

from ecollm_lab.models import Catalog
from ecollm_lab.records import LabError
from ecollm_lab.sweeps.recheck import measure_again
from tests.conftest import make_trace
from tests.support.rig import domain


def test_another_domain_is_refused_before_anything_is_opened():
    trace = make_trace([[0.5, 1.0]] * 4, 1e-6, 0.1)
    other = domain(1)
    with pytest.raises(LabError, match=r"trace has 4 queries .* 'scripted' lacks, such as 'q0'"):
        measure_again(trace, other, Catalog({}, 0.0, "2026-01-01", "here", ""), 8, 0)
