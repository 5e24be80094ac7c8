"""What a language model answers to yes/no questions about queries; `benchmarks.characteristics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.routing import encoder
from benchmarks.spaces import made_now
from ecollm_lab.domains import load_domain
from ecollm_lab.files import replacing
from ecollm_lab.models import load_catalog
from ecollm_lab.traces import Trace

ANSWERS = Path("data/benchmarks/characteristics_asked.parquet")
CATALOG = Path("data/models.toml")
PROMPT = '"{text}"\n\nDo you agree that this message {question}? Answer yes or no.'
# Of an answer in standard deviations: it varies as much as that of a rule, of weight .5, which is
# yes for a fifth of the queries.
WEIGHT = 0.2


def ask(name: str, model_name: str, file: Path = ANSWERS) -> None:
    """Ask a model a domain's questions about its training queries, and add the answers to a file.

    The file is replaced after every query, so that a run may be ended at any time; the next one
    asks what is missing.
    """
    from ecollm_lab.models.edge.llama import EdgeModel

    domain, catalog = load_domain(name), load_catalog(CATALOG)
    known = _read(file)
    known = known[(known["trace"] == name) & (known["model"] == model_name)]
    have = set(zip(known["query_id"], known["question"], strict=True))
    pairs = [(q, one) for q in domain.split("train") for one in domain.characteristics]
    missing = [pair for pair in pairs if (pair[0].id, pair[1]) not in have]
    if not missing:
        return
    asked = replace(catalog[model_name], placement="edge", max_tokens=1)
    about = {"trace": name, "model": model_name, **made_now()}
    with EdgeModel(asked, reuse=True) as model:
        model.reply(PROMPT.format(text="warm up", question="is one"))
        for query, of_query in groupby(missing, key=lambda pair: pair[0]):
            rows = []
            for _, question in of_query:
                reply = model.reply(PROMPT.format(text=query.text, question=question))
                answer = {
                    "query_id": query.id,
                    "question": question,
                    "yes": probability(reply.text, reply.logprob),
                    "latency_s": reply.latency_s,
                    "cost_usd": reply.latency_s * catalog.edge_price_usd_per_hour / 3600,
                }
                rows.append(about | answer)
            both = [part for part in (_read(file), pd.DataFrame(rows)) if len(part)]
            with replacing(file) as part:
                pd.concat(both, ignore_index=True).to_parquet(part, index=False)


def _read(file: Path) -> pd.DataFrame:
    """Return the answers in a file, none if there is none."""
    if file.exists():
        return pd.read_parquet(file)
    return pd.DataFrame(columns=["trace", "model", "query_id", "question"])


def probability(answer: str, logprob: float | None) -> float:
    """Return how probably a model says yes, from its first token and the logarithm of its chance.

    All that is not the one word counts as the other: of 64 answers of qwen2.5-0.5b, yes and no had
    98 to 99 % of the chance together.

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
class Answering:
    """An encoder that knows, beside embeddings, what a model answered about the texts."""

    answers: dict[str, np.ndarray]
    name: str

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

    def encoder(self, train: Trace, test: Trace) -> Answering:
        """Return an encoder that knows the answers, standardised on the training queries."""
        known = self.yes.loc[train.query_ids]
        scaled = (self.yes - known.mean()) / known.std().replace(0.0, 1.0)
        texts = [*train.queries["text"], *test.queries["text"]]
        rows = scaled.loc[[*train.query_ids, *test.query_ids]].to_numpy()
        return Answering(dict(zip(texts, rows, strict=True)), f"answers of {self.model}")


def answered(trace: Trace, name: str, file: Path = ANSWERS) -> list[Asked]:
    """Return what each model answered about the queries of a trace.

    Exits if answers are missing, and says how many.
    """
    rows, found = _read(file), []
    questions = list(trace.provenance["characteristics"])
    for model, part in rows[rows["trace"] == name].groupby("model", sort=False):
        yes = part.pivot_table(index="query_id", columns="question", values="yes", sort=False)
        yes = yes.reindex(index=trace.query_ids, columns=questions)
        if yes.isna().any(axis=None):
            raise SystemExit(
                f"{file} lacks {int(yes.isna().sum().sum())} answers of {model} about {name}; ask"
                f" for them with --ask {model} --traces {name}."
            )
        spent = part.groupby("query_id")[["latency_s", "cost_usd"]].sum()
        found.append(Asked(str(model), yes, spent.loc[trace.query_ids]))
    return found
