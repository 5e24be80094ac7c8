"""What paths and queries are called by: stages of a path, clusters, selections of queries."""

from __future__ import annotations

from urllib.parse import unquote

import numpy as np

from ecollm_lab.records import LabError
from ecollm_lab.traces import Trace, path_ids


def key_of(*where: str) -> str:
    """Return the key of a selection of queries as the screen writes it, a "|" in a value escaped.

    Examples
    --------
    >>> key_of("all", "yes|no", "all")
    'all|yes%7Cno|all'

    """
    return "|".join(value.replace("%", "%25").replace("|", "%7C") for value in where)


def where_of(key: str) -> list[str]:
    """Return the split, kind and cluster that a key names.

    Examples
    --------
    >>> where_of("all|yes%7Cno|all")
    ['all', 'yes|no', 'all']

    """
    return [unquote(value) for value in key.split("|")]


def stages_of(ids: list[str]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return names of the stages (none where ids differ in form) and the parts of each path."""
    try:
        table = path_ids.stage_slugs(ids)
        return list(table.columns), [tuple(row) for row in table.to_numpy().tolist()]
    except LabError:
        parts = [path_ids.parts(path_id) for path_id in ids]
        count = len(parts[0])
        if count == 1 or any(len(part) != count for part in parts):
            return [], [(path_id,) for path_id in ids]
        return [f"part {k + 1}" for k in range(count)], parts


def clusters_of(trace: Trace, embeddings: np.ndarray | None) -> np.ndarray:
    """Return the name of each query's cluster: those of the training split, where there is one.

    They are found as everywhere else; a held-out query is in the nearest of them.
    """
    if embeddings is not None:
        from ecollm_lab.domains.clusters import cluster_name, find_clusters

        if len(embeddings) != len(trace.query_ids):
            raise LabError(
                f"embeddings must have one row per query of the trace, {len(trace.query_ids)}; got"
                f" {len(embeddings)}."
            )
        vectors = np.asarray(embeddings)
        train = (trace.queries["split"] == "train").to_numpy()
        train = train if train.any() else ~train
        clusters = find_clusters(vectors[train])
        labels = clusters.assign(vectors)
        labels[train] = clusters.labels
        return np.array([cluster_name(label) for label in labels], dtype=object)
    if "cluster" in trace.queries:
        return trace.queries["cluster"].astype(str).to_numpy(dtype=object)
    return np.full(len(trace.query_ids), "not clustered", dtype=object)
