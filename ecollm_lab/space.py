"""The path space: one component per stage, minus combinations that make no sense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from ecollm_lab.records import STAGES, Component, LabError, Path

KS = (1, 3, 6)
COMPONENTS: dict[str, tuple[Component, ...]] = {
    "rewrite": (Component("rewrite", "none"), Component("rewrite", "keywords")),
    "retrieve": (
        Component("retrieve", "none"),
        *(Component("retrieve", name, k) for name in ("bm25", "dense", "hybrid") for k in KS),
    ),
    "refine": (Component("refine", "none"), Component("refine", "extract", 3)),
}


def is_valid(path: Path) -> bool:
    """Tell whether every stage of a path can act: without retrieval there is nothing to rewrite for or to refine."""
    rewrite, retrieve, refine, _ = path.components
    return retrieve.name != "none" or (rewrite.name == "none" and refine.name == "none")


@dataclass(frozen=True)
class PathSpace:
    """The paths a study explores, in a stable order."""

    paths: tuple[Path, ...]

    @classmethod
    def over(cls, models: Sequence[str]) -> PathSpace:
        """Cross all components with the given generating models, prefix by prefix, and keep the valid paths."""
        generate = [Component("generate", model) for model in models]
        combined = product(COMPONENTS["rewrite"], COMPONENTS["retrieve"], COMPONENTS["refine"], generate)
        return cls(tuple(path for path in map(Path, combined) if is_valid(path)))

    def select(self, ids: Iterable[str]) -> PathSpace:
        """Keep the named paths, in the space's own order.

        Raises
        ------
        LabError
            If an id is not in the space; says which of its stages is unknown.

        """
        wanted = list(ids)
        known = {path.id for path in self.paths}
        for path_id in wanted:
            if path_id not in known:
                raise LabError(self._why_unknown(path_id))
        chosen = set(wanted)
        return PathSpace(tuple(path for path in self.paths if path.id in chosen))

    def _why_unknown(self, path_id: str) -> str:
        slugs = path_id.split("/")
        if len(slugs) != len(STAGES):
            return f"A path id has four parts, {'/'.join(STAGES)}, e.g. {self.paths[0].id}; got {path_id!r}."
        for i, (stage, slug) in enumerate(zip(STAGES, slugs, strict=True)):
            allowed = list(dict.fromkeys(path.components[i].slug for path in self.paths))
            if slug not in allowed:
                return f"Unknown {stage} component {slug!r} in path {path_id!r}; known: {', '.join(allowed)}."
        return f"Path {path_id!r} is not valid: without retrieval there is nothing to rewrite for or to refine."

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Path]:
        return iter(self.paths)
