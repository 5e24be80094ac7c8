"""The tables the Emulator is tried on: measured domains, recorded systems, synthetic spaces."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from ecollm_lab.domains import Domain
from ecollm_lab.models import default_encoder
from ecollm_lab.records import LabError
from ecollm_lab.study import DOMAINS, complete
from ecollm_lab.sweeps.provenance import git_revision
from ecollm_lab.traces import Trace

MEASURED, RECORDED = (
    Path("data/traces"),
    Path(os.environ.get("ECOLLM_LAB_RECORDED", "../shared/traces")),
)
# Large spaces with the whole truth, measured with very small models that this project trained: the
# revision f9423b0, tag pocket-testbed, has them and their domains.
POCKET = ("pocket_smart_home", "pocket_automotive")
SIZES = {"synthetic_300": (3, 4, 5, 5), "synthetic_2000": (4, 10, 5, 10)}
N_QUERIES, N_HELDOUT = 400, 200  # synthetic and hotpotqa_rag


@dataclass(frozen=True, eq=False)
class Space:
    """One trace as dense tables.

    Attributes
    ----------
    tables, heldout
        Quality, cost_usd, latency_s, shape (3, queries, paths), of the queries explored and of
        those never shown.
    embeddings, heldout_embeddings
        Shape (queries, dimension).
    recorded
        Which of the three were recorded; the others are 0 in the tables.

    """

    name: str
    path_ids: list[str]
    tables: np.ndarray
    heldout: np.ndarray
    embeddings: np.ndarray
    heldout_embeddings: np.ndarray
    recorded: tuple[bool, ...] = (True, True, True)

    def permuted(self, seed: int) -> Space:
        """Return the same space with its paths in another order, so that no tie is broken by it."""
        order = np.random.default_rng(seed).permutation(len(self.path_ids))
        return replace(
            self,
            path_ids=[self.path_ids[i] for i in order],
            tables=self.tables[:, :, order],
            heldout=self.heldout[:, :, order],
        )


def available() -> list[str]:
    """Return the names of the spaces that can be loaded here."""
    names = (*DOMAINS, *POCKET, "homeassistant", "hotpotqa_rag", "bfcl", "llmrouter_9models")
    return [name for name in names if trace_file(name).exists()] + list(SIZES)


def require_at_hand(names: Iterable[str], at_hand: Collection[str]) -> None:
    """Exit, and say which traces there are, if one that was asked for is not among them."""
    if absent := [name for name in names if name not in at_hand]:
        there = ", ".join(at_hand) or "none"
        raise SystemExit(f"No trace at hand is named {' or '.join(absent)}; there are: {there}.")


def require_whole(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Exit if there is no seed, or rough records are to be kept."""
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1; got {options.seeds}")
    if options.quick and options.parquet:
        parser.error("--quick computes rough records: --parquet keeps those of whole runs only")


def trace_file(name: str) -> Path:
    """Return where a trace lies if it is at hand: of a domain, of pocket models, or recorded."""
    if name in POCKET:
        return Path("data/benchmarks") / f"{name}.parquet"
    return (MEASURED if name in DOMAINS else RECORDED) / f"{name}.parquet"


def renewed(file: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Return new records, and those that a file holds of other traces, in the file's order."""
    frame = frame.assign(**{key: value for key, value in made_now().items() if key not in frame})
    if not file.exists():
        return frame
    before = pd.read_parquet(file)
    order = list(dict.fromkeys([*before["trace"], *frame["trace"]]))
    both = [part for part in (before[~before["trace"].isin(frame["trace"])], frame) if len(part)]
    return pd.concat(both).sort_values(
        "trace", key=lambda names: names.map(order.index), kind="stable", ignore_index=True
    )


def keep(frame: pd.DataFrame, file: Path | None) -> None:
    """Write new records to a file beside those that it holds of other traces; nothing if None."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        renewed(file, frame).to_parquet(file, index=False)


def recorded(frame: pd.DataFrame) -> list[str]:
    """Return when and at which revision the records of which traces were made, a line each."""
    if "measured_at" not in frame:
        return []
    runs = frame.groupby(["measured_at", "git_revision"], sort=False)["trace"].unique()
    return [
        f"Recorded {day} at revision {revision}: {', '.join(of)}."
        for (day, revision), of in runs.items()
    ]


def made_now() -> dict[str, str]:
    """Return what every record says of its making: the revision and the date."""
    return {"git_revision": git_revision(), "measured_at": date.today().isoformat()}


@cache
def edition(name: str) -> str:
    """Return a digest of the file that a trace comes from, "" for a synthetic one.

    Records of another edition are not of this trace. A file is read once in a process.
    """
    return "" if name in SIZES else digest(trace_file(name))


def digest(file: Path) -> str:
    """Return a digest of the content of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def domain_trace(domain: Domain, file: Path | None = None) -> Trace | None:
    """Return the trace of one of the lab's domains, or that in `file`; None where there is none.

    Raises
    ------
    LabError
        If it was measured on another edition of the domain.

    """
    file = file or trace_file(domain.name)
    if not file.exists():
        return None
    trace = Trace.load(file)
    if trace.provenance.get("domain_digest") != domain.digest:
        raise LabError(
            f"{file} was measured on another edition of the domain {domain.name}; measure it again"
            f" with the commands in {MEASURED}/README.md."
        )
    return trace


def load(name: str, seed: int) -> Space:
    """Return a space.

    The seed makes the synthetic ones, splits the recorded ones, and orders the paths.
    """
    if name in SIZES:
        return synthetic(name, seed).permuted(seed)
    if name in (*DOMAINS, *POCKET):
        return _measured(name).permuted(seed)
    return _recorded(name, seed).permuted(seed)


@cache
def _measured(name: str) -> Space:
    trace = complete(Trace.load(trace_file(name)))
    train, heldout = trace.split("train"), trace.split("heldout")
    seen, unseen = (
        default_encoder().encode(part.queries["text"].tolist()) for part in (train, heldout)
    )
    return Space(name, train.path_ids, _tables(train), _tables(heldout), seen, unseen)


def _tables(trace: Trace) -> np.ndarray:
    return np.stack([trace.array(column) for column in ("quality", "cost_usd", "latency_s")])


@cache
def _recorded_frame(name: str) -> tuple[np.ndarray, list[str], list[str], np.ndarray]:
    """Return tables (3, queries, paths) with all qualities, path ids, texts, embeddings."""
    frame = pd.read_parquet(trace_file(name))
    if name == "homeassistant":
        # Repeats of a unit are averaged; paths without latency or run on few units are left out.
        short = ["qwen3-4b", "qwen3-4b-instruct-2507-iq4-nl"]
        frame = frame[(frame["domain"] != "ha-automations") & ~frame["path_id"].isin(short)]
        frame = frame.assign(query_id=frame["query_unit"], cost_usd=frame["cost_usd_est"])
    columns = ["quality", "cost_usd", "latency_s"]
    frame = frame.reindex(columns=["query_id", "path_id", "text", *columns])
    groups = frame.groupby(["query_id", "path_id"], observed=True)[columns]
    means = groups.mean().unstack("path_id")
    means = means[means.drop(columns=means.columns[means.isna().all()]).notna().all(axis=1)]
    texts = frame.groupby("query_id", observed=True)["text"].first().loc[means.index]
    n = 2 * (N_QUERIES + N_HELDOUT)
    if len(means) > n:  # a fixed sample that 20 seeds split anew is enough
        some = np.sort(np.random.default_rng(0).choice(len(means), n, replace=False))
        means, texts = means.iloc[some], texts.iloc[some]
    tables = np.stack([means[column].to_numpy() for column in columns])
    path_ids, words = means["quality"].columns.astype(str).tolist(), texts.astype(str).tolist()
    return tables, path_ids, words, default_encoder().encode(words)


def _recorded(name: str, seed: int) -> Space:
    """Split by text: a fifth (homeassistant) or 200 queries are held out."""
    tables, path_ids, texts, embeddings = _recorded_frame(name)
    rng = np.random.default_rng(seed)
    known = list(dict.fromkeys(texts))
    shuffled = [known[i] for i in rng.permutation(len(known))]
    n_heldout = len(known) // 5 if name == "homeassistant" else N_HELDOUT
    limit = n_heldout + (len(known) if name == "homeassistant" else N_QUERIES)
    out, seen = set(shuffled[:n_heldout]), set(shuffled[n_heldout:limit])
    held, kept = (np.array([text in part for text in texts]) for part in (out, seen))
    return Space(
        name,
        path_ids,
        np.nan_to_num(tables[:, kept]),
        np.nan_to_num(tables[:, held]),
        embeddings[kept],
        embeddings[held],
        recorded=tuple(not np.isnan(table).all() for table in tables),
    )


def synthetic(name: str, seed: int, n_queries: int = N_QUERIES) -> Space:
    """Draw a space made of components, pairs, paths, queries and topics.

    Quality is Bernoulli with a logit; latency and cost are sums over stages times log-normal noise.
    Used only to test the algorithm where truth is known; no result about language models rests on
    it.
    """
    rng = np.random.default_rng(10_000 + seed)
    sizes = SIZES[name]
    n = n_queries + N_HELDOUT
    levels = np.array(list(product(*map(range, sizes))))
    topics = rng.standard_normal((6, 24))
    embeddings = topics[rng.integers(len(topics), size=n)] + 0.6 * rng.standard_normal((n, 24))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    logit = 0.6 + 2.0 * rng.standard_normal((n, 1)) + 0.09 * rng.standard_normal(len(levels))
    cost, latency = np.zeros(len(levels)), np.zeros(len(levels))
    for i, size in enumerate(sizes):
        last = i == len(sizes) - 1
        effect = (0.9 if last else 0.35) * rng.standard_normal(size)
        logit += (np.sort(effect) if last else effect)[levels[:, i]]
        logit += 0.6 * (embeddings @ rng.standard_normal((24, size)))[:, levels[:, i]]
        for j in range(i):
            logit += 0.18 * rng.standard_normal((size, sizes[j]))[levels[:, i], levels[:, j]]
        seconds = np.exp((1.0 if last else 0.3) * rng.standard_normal(size)) * (
            1.0 if last else 0.1
        )
        dollars = np.exp((1.5 if last else 0.5) * rng.standard_normal(size)) * (
            1e-5 if last else 1e-6
        )
        latency += (np.sort(seconds) if last else seconds)[levels[:, i]]
        cost += (np.sort(dollars) if last else dollars)[levels[:, i]]
    shape = (n, len(levels))
    quality = (rng.random(shape) < 1 / (1 + np.exp(-logit))).astype(float)
    latencies = latency * np.exp(
        0.2 * rng.standard_normal((n, 1)) + 0.3 * rng.standard_normal(shape)
    )
    costs = cost * np.exp(0.15 * rng.standard_normal((n, 1)) + 0.1 * rng.standard_normal(shape))
    tables = np.stack([quality, costs, latencies])
    path_ids = [
        "/".join(f"{stage}{level}" for stage, level in zip("abcd", row, strict=True))
        for row in levels
    ]
    return Space(
        name,
        path_ids,
        tables[:, :n_queries],
        tables[:, n_queries:],
        embeddings[:n_queries],
        embeddings[n_queries:],
    )
