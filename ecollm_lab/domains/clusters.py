"""Clusters of queries: by HDBSCAN on their embeddings, or by the products that they ask about."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from ecollm_lab.domains.domain import Domain
from ecollm_lab.records import LabError

NOISE = -1  # the label of a query that HDBSCAN puts in no cluster


@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of queries.

    Attributes
    ----------
    labels
        Cluster of each query, shape (n,); `NOISE` where it is in none.
    centroids
        Unit mean embedding of each cluster, shape (clusters, dimension).
    representatives
        Index of the query nearest to each centroid, shape (clusters,).

    """

    labels: np.ndarray
    centroids: np.ndarray
    representatives: np.ndarray

    def __len__(self) -> int:
        return len(self.centroids)

    def assign(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the cluster of the nearest centroid (cosine) for each embedding, shape (n,)."""
        return np.argmax(embeddings @ self.centroids.T, axis=1)


def cluster_name(label: int) -> str:
    """Return the name of a cluster in every figure, table and filter.

    Examples
    --------
    >>> cluster_name(7), cluster_name(NOISE)
    ('cluster 07', 'noise')

    """
    return "noise" if label == NOISE else f"cluster {label:02d}"


def find_clusters(
    embeddings: np.ndarray, min_cluster_size: int = 8, n_components: int = 12
) -> Clusters:
    """Cluster unit embeddings (n, dimension) with HDBSCAN on their leading principal components.

    In 384 dimensions density estimates of a few hundred points mean little, hence the projection.
    If HDBSCAN finds no cluster, or all queries are alike, they form one.

    Raises
    ------
    LabError
        If there are fewer queries than `min_cluster_size`, or `min_cluster_size` is below 2.

    """
    n = len(embeddings)
    if min_cluster_size < 2 or n < min_cluster_size:
        raise LabError(
            f"min_cluster_size must be within [2, number of queries = {n}], got {min_cluster_size}."
        )
    from sklearn.decomposition import PCA

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # hdbscan's own docstrings
        from hdbscan import HDBSCAN
    if np.ptp(embeddings, axis=0).any():
        points = PCA(min(n_components, n, embeddings.shape[1]), random_state=0).fit_transform(
            embeddings
        )
        labels = HDBSCAN(min_cluster_size=min_cluster_size, min_samples=3).fit_predict(
            points.astype(np.float64)
        )
    else:
        labels = np.full(n, NOISE)
    if labels.max() < 0:
        labels = np.zeros(n, dtype=int)
    centroids = np.stack([embeddings[labels == c].mean(axis=0) for c in range(labels.max() + 1)])
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    return Clusters(labels, centroids, np.argmax(embeddings @ centroids.T, axis=0))


def products(domain: Domain) -> list[str]:
    """Return which products each query is about, one name a query, "" if no passage answers it.

    A passage's product is what its title says before a colon. Products that one query asks about
    together, to compare them say, go by one name.

    Examples
    --------
    >>> from ecollm_lab.records import Passage, Query
    >>> passages = [Passage(i, t, "manual", "") for i, t in (("1", "T2: size"), ("2", "T4: use"))]
    >>> gold = {"a": ("1",), "b": ("1", "2"), "c": ("2",), "d": ()}
    >>> queries = [Query(i, "", "", ("",), (), which, "train") for i, which in gold.items()]
    >>> products(Domain("home", tuple(passages), tuple(queries)))
    ['T2', 'T2', 'T2', '']

    """
    titles = {passage.id: passage.title.split(":")[0] for passage in domain.passages}
    stands_for = {title: title for title in titles.values()}

    def name(title: str) -> str:
        return title if stands_for[title] == title else name(stands_for[title])

    for query in domain.queries:
        together = [name(titles[passage]) for passage in query.gold]
        stands_for |= dict.fromkeys(together, min(together, default=""))
    return [name(titles[q.gold[0]]) if q.gold else "" for q in domain.queries]
