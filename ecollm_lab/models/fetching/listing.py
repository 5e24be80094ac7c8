"""What a catalog's models are, where their files come from, and which are on this machine."""

from __future__ import annotations

from collections.abc import Iterable

from ecollm_lab.models.catalog import Model
from ecollm_lab.models.fetching.download import gigabytes, size_of


def is_here(model: Model) -> bool:
    """Say whether a model's file is in its place, by its size alone where that is declared."""
    return (
        model.file is not None
        and model.file.is_file()
        and model.bytes in (None, size_of(model.file))
    )


def list_models(models: Iterable[Model]) -> str:
    """Return a text for reading: each model's role, size, licence, place and sources."""
    models = list(models)
    lines = [line for model in models for line in _describe(model)]
    files = [model for model in models if model.file]
    here = sum(map(is_here, files))
    lines.append(f"{here} of {len(files)} files are here.")
    if any(model.sources and not is_here(model) for model in files):
        lines[-1] += " Fetch the others with: ecollm-lab models fetch"
    return "\n".join(lines)


def _describe(model: Model) -> list[str]:
    if model.file is None:
        return [
            f"{model.name} ({model.placement}): an endpoint, nothing to fetch",
            f"  address  {model.base_url}",
        ]
    there = size_of(model.file)
    if is_here(model):
        state = "here"
    elif there:
        state = f"NOT the declared file: it has {there:,} bytes, not {model.bytes or 0:,}"
    else:
        state = "not here"
    size = model.bytes or there
    facts = [
        model.placement,
        *([gigabytes(size)] if size else []),
        model.licence or "no licence declared",
    ]
    by_hand = [] if model.sources else ["none declared: put the file there by hand"]
    return [
        f"{model.name} ({', '.join(facts)}): {state}",
        f"  file     {model.file}",
        *(f"  source   {source}" for source in [*model.sources, *by_hand]),
    ]
