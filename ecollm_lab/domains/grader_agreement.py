"""How far a grader agrees with reference labels, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath

import numpy as np
import pandas as pd
from scipy.stats import binomtest, rankdata

from ecollm_lab.domains.domain import Domain, Grading
from ecollm_lab.domains.grading import Grader, make_grader
from ecollm_lab.domains.judging import Models
from ecollm_lab.files import json_lines
from ecollm_lab.models import Encoder
from ecollm_lab.records import LabError, require_seed
from ecollm_lab.traces.intervals import drawn_rows, interval

RESAMPLES = 1000


def compute_agreement(
    scores: Sequence[float], labels: Sequence[float], *, seed: int = 0
) -> dict[str, float]:
    """Compare scores with reference labels, both in [0, 1]; higher is better, 1 is perfect.

    Parameters
    ----------
    scores, labels
        Shape (n,): the grader's scores and a person's (or another reference's) labels of the same
        answers.
    seed
        Seed of the bootstrap.

    Returns
    -------
    `agreement_rate`: share of answers on which both say "right" or both say "wrong", right being
    0.5 or more; Wilson's interval. `cohen_kappa`: the same, beyond what chance gives (Cohen 1960).
    `spearman`: rank correlation of the scores themselves. Both with the 95 % percentile interval of
    a bootstrap over answers, and NaN where they are not defined: one side is constant.

    Raises
    ------
    LabError
        If the lengths differ, there are none, a value is outside [0, 1], or the seed is below 0.

    Examples
    --------
    Three of four verdicts agree; by chance 2/4 · 3/4 + 2/4 · 1/4 = 1/2 would: kappa is (3/4 - 1/2)
    / (1 - 1/2) = 1/2.

    >>> figures = compute_agreement([1, 1, 0, 0.8], [1, 1, 0, 0])
    >>> figures["agreement_rate"], figures["cohen_kappa"]
    (0.75, 0.5)

    """
    require_seed(seed)
    x, y = np.asarray(scores, dtype=float), np.asarray(labels, dtype=float)
    if x.shape != y.shape or not len(x):
        raise LabError(f"scores and labels must be of one length >= 1, got {len(x)} and {len(y)}.")
    if not (((x >= 0) & (x <= 1)).all() and ((y >= 0) & (y <= 1)).all()):
        raise LabError("scores and labels must be within [0, 1].")
    same = int(np.sum((x >= 0.5) == (y >= 0.5)))
    wilson = binomtest(same, len(x)).proportion_ci(method="wilson")
    out = {
        "agreement_rate": same / len(x),
        "agreement_rate_low": wilson.low,
        "agreement_rate_high": wilson.high,
    }
    draws = drawn_rows(len(x), RESAMPLES, seed)
    for name, statistic in (("cohen_kappa", _kappa), ("spearman", _spearman)):
        drawn = statistic(x[draws], y[draws])
        value = statistic(x, y)
        low, high = (np.nan, np.nan) if np.isnan(value) else interval(drawn)
        out |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return {key: float(value) for key, value in out.items()}


def _kappa(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa along the last axis; NaN where both sides always say the same."""
    a, b = x >= 0.5, y >= 0.5
    p, q = a.mean(-1), b.mean(-1)
    chance = p * q + (1 - p) * (1 - q)
    with np.errstate(invalid="ignore"):
        return ((a == b).mean(-1) - chance) / (1 - chance)


def _spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation along the last axis; NaN where one side is constant."""
    a, b = (rankdata(z, axis=-1) - (z.shape[-1] + 1) / 2 for z in (x, y))
    with np.errstate(invalid="ignore"):
        return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))


def read_labels(file: FilePath, domain: Domain) -> pd.DataFrame:
    """Read labelled answers: JSON lines with `query_id`, `answer` and `label` in [0, 1].

    A line may also hold the `question`, which must then be the text of the query today.

    Raises
    ------
    LabError
        If the file cannot be read or a line is at fault; names the line.

    """
    texts, rows = {query.id: query.text for query in domain.queries}, []
    for number, row in json_lines(file):
        try:
            query_id, answer, label = row["query_id"], row["answer"], float(row["label"])
            if not (isinstance(query_id, str) and isinstance(answer, str)):
                raise TypeError("query_id and answer are texts")
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise LabError(
                f"{file}:{number}: must be a JSON object with the texts query_id and answer and"
                f" the number label, got {str(row)[:80]!r}."
            ) from error
        if query_id not in texts:
            raise LabError(
                f"{file}:{number}: the domain {domain.name!r} has no query {query_id!r}; its ids"
                " stand in queries.jsonl."
            )
        if row.get("question", texts[query_id]) != texts[query_id]:
            raise LabError(
                f"{file}:{number}: was an answer to {row['question']!r}, but the query {query_id!r}"
                f" of {domain.name!r} is now {texts[query_id]!r}. Label answers to today's queries."
            )
        if not 0 <= label <= 1:
            raise LabError(f"{file}:{number}: label must be within [0, 1], got {label!r}.")
        rows.append((query_id, answer, label))
    if not rows:
        raise LabError(f"{file}: no labelled answers.")
    return pd.DataFrame(rows, columns=["query_id", "answer", "label"])


def compare_graders(
    domain: Domain,
    labels: pd.DataFrame,
    gradings: Sequence[Grading],
    encoder: Encoder,
    models: Models,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Grade labelled answers with each grader and return one row for each.

    The columns are `grader`, `n`, `n_failed`, `failure` and the figures of `compute_agreement`.

    Answers a grader gives no score for (a judge that does not reply with one) count in `n_failed`
    and in no figure; `failure` is the first one's message.
    """
    require_seed(seed)  # before a judge is paid
    queries = {query.id: query for query in domain.queries}
    rows = []
    for grading in gradings:
        grader = make_grader(grading, encoder, models)
        scores, labelled, failures = [], [], []
        for row in labels.itertuples():
            try:
                scores.append(grader(queries[str(row.query_id)], str(row.answer)))
                labelled.append(float(str(row.label)))
            except LabError as error:
                failures.append(str(error))
        figures = compute_agreement(scores, labelled, seed=seed) if scores else {}
        rows.append(
            {
                "grader": grading.slug,
                "n": len(scores),
                "n_failed": len(failures),
                "failure": (failures or [""])[0],
                **figures,
            }
        )
    return pd.DataFrame(rows)


def disagreements(domain: Domain, labels: pd.DataFrame, grader: Grader) -> pd.DataFrame:
    """Return the labelled answers whose score is not their label, worst first.

    Parameters
    ----------
    domain
        Whose queries were answered.
    labels
        As `read_labels` returns them: query_id, answer, label.
    grader
        As `grading.make_grader` returns it.

    Returns
    -------
    The rows in which one says "right" (0.5 or more) and the other "wrong", `verdict_differs` being
    True, and those that differ by more than 1/4: query_id, kind, question, reference, answer,
    label, score, verdict_differs.

    """
    queries = {query.id: query for query in domain.queries}
    asked = [queries[str(query_id)] for query_id in labels["query_id"]]
    frame = labels.assign(
        kind=[query.kind for query in asked],
        question=[query.text for query in asked],
        reference=[query.references[0] for query in asked],
        score=[
            grader(query, answer) for query, answer in zip(asked, labels["answer"], strict=True)
        ],
    )
    apart = (frame["score"] - frame["label"]).abs()
    frame["verdict_differs"] = (frame["score"] >= 0.5) != (frame["label"] >= 0.5)
    apart = apart[frame["verdict_differs"] | (apart > 0.25)].sort_values(
        ascending=False, kind="stable"
    )
    columns = [
        "query_id",
        "kind",
        "question",
        "reference",
        "answer",
        "label",
        "score",
        "verdict_differs",
    ]
    return frame.loc[apart.index, columns].reset_index(drop=True)


def report(table: pd.DataFrame) -> str:
    """Write the table of `compare_graders` as text, with the first failure of each grader."""
    figures = ("agreement_rate", "cohen_kappa", "spearman")
    lines = [
        f"{'grader':24} {'n':>4} {'failed':>6}"
        + "".join(f" {name + ' [95 %]':>24}" for name in figures)
    ]
    for _, row in table.iterrows():
        cells = (
            (
                f"{row[name]:.2f} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]"
                if row["n"]
                else "–"
            )
            for name in figures
        )
        lines.append(
            f"{row['grader']:24} {row['n']:4d} {row['n_failed']:6d}"
            + "".join(f" {cell:>24}" for cell in cells)
        )
    lines += [
        f"{row['grader']} failed first: {row['failure']}"
        for _, row in table.iterrows()
        if row["n_failed"]
    ]
    return "\n".join(lines)
