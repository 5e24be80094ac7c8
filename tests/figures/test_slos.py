"""What was asked and obtained, and where the choices ran."""

import numpy as np
import pytest

from ecollm_lab import figures
from ecollm_lab.policies import fit_policy
from ecollm_lab.records import SLO, LabError
from tests.support.traces import two_paths


def test_attainment_sets_the_obtained_tail_against_the_limit():
    trace = two_paths()
    best = fit_policy(trace, "best_single")
    frame = figures.slos.compute_attainment(
        [best, "oracle"], trace, [SLO(max_latency_s=s) for s in (0.05, 0.5, 2.0)]
    )
    single = frame[frame["policy"] == "best_single"]
    assert single["feasible"].tolist() == [False, True, True]
    assert single["obtained_p95_s"].tolist()[1:] == pytest.approx([0.1, 1.0])
    assert frame.loc[frame["policy"] == "oracle", "slo_violation_rate"].tolist() == [1.0, 0.0, 0.0]
    figure = figures.slos.plot_attainment(frame, "here")
    band, diagonal, drawn, _ = figure.data
    assert drawn.name == "best_single (keeps 100%)"
    assert drawn.x.tolist() == [500.0, 2000.0]
    np.testing.assert_allclose(diagonal.x, diagonal.y)
    np.testing.assert_allclose(np.divide(band.y, band.x), [0.9, 0.9, 1.1, 1.1])
    with pytest.raises(LabError, match="needs SLOs with max_latency_s"):
        figures.slos.compute_attainment([best], trace, [SLO()])
    with pytest.raises(LabError, match="at least one policy"):
        figures.slos.compute_attainment([], trace, [SLO(max_latency_s=1.0)])
    with pytest.raises(LabError, match="no policy finds"):
        figures.slos.plot_attainment(frame[~frame["feasible"]], "here")


def test_the_choice_mix_counts_where_choices_run():
    trace = two_paths()
    slos = [SLO(max_latency_s=s) for s in (0.05, 0.5, 2.0)]
    frame = figures.slos.compute_choice_mix(
        [fit_policy(trace, "best_single"), "oracle"], trace, slos
    )
    shares = frame.pivot_table(
        index=["policy", "placement"], columns="max_latency_s", values="share", dropna=False
    )
    assert np.isnan(shares.loc[("best_single", "edge"), 0.05])
    assert shares.loc[("best_single", "edge")].tolist()[1:] == [1.0, 0.0]
    assert shares.loc[("oracle", "mixed")].tolist() == [
        1.0,
        0.0,
        1.0,
    ]  # where no path is fast enough, the best in violation
    figure = figures.slos.plot_choice_mix(frame, "here")
    assert [a.text for a in figure.layout.annotations[:2]] == ["best_single", "oracle"]
    assert figure.data[0].y.tolist()[1:] == [100.0, 0.0]
    assert list(figure.data[0].x) == ["0.05", "0.5", "2"]


def test_a_policy_that_reads_texts_is_not_handed_the_embeddings_of_another_encoder():
    trace, slo = two_paths(), SLO(max_latency_s=2.0)
    policy = fit_policy(trace, "brane")
    others = np.ones((len(trace.query_ids), 7), dtype=np.float32)
    with_embeddings = figures.slos.delivered(policy, trace, slo, others)
    assert with_embeddings.equals(figures.slos.delivered(policy, trace, slo))
