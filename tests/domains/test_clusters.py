import numpy as np
import pytest

from ecollm_lab.domains.clusters import find_clusters
from ecollm_lab.records import LabError


def blobs(rng, n=40, d=16, spread=0.02):
    centres = np.eye(d)[:3]
    points = np.concatenate([c + spread * rng.standard_normal((n, d)) for c in centres])
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_three_blobs_are_three_clusters_and_new_queries_join_the_nearest():
    rng = np.random.default_rng(0)
    points = blobs(rng)
    clusters = find_clusters(points)
    assert len(clusters) == 3
    truth = np.repeat(range(3), 40)
    for c in range(3):
        members = clusters.labels[truth == c]
        assert len(set(members[members >= 0])) == 1
    np.testing.assert_array_equal(
        clusters.assign(points)[clusters.labels >= 0], clusters.labels[clusters.labels >= 0]
    )
    assert [truth[i] for i in clusters.representatives] == [
        truth[clusters.labels == c][0] for c in range(3)
    ]


def test_an_outlier_is_noise_but_still_assigned():
    points = blobs(np.random.default_rng(1))
    far = np.eye(16, dtype=np.float32)[9:10]
    clusters = find_clusters(np.vstack([points, far]))
    assert clusters.labels[-1] == -1
    assert clusters.assign(far)[0] in range(len(clusters))


def test_no_structure_gives_one_cluster_not_none():
    points = np.tile(np.eye(8, dtype=np.float32)[:1], (10, 1))
    assert len(find_clusters(points)) >= 1


def test_too_few_queries_is_an_error():
    with pytest.raises(
        LabError, match=r"min_cluster_size must be within \[2, number of queries = 3\], got 8"
    ):
        find_clusters(np.eye(3, dtype=np.float32))
