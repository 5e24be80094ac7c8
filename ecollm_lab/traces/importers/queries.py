"""Queries of recorded outcomes: which texts are the same, and which are held out."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd

from ecollm_lab.records import LabError, require_seed
from ecollm_lab.traces.tables import QUERY_COLUMNS

_SPLITS = {"train": "train", "heldout": "heldout", "test": "heldout"}
_SHOWN = 3


def plain(text: str) -> str:
    """Return a text without what makes no other request: case, spaces, a full stop at the end.

    Examples
    --------
    >>> plain(" Hall  light off. ") == plain("hall light OFF")
    True

    """
    words = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    return words.rstrip(".。 ") or words


def text_id(text: str) -> str:
    """Return an id made of a text: the same for texts that `plain` makes the same."""
    return hashlib.sha256(plain(text).encode()).hexdigest()[:12]


def queries_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the queries table of a table of runs.

    Of texts of one query that `plain` makes the same, the first is taken. Raises `LabError` if a
    query has two texts or two splits; the message names the rows.
    """
    table = frame[list(QUERY_COLUMNS)].drop_duplicates("query_id").reset_index(drop=True)
    for column, same in (("text", frame["text"].map(plain)), ("split", frame["split"])):
        pairs = pd.DataFrame({"query_id": frame["query_id"], "value": same}).drop_duplicates()
        again = pairs["query_id"].duplicated()
        if again.any():
            raise LabError(_two_values(frame, column, pairs.index[again]))
    return table


def _two_values(frame: pd.DataFrame, column: str, rows: pd.Index) -> str:
    """Say which rows give a query another text or split than a row before."""
    cases = []
    for row in rows[:_SHOWN]:
        query = frame.loc[row, "query_id"]
        first = frame[frame["query_id"] == query].iloc[0]
        cases.append(
            f"row {frame.loc[row, '@row']}: query {query} has another {column} than in row"
            f" {first['@row']}, {str(frame.loc[row, column])[:60]!r} and"
            f" {str(first[column])[:60]!r}"
        )
    more = f"; {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    way = {
        "text": "Name a query_id that tells them apart, or make ids of the texts:"
        " repeats='by_text' (--ids-from-text).",
        "split": "Give each query one.",
    }[column]
    return f"{frame['@file'].iloc[0]}, {'; '.join(cases)}{more}. {way}"


@dataclass(frozen=True)
class Split:
    """How queries are held out where the source does not say: a share of the texts, at random."""

    heldout_share: float
    seed: int

    def __post_init__(self) -> None:
        share = self.heldout_share
        if isinstance(share, bool) or not isinstance(share, Real) or not 0 <= share < 1:
            raise LabError(f"heldout_share must be a number within [0, 1), got {share!r}.")
        require_seed(self.seed)

    def of(self, queries: pd.DataFrame) -> tuple[pd.Series, str]:
        """Return each query's split and how it came about.

        Texts that `plain` makes the same stand on one side of a random split. A recorded split is
        kept as it is; if such texts stand on both sides of it, that is said. Raises a `LabError` if
        some labels are of a split and others are not.
        """
        # by id where there is no text; sorted, so that the order of rows does not matter
        text = queries["text"].map(plain)
        same = ("t" + text).where(text != "", "i" + queries["query_id"])
        label = queries["split"].str.strip().str.lower()
        recorded = label.map(_SPLITS)
        _require_known(queries.loc[recorded.isna() & (label != ""), "split"], recorded)
        if set(recorded.dropna()) == {"train", "heldout"}:
            _require_known(queries.loc[recorded.isna(), "split"], recorded)
            return recorded, _about_recorded(recorded, same)
        group, texts = pd.factorize(same, sort=True)
        share = self.heldout_share
        n_heldout = min(max(round(share * len(texts)), 1), len(texts) - 1) if share else 0
        if share and not n_heldout:
            raise LabError(
                f"heldout_share {share} needs two different texts; there is one. Give"
                " heldout_share=0 to keep all for training."
            )
        heldout = np.random.default_rng(self.seed).permutation(len(texts))[:n_heldout]
        return (
            pd.Series(np.where(np.isin(group, heldout), "heldout", "train")),
            f"at random by text, heldout_share {share}, seed {self.seed}",
        )


def _require_known(other: pd.Series, recorded: pd.Series) -> None:
    """Raise if some labels are those of a recorded split, and others are not."""
    if len(other) and recorded.notna().any():
        raise LabError(
            "split must be train, heldout or test where it is recorded; there are also"
            f" {sorted(set(other))[:5]}. Rename them, or drop such rows with exclude."
        )


def _about_recorded(recorded: pd.Series, same: pd.Series) -> str:
    n_both = int((pd.crosstab(same, recorded) > 0).all(axis=1).sum())
    return f"recorded; texts on both sides of it: {n_both}" if n_both else "recorded"
