"""What a domain is: the queries and passages of one application, and how answers are graded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from ecollm_lab.files import own_data_advice, resolved
from ecollm_lab.records import DATA, LabError, Passage, Query, require_choice

# The version of each grader, raised whenever the grader would score an answer otherwise.
GRADERS = {"facts": 2, "token_f1": 2, "embedding": 1, "judge": 1}
# The fields of which a digest is taken, in order. A field added later enters where it is set.
PASSAGE_FIELDS = ("id", "title", "source", "text")
QUERY_FIELDS = ("id", "text", "kind", "references", "facts", "gold", "split", "wording")
ADDED_LATER = ("refutes", "action")


@dataclass(frozen=True, slots=True)
class Grading:
    """How the answers of a domain are graded.

    Parameters
    ----------
    name
        One of `GRADERS`.
    judge_model
        The catalog name of the model that grades; for the grader "judge" and only for it.

    Raises
    ------
    LabError
        If there is no such grader, or `judge_model` does not go with it.

    """

    name: str = "facts"
    judge_model: str | None = None

    def __post_init__(self) -> None:
        require_choice("grading", self.name, tuple(GRADERS))
        if (self.name == "judge") != (self.judge_model is not None):
            raise LabError(
                f'judge_model goes with grading = "judge" and only with it; got {self.name!r} and'
                f" {self.judge_model!r}."
            )

    @property
    def slug(self) -> str:
        """Name and version, for provenance and fingerprints: `facts-2`, `judge-1:gpt-4o-mini`."""
        model = f":{self.judge_model}" if self.judge_model else ""
        return f"{self.name}-{GRADERS[self.name]}{model}"


@dataclass(frozen=True)
class Domain:
    """Queries and passages of one application, in file order, and how answers are graded.

    `characteristics` are yes/no questions about a query that tell what kind of query it is, each
    with the regular expression that is found in the query's text if the answer is yes; case is
    ignored. Policies look at the answers. No outcome depends on them.
    """

    name: str
    passages: tuple[Passage, ...]
    queries: tuple[Query, ...]
    grading: Grading = field(default_factory=Grading)
    description: str = ""
    characteristics: Mapping[str, str] = field(default_factory=dict, hash=False)

    def split(self, name: str) -> tuple[Query, ...]:
        """Return the queries of one split, "train" or "heldout"."""
        return tuple(query for query in self.queries if query.split == name)

    @property
    def digest(self) -> str:
        """Digest passages, queries and grading; changes with anything that changes an outcome.

        It is taken from the values of named fields, so that it does not depend on how the records
        are written in Python.
        """
        passages = _as_text("Passage", PASSAGE_FIELDS, self.passages)
        queries = _as_text("Query", QUERY_FIELDS, self.queries)
        whole = f"({passages}, {queries}){self.grading.slug}"
        return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _as_text(kind: str, fields: Sequence[str], records: Sequence[Passage | Query]) -> str:
    """Write records as the first digests did: `(Passage(id='p1', …), …)`."""
    rows = []
    for record in records:
        values = [f"{name}={getattr(record, name)!r}" for name in fields]
        added = {name: getattr(record, name, None) for name in ADDED_LATER}
        values += [f"{name}={value!r}" for name, value in added.items() if value]
        rows.append(f"{kind}({', '.join(values)})")
    return f"({rows[0]},)" if len(rows) == 1 else f"({', '.join(rows)})"


def find_folder(domain: FilePath | str) -> FilePath:
    """Return the folder of that name, or the lab's own domain of that name.

    Raises
    ------
    LabError
        If there is neither; lists the lab's own domains.

    """
    folders = (resolved(domain), DATA / domain)
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None:
        own = ", ".join(sorted(file.parent.name for file in DATA.glob("*/queries.jsonl")))
        raise LabError(
            f"There is no domain or folder {str(domain)!r}. The lab's own domains: {own or 'none'}."
            f" For one of yours: ecollm-lab new-domain.{own_data_advice(DATA / domain)}"
        )
    return found
