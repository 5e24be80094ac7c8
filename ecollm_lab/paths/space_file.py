"""Reads `space.toml`: which components of each stage are crossed, and with which models."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ecollm_lab.files import read_toml, resolved
from ecollm_lab.models import Catalog
from ecollm_lab.paths.components import load_components, registered
from ecollm_lab.paths.space import NO_HYDE, PathSpace
from ecollm_lab.paths.stages.rewrite import HYDE
from ecollm_lab.records import STAGES, Component, LabError

Names = Annotated[list[str], Field(min_length=1)]


class _SpaceFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    components: list[str] = []
    models: Names | None = None
    rewrite: Names | None = None
    retrieve: Names | None = None
    refine: Names | None = None
    instruct: Names | None = None


def read_space(file: FilePath | str, catalog: Catalog) -> PathSpace:
    """Read a space from a TOML file.

    Its keys, each of which may be left out: `components`, Python files beside it that add
    components; `models`, names of the catalog; `rewrite`, `retrieve`, `refine` and `instruct`,
    slugs of components to cross, such as "bm25-3". What is left out is crossed whole.

    Raises
    ------
    LabError
        If the file cannot be read or holds what it must not; lists all its faults, each with its
        key. If no path is left that makes sense.

    """
    file = resolved(file)
    try:
        row = _SpaceFile.model_validate(read_toml(file))
    except ValidationError as error:
        said = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        keys = ", ".join(_SpaceFile.model_fields)
        raise LabError(f"{file}: {'; '.join(said)}. The keys are {keys}.") from error
    for name in row.components:
        load_components(file.parent / name)
    faults: list[str] = []
    choices: dict[str, list[Component]] = {}
    for stage in STAGES[:-1]:
        by_slug = {one.slug: one for added in registered(stage) for one in added.choices}
        for slug in getattr(row, stage) or by_slug:
            if slug in by_slug:
                choices.setdefault(stage, []).append(by_slug[slug])
            else:
                faults.append(f"{stage}: {slug!r} is none of {', '.join(by_slug)}")
    models = row.models or list(catalog.models)
    for key in ("models", *STAGES[:-1]):
        names = getattr(row, key) or []
        faults += [
            f"{key}: {name!r} stands there {names.count(name)} times, once is enough"
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        ]
    if catalog.hyde_model is None and HYDE in (row.rewrite or ()):
        faults.append(f"rewrite: {NO_HYDE.rstrip('.')}")
    faults += [
        f"models: {name!r} is none of the catalog's, {', '.join(catalog.models)}"
        for name in models
        if name not in catalog.models
    ]
    if faults:
        raise LabError(f"{file}: {'; '.join(faults)}.")
    space = PathSpace.over(models, hyde=catalog.hyde_model is not None, choices=choices)
    if not space.paths:
        raise LabError(f"{file}: no path is left; see `is_valid` for what does not go together.")
    return space
