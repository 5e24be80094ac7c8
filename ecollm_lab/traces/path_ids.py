"""What a path id says: its stages, its model, and by the provenance of a trace where it runs.

A path id is any text. Parts that "/" separates are read as choices: the last is the model. Four
parts, or five, are the lab's own stages: rewrite/retrieve/refine/generate, or with `instruct`
before `generate`. No other module takes path ids apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ecollm_lab.records import STAGES, LabError
from ecollm_lab.traces.trace import Trace

IDLE = "none"  # the slug of a component that does nothing
PLAIN = "plain"  # the prompt of an id of four parts
_STAGES = {
    4: ("rewrite", "retrieve", "refine", "generate"),
    5: STAGES,
}


def parts(path_id: str) -> tuple[str, ...]:
    """Return the parts of a path id.

    Examples
    --------
    >>> parts("none/bm25-3/none/small"), parts("gpt-4")
    (('none', 'bm25-3', 'none', 'small'), ('gpt-4',))

    """
    return tuple(str(path_id).split("/"))


def model_of(path_id: str) -> str:
    """Return the model of a path: the last part of its id."""
    return parts(path_id)[-1]


def pipeline_of(path_id: str) -> str:
    """Return all of a path id but its model: `none/bm25-3/none` of `none/bm25-3/none/small`."""
    return "/".join(parts(path_id)[:-1])


def stages(path_id: str) -> dict[str, str]:
    """Return the slug at each stage of a path id of the lab's own form.

    Raises
    ------
    LabError
        If the id has neither four parts nor five.

    """
    slugs = parts(path_id)
    if len(slugs) not in _STAGES:
        forms = " or ".join("/".join(names) for names in _STAGES.values())
        raise LabError(
            f"A path id by stage has the form {forms}, e.g. none/bm25-3/none/small; got"
            f" {path_id!r}."
        )
    return dict(zip(_STAGES[len(slugs)], slugs, strict=True))


def stage_slugs(path_ids: Sequence[str]) -> pd.DataFrame:
    """Return the slugs of paths, one row a path and one column a stage.

    Where some ids have five parts and some four, the latter have `PLAIN` as `instruct`. Raises
    `LabError` for an id that has neither.
    """
    rows = [stages(path_id) for path_id in path_ids]
    names = _STAGES[max(map(len, rows), default=4)]
    return pd.DataFrame(rows, columns=list(names), index=list(path_ids)).fillna(PLAIN)


def full_id(path_id: str) -> str:
    """Return a path id of four parts with its prompt, `PLAIN`, and any other as it is.

    Examples
    --------
    >>> full_id("none/bm25-3/none/small")
    'none/bm25-3/none/plain/small'

    """
    slugs = parts(path_id)
    return "/".join((*slugs[:3], PLAIN, slugs[3])) if len(slugs) == 4 else path_id


def name_and_number(slug: str) -> tuple[str, str]:
    """Return the name of a component and the number behind it, "" if there is none.

    Examples
    --------
    >>> name_and_number("bm25-3"), name_and_number("none")
    (('bm25', '3'), ('none', ''))

    """
    found = re.fullmatch(r"(.+)-(\d+)", slug)
    return (found[1], found[2]) if found else (slug, "")


def have_pipelines(path_ids: Sequence[str]) -> bool:
    """Tell whether paths combine pipelines with models, so that only the model can vary.

    They do if all have the lab's own stages, or if a model comes with several pipelines.
    `vendor/model` names a model alone.
    """
    if all(len(parts(path_id)) in _STAGES for path_id in path_ids):
        return True
    pipelines = defaultdict(set)
    for path_id in path_ids:
        pipelines[model_of(path_id)].add(pipeline_of(path_id))
    return any(len(several) > 1 for several in pipelines.values())


def path_factors(path_ids: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Return (stage, level of each path) wherever paths differ.

    Levels are components, and the names and the numbers within them. Where ids have different
    numbers of parts, the shorter ones lack those on the left, so that models stand together.
    """
    width = max((len(parts(path_id)) for path_id in path_ids), default=0)
    if width < 2:
        return []
    factors, seen = [], set()
    for stage, slugs in enumerate(zip(*(_widened(p, width) for p in path_ids), strict=True)):
        names, numbers = zip(*map(name_and_number, slugs), strict=True)
        for levels in (slugs, names, numbers):
            pattern = tuple(np.unique(levels, return_inverse=True)[1].tolist())
            if len(set(pattern)) > 1 and pattern not in seen:
                factors.append((stage, list(levels)))
                seen.add(pattern)
    return factors


def _widened(path_id: str, width: int) -> tuple[str, ...]:
    slugs = parts(path_id)
    if (len(slugs), width) == (4, 5):
        return (*slugs[:-1], PLAIN, slugs[-1])
    return ("",) * (width - len(slugs)) + slugs


def model_row(trace: Trace, path_id: str) -> dict[str, Any]:
    """Return what the provenance of a trace says of the model of a path; empty if nothing.

    The provenance lists models by their name, or by the whole id where that is the model's name.
    """
    models = trace.provenance.get("models", {})
    return models.get(path_id) or models.get(model_of(path_id)) or {}


def placements(trace: Trace, path_ids: Sequence[str] | None = None) -> list[str]:
    """Return where each path (default: of the trace) generates: "edge", "cloud" or "not stated"."""
    paths = trace.path_ids if path_ids is None else path_ids
    return [model_row(trace, path_id).get("placement", "not stated") for path_id in paths]


def path_placements(trace: Trace, path_ids: Sequence[str] | None = None) -> list[str]:
    """Return where each path (default: of the trace) runs.

    "edge": every stage on the edge device. "mixed": a cloud model generates after at least one
    stage on the edge that does something; rewriting, retrieval and refinement always run on the
    edge. "cloud": a cloud model alone, as in a model router. "not stated": the provenance does not
    place the model.
    """
    paths = trace.path_ids if path_ids is None else path_ids
    places = []
    for path_id, place in zip(paths, placements(trace, paths), strict=True):
        before = stages(path_id) if len(parts(path_id)) in _STAGES else {}
        works = any(before.get(name, IDLE) != IDLE for name in ("rewrite", "retrieve", "refine"))
        places.append("mixed" if place == "cloud" and works else place)
    return places


def declared_delays(trace: Trace) -> np.ndarray:
    """Return the declared network delay in each path's latency, in seconds, shape (paths,).

    It is NaN where the provenance declares none.
    """
    rows = [model_row(trace, path_id) for path_id in trace.path_ids]
    return np.array([row.get("network_delay_s", np.nan) for row in rows], dtype=float)
