"""The path space: one component per stage, minus combinations that make no sense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from ecollm_lab.models import Catalog
from ecollm_lab.paths.components import registered
from ecollm_lab.paths.stages.retrieve import KS
from ecollm_lab.paths.stages.rewrite import HYDE
from ecollm_lab.records import STAGES, Component, LabError, Path
from ecollm_lab.traces.path_ids import full_id, name_and_number, stages

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
    - Rewriting is there to bring the right passage to the front. Among six passages it nearly
      always is anyway, so rewriting is tried at k = 1 and 3.
    - One passage is read whole: extracting sentences is for k = 3 and 6.
    - The brief prompt speaks of passages: it comes with retrieval.
    """
    rewrite, retrieve, refine, instruct, _ = path.components
    if retrieve.name == "none":
        return (rewrite.name, refine.name) == ("none", "none") and instruct.name != "brief"
    if (rewrite.name, retrieve.name) in (("keywords", "dense"), (HYDE, "bm25")):
        return False
    if retrieve.k == max(KS) and rewrite.name != "none":
        return False
    return not (retrieve.k == 1 and refine.name == "extract")


def read_path(path_id: str) -> Path:
    """Return the path that an id names, be it in today's space or in that of an older trace.

    An id of four parts, from before the prompt was a stage, has the prompt `plain`.

    Raises
    ------
    LabError
        If the id has not one part per stage.

    """
    components = []
    for stage, slug in stages(full_id(path_id)).items():
        name, k = name_and_number(slug)
        counted = stage != "generate" and k
        components.append(Component(stage, name, int(k)) if counted else Component(stage, slug))
    return Path(tuple(components))


def called_on(catalog: Catalog, path: Path) -> tuple[str, ...]:
    """Return the models that a path calls: first the one that rewrites, where there is one."""
    rewrites = path.components[0].name == HYDE and catalog.hyde_model
    return (rewrites, path.model) if rewrites else (path.model,)


@dataclass(frozen=True)
class PathSpace:
    """The paths a study explores, in a stable order."""

    paths: tuple[Path, ...]

    @classmethod
    def over(
        cls,
        models: Sequence[str],
        *,
        hyde: bool = False,
        choices: Mapping[str, Sequence[Component]] | None = None,
    ) -> PathSpace:
        """Cross components with the given generating models and keep the valid paths.

        Parameters
        ----------
        models
            Catalog names of the models that answer.
        hyde
            Whether there is a model to rewrite, a catalog's `hyde_model`; without it there are no
            paths with hyde.
        choices
            The components to cross at a stage; all that there are where a stage is left out.

        """
        choices = choices or {}
        crossed = []
        for stage in STAGES[:-1]:
            all_of_stage = [one for added in registered(stage) for one in added.choices]
            some = choices.get(stage, all_of_stage)
            crossed.append([one for one in some if hyde or one.name != HYDE])
        crossed.append([Component("generate", model) for model in models])
        return cls(tuple(path for path in map(Path, product(*crossed)) if is_valid(path)))

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
        chosen = {full_id(path_id): path_id for path_id in ids}
        there = {path.id for path in self.paths}
        for whole, path_id in chosen.items():
            if whole not in there:
                raise LabError(self._why_unknown(path_id))
        return PathSpace(tuple(path for path in self.paths if path.id in chosen))

    def _why_unknown(self, path_id: str) -> str:
        for i, (stage, slug) in enumerate(stages(full_id(path_id)).items()):
            allowed = list(dict.fromkeys(path.components[i].slug for path in self.paths))
            if slug not in allowed:
                if slug == HYDE:
                    return f"{path_id!r}: {NO_HYDE}"
                return (
                    f"Unknown {stage} component {slug!r} in path {path_id!r}; known:"
                    f" {', '.join(allowed)}."
                )
        return (
            f"Path {path_id!r} is not in the space: its stages do not go together. Without"
            " retrieval nothing is rewritten or refined; keywords go with bm25 and hybrid, hyde"
            " with dense and hybrid; both with 1 or 3 passages; extract with 3 or 6 passages;"
            " brief with retrieval."
        )

    def models(self, catalog: Catalog, judge: str | None = None) -> list[str]:
        """Return the models that the paths call, each once; last the judge, if there is one."""
        called = [name for path in self.paths for name in called_on(catalog, path)]
        return list(dict.fromkeys([*called, *([judge] if judge else [])]))

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Path]:
        return iter(self.paths)
