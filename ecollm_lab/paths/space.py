"""The path space: one component per stage, minus combinations that make no sense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from ecollm_lab.models import Catalog
from ecollm_lab.records import Component, LabError, Path
from ecollm_lab.traces.path_ids import name_and_number, stages

KS = (1, 3, 6)
COMPONENTS: dict[str, tuple[Component, ...]] = {
    "rewrite": tuple(Component("rewrite", name) for name in ("none", "keywords", "hyde")),
    "retrieve": (
        Component("retrieve", "none"),
        *(Component("retrieve", name, k) for name in ("bm25", "dense", "hybrid") for k in KS),
    ),
    "refine": (
        Component("refine", "none"),
        Component("refine", "rerank"),
        Component("refine", "extract", 3),
    ),
}
NO_HYDE = (
    "A path with hyde needs a model that rewrites: name an edge model of the catalog at the top of"
    ' models.toml, hyde_model = "NAME", above [prices].'
)


def is_valid(path: Path) -> bool:
    """Tell whether the stages of a path go together: each can matter, and is not known to do harm.

    - Without retrieval there is nothing to rewrite for or to refine.
    - Keywords are for the lexical side (bm25, hybrid): the encoder is trained on whole sentences
      and finds less with them. A made-up answer (hyde) is for the dense side (dense, hybrid), where
      being worded like a passage counts; its made-up value would be a keyword to BM25.
    - Rewriting and reranking are there to bring the right passage to the front. Among six passages
      it nearly always is anyway, so both are tried at k = 1 and 3.
    - Reranking goes by the user's own words, and would undo the order that a rewritten text gave:
      it comes without a rewrite.
    - One passage is read whole: extracting sentences is for k = 3 and 6.
    """
    rewrite, retrieve, refine, _ = path.components
    if retrieve.name == "none":
        return rewrite.name == "none" and refine.name == "none"
    if (rewrite.name, retrieve.name) in (("keywords", "dense"), ("hyde", "bm25")):
        return False
    if retrieve.k == max(KS) and (rewrite.name != "none" or refine.name == "rerank"):
        return False
    if rewrite.name != "none" and refine.name == "rerank":
        return False
    return not (retrieve.k == 1 and refine.name == "extract")


def read_path(path_id: str) -> Path:
    """Return the path that an id names, be it in today's space or in that of an older trace.

    Raises
    ------
    LabError
        If the id has not one part per stage.

    """
    components = []
    for stage, slug in stages(path_id).items():
        name, k = name_and_number(slug)
        counted = stage != "generate" and k
        components.append(Component(stage, name, int(k)) if counted else Component(stage, slug))
    return Path(tuple(components))


def called_on(catalog: Catalog, path: Path) -> tuple[str, ...]:
    """Return the models that a path calls: first the one that rewrites, where there is one."""
    rewrites = path.components[0].name == "hyde" and catalog.hyde_model
    return (rewrites, path.model) if rewrites else (path.model,)


@dataclass(frozen=True)
class PathSpace:
    """The paths a study explores, in a stable order."""

    paths: tuple[Path, ...]

    @classmethod
    def over(cls, models: Sequence[str], *, hyde: bool = False) -> PathSpace:
        """Cross all components with the given generating models and keep the valid paths.

        Paths with hyde are among them if there is a model to rewrite (`hyde`): a catalog's
        `hyde_model`.
        """
        generate = [Component("generate", model) for model in models]
        rewrite = [
            component for component in COMPONENTS["rewrite"] if hyde or component.name != "hyde"
        ]
        combined = product(rewrite, COMPONENTS["retrieve"], COMPONENTS["refine"], generate)
        return cls(tuple(path for path in map(Path, combined) if is_valid(path)))

    @classmethod
    def of(cls, catalog: Catalog) -> PathSpace:
        """Return every path over the models of a catalog."""
        return cls.over(list(catalog.models), hyde=catalog.hyde_model is not None)

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
        for i, (stage, slug) in enumerate(stages(path_id).items()):
            allowed = list(dict.fromkeys(path.components[i].slug for path in self.paths))
            if slug not in allowed:
                if slug == "hyde":
                    return f"{path_id!r}: {NO_HYDE}"
                return (
                    f"Unknown {stage} component {slug!r} in path {path_id!r}; known:"
                    f" {', '.join(allowed)}."
                )
        return (
            f"Path {path_id!r} is not in the space: its stages do not go together. Without"
            " retrieval nothing is rewritten or refined; keywords go with bm25 and hybrid, hyde"
            " with dense and hybrid; both, like rerank, with 1 or 3 passages; rerank without a"
            " rewrite; extract with 3 or 6 passages."
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Path]:
        return iter(self.paths)
