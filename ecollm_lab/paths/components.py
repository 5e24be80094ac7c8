"""The components of each stage: the lab's own, and those that users add by a function."""

from __future__ import annotations

import hashlib
import inspect
import re
import runpy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from types import FunctionType
from typing import Any, TypeVar, cast

from ecollm_lab.records import STAGES, Component, LabError, Passage, Path, Prompt, require_choice

Work = TypeVar("Work", bound=Callable[..., Any])
RETURNS = {
    "rewrite": "a text",
    "retrieve": "passages",
    "refine": "texts",
    "instruct": "a Prompt or a text",
}
_PACKAGE = FilePath(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Registered:
    """A component as it was added: its stage, name and function, and the numbers it comes with.

    `numbers` are the values of `Component.k` in a space. A refine component with `whole_ranking`
    is given all candidates of the retriever instead of the first k.
    """

    stage: str
    name: str
    work: Callable[..., Any]
    numbers: tuple[int, ...] = ()
    whole_ranking: bool = False

    @property
    def is_own(self) -> bool:
        """Whether a user added it, and not the lab."""
        file = cast("FunctionType", self.work).__code__.co_filename
        return not FilePath(file).is_relative_to(_PACKAGE)

    @property
    def choices(self) -> tuple[Component, ...]:
        """The component with each of its numbers."""
        return tuple(Component(self.stage, self.name, k) for k in self.numbers or (0,))

    def digest(self) -> str:
        """Digest the source of the function; helpers that it calls are no part of it."""
        try:
            source = inspect.getsource(self.work)
        except (OSError, TypeError):
            code = cast("FunctionType", self.work).__code__  # of a function typed at a prompt
            source = f"{code.co_code!r}{code.co_consts!r}{code.co_names!r}"
        return hashlib.sha256(source.encode()).hexdigest()[:16]


_REGISTRY: dict[str, dict[str, Registered]] = {stage: {} for stage in STAGES[:-1]}


def component(
    stage: str, name: str, *, numbers: Sequence[int] = (), whole_ranking: bool = False
) -> Callable[[Work], Work]:
    """Add the decorated function to a stage as a component of this name.

    Parameters
    ----------
    stage
        "rewrite": the function gets the query's text and returns the text to search for.
        "retrieve": it gets `Sources` and the text to search for, and returns passages, best first.
        "refine": it gets `Sources`, the query's text, the passages found, k and the component's
        own number, and returns the texts to read.
        "instruct": it gets the texts to read and the query's text, and returns a `Prompt`.
    name
        Its name in path ids: letters, digits, "_", "-" and ".", not ending in "-" and digits.
    numbers
        The numbers that it comes with in a space: of passages to hand on (retrieve; needed there)
        or of sentences (refine). In a path id the number follows the name: `bm25-3`.
    whole_ranking
        A refine component gets all candidates of the retriever, not only the first k.

    Raises
    ------
    LabError
        If there is no such stage, the name will not do or is one of the lab's own, or what is
        decorated is no function.

    Examples
    --------
    >>> from ecollm_lab.records import Prompt
    >>> @component("instruct", "shouted")
    ... def shouted(texts, question):
    ...     return Prompt(f"{' '.join(texts)} {question.upper()}")
    >>> find(Component("instruct", "shouted")).work(("Nine hours.",), "how long?").user
    'Nine hours. HOW LONG?'
    >>> forget("instruct", "shouted")

    """
    require_choice("stage", stage, tuple(_REGISTRY))
    is_name = isinstance(name, str) and re.fullmatch(r"[\w.-]+", name)
    if not is_name or re.search(r"-\d+$", name):
        raise LabError(
            "A component's name must be letters, digits, '_', '-' and '.', and must not end in '-'"
            f" and digits; got {name!r}."
        )
    checked = _checked_numbers(stage, name, numbers)

    def add(work: Work) -> Work:
        if not hasattr(work, "__code__"):  # its source tells one edition from another
            raise LabError(
                f"The {stage} component {name!r} must be a function, got {work!r:.80}. Define one"
                " that calls it."
            )
        before = _REGISTRY[stage].get(name)
        if before is not None and not before.is_own:
            raise LabError(f"{name!r} is a {stage} component of the lab itself; choose a new name.")
        _REGISTRY[stage][name] = Registered(stage, name, work, checked, whole_ranking)
        return work

    return add


def _checked_numbers(stage: str, name: str, numbers: object) -> tuple[int, ...]:
    several: tuple[Any, ...] = tuple(numbers) if isinstance(numbers, Iterable) else (None,)
    if not all(isinstance(number, int) and number >= 1 for number in several):
        raise LabError(
            f"numbers must be whole numbers >= 1, such as numbers=(1, 3), got {numbers!r:.80}."
        )
    if stage == "retrieve" and not several and name != "none":
        raise LabError(
            f"The retrieve component {name!r} needs numbers of passages to hand on: numbers=(1, 3)."
        )
    if stage not in ("retrieve", "refine") and several:
        raise LabError(f"A {stage} component has no numbers, got numbers={several}.")
    return several


def registered(stage: str) -> tuple[Registered, ...]:
    """Return the components of a stage before `generate`, the lab's own first."""
    _load_own_stages()
    return tuple(_REGISTRY[stage].values())


def find(wanted: Component) -> Registered:
    """Return what was added under a component's stage and name.

    Raises
    ------
    LabError
        If nothing was; lists the names of the stage.

    """
    _load_own_stages()
    names = _REGISTRY[wanted.stage]
    if wanted.name not in names:
        raise LabError(
            f"Unknown {wanted.stage} component {wanted.name!r}; there are: {', '.join(names)}. Your"
            " own come from a function: docs/own_components.md."
        )
    return names[wanted.name]


def run_component(added: Registered, given: tuple[object, ...]) -> Any:
    """Call a component and check that it returns what its stage needs.

    Raises
    ------
    LabError
        If a user's function raises or returns something else; names the component.

    """
    try:
        value = added.work(*given)
        match added.stage:
            case "rewrite":
                sound = isinstance(value, str)
            case "instruct":
                sound, value = isinstance(value, str | Prompt), Prompt.of(value)
            case _:
                kind = Passage if added.stage == "retrieve" else str
                if sound := not isinstance(value, str):  # a text is no sequence of texts here
                    value = tuple(value)
                    sound = all(isinstance(one, kind) for one in value)
    except Exception as error:
        if isinstance(error, LabError) or not added.is_own:
            raise
        why = f"it raised {type(error).__name__}: {error}"
    else:
        if sound:
            return value
        why = f"it must return {RETURNS[added.stage]}, got {value!r:.80}"
    raise LabError(f"The {added.stage} component {added.name!r} failed: {why}.")


def forget(stage: str, name: str) -> None:
    """Remove a component that a user added; raise `LabError` for one of the lab's own."""
    if find(Component(stage, name)).is_own:
        del _REGISTRY[stage][name]
    else:
        raise LabError(f"{name!r} is a {stage} component of the lab itself and stays.")


def own_digests(path: Path) -> tuple[str, ...]:
    """Return a digest of each component of a path that a user added, none for the lab's own.

    It is part of what determines an outcome: a changed function gives new outcomes.
    """
    found = [find(component) for component in path.components[:-1]]
    return tuple(f"{one.stage}:{one.name}:{one.digest()}" for one in found if one.is_own)


def load_components(file: FilePath) -> None:
    """Run a Python file that adds components.

    Raises
    ------
    LabError
        If the file cannot be read or raises; names the error.

    """
    try:
        runpy.run_path(str(file))
    except Exception as error:
        raise LabError(
            f"The components in {file} cannot be loaded: {type(error).__name__}: {error}."
        ) from error


def _load_own_stages() -> None:
    """Import the modules that add the lab's own components; they import this one."""
    from ecollm_lab.paths.stages import instruct, refine, retrieve, rewrite  # noqa: F401
