"""What a language model answers to yes/no questions about queries; `benchmarks.characteristics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.routing import encoder
from benchmarks.spaces import made_now
from ecollm_lab.domains import load_domain
from ecollm_lab.models import load_catalog
from ecollm_lab.traces import Trace

ANSWERS = Path("data/benchmarks/characteristics_asked.parquet")
CATALOG = Path("data/models.toml")
PROMPT = '"{text}"\n\nDo you agree that this message {question}? Answer yes or no.'
WEIGHT = 0.2  # of a standard deviation of an answer, beside an embedding of length 1


def ask(name: str, model_name: str, file: Path = ANSWERS) -> None:
    """Ask a model a domain's questions about its training queries, and add the answers to a file.

    The file is written after every query, so that a run may be ended at any time.
    """
    from ecollm_lab.models.edge.llama import EdgeModel

    domain = load_domain(name)
    known = pd.read_parquet(file) if file.exists() else pd.DataFrame(columns=["trace", "model"])
    have = known[(known["trace"] == name) & (known["model"] == model_name)]
    todo = [q for q in domain.split("train") if q.id not in set(have.get("query_id", ()))]
    asked = replace(load_catalog(CATALOG)[model_name], placement="edge", max_tokens=1)
    price, made = load_catalog(CATALOG).edge_price_usd_per_hour, made_now()
    with EdgeModel(asked, reuse=True) as model:
        model.reply(PROMPT.format(text="warm up", question="is one"))
        for query in todo:
            rows = []
            for question in domain.characteristics:
                reply = model.reply(PROMPT.format(text=query.text, question=question))
                rows.append(
                    {
                        "trace": name,
                        "model": model_name,
                        "query_id": query.id,
                        "question": question,
                        "yes": probability(reply.text, reply.logprob),
                        "latency_s": reply.latency_s,
                        "cost_usd": reply.latency_s * price / 3600,
                        **made,
                    }
                )
            known = pd.concat([known, pd.DataFrame(rows)] if len(known) else [pd.DataFrame(rows)])
            known.to_parquet(file, index=False)


def probability(answer: str, logprob: float | None) -> float:
    """Return how probably a model says yes, of its first token and the logarithm of its chance.

    Examples
    --------
    >>> round(probability("Yes", -0.1), 3), round(probability(" no", -0.1), 3)
    (0.905, 0.095)
    >>> probability("It depends", -0.1)
    0.5

    """
    word, chance = answer.strip().lower(), float(np.exp(logprob or 0.0))
    return chance if word.startswith("yes") else 1 - chance if word.startswith("no") else 0.5


@dataclass(eq=False)
class Beside:
    """An encoder that knows, beside embeddings, what a model answered about the texts."""

    answers: dict[str, np.ndarray]
    name: str = "embeddings and answers of a model"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return both side by side, shape (texts, dimension + questions)."""
        found = np.stack([self.answers[text] for text in texts])
        return np.hstack([encoder().encode(texts), WEIGHT * found])


@dataclass(frozen=True, eq=False)
class Asked:
    """What a model answered about each query of a trace, and what asking took and cost."""

    model: str
    yes: pd.DataFrame  # (queries, questions)
    spent: pd.DataFrame  # (queries, latency_s and cost_usd)

    def charged(self, trace: Trace) -> Trace:
        """Return a trace in which every outcome also took and cost what asking did."""
        rows = trace.outcomes.set_index("query_id", drop=False)
        more = self.spent.loc[rows.index]
        columns = {column: rows[column].to_numpy() + more[column].to_numpy() for column in more}
        outcomes = trace.outcomes.assign(**columns)
        return Trace.from_frame(outcomes, trace.queries, trace.provenance)

    def beside(self, train: Trace, test: Trace) -> Beside:
        """Return an encoder that knows the answers, standardised on the training queries."""
        known = self.yes.loc[train.query_ids]
        scaled = (self.yes - known.mean()) / known.std()
        texts = [*train.queries["text"], *test.queries["text"]]
        rows = scaled.loc[[*train.query_ids, *test.query_ids]].to_numpy()
        return Beside(dict(zip(texts, rows, strict=True)))


def answered(trace: Trace, name: str, file: Path) -> list[Asked]:
    """Return what each model answered that was asked about every query of a trace."""
    rows, found = pd.read_parquet(file), []
    for model, part in rows[rows["trace"] == name].groupby("model", sort=False):
        yes = part.pivot_table(index="query_id", columns="question", values="yes", sort=False)
        spent = part.groupby("query_id")[["latency_s", "cost_usd"]].sum()
        if set(trace.query_ids) <= set(yes.index) and yes.notna().all(axis=None):
            found.append(Asked(str(model), yes, spent))
    return found
