"""How long a policy takes to fit and to decide, the embedding given, and with each encoder.

`python -m benchmarks.decision --json OUT.json [--quick]`

350 paths × 2,000 training queries of the synthetic space (its dimension padded to 384, as
MiniLM's), under one SLO, one query at a time and in a batch of 20,000: ours, tuned kNN, the cluster
policy, factorisation, a threshold between two paths, and ParetoBandit's router with as many models
and with three, on the 25 dimensions its package works with, without learning from rewards. All run
in one process, in turns. Microseconds; `ratio` is the median over ours; `fit_s` is what fitting
takes, in seconds, the embeddings given. `ours_from_texts` is fitted as `fit_policy` does it by
itself, with the words and kinds of the queries looked at, which are numbered ones of the lab's
domains; only what the encoder takes is left out. It decides given embedding and characteristics.
`end_to_end_p50_us` adds the encoder's median time for one short question.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.spaces import made_now, synthetic
from ecollm_lab.domains import load_domain
from ecollm_lab.files import write
from ecollm_lab.models import Encoder, default_encoder
from ecollm_lab.models.encoders import static_encoder
from ecollm_lab.policies import Policy, fit_policy
from ecollm_lab.policies.fitting.characteristics import Beside, Characteristics
from ecollm_lab.records import SLO
from ecollm_lab.study import DOMAINS
from ecollm_lab.traces import Trace

DIMENSION, PEER_DIMENSION, N_PATHS = 384, 25, 350
FITTED = ("ours", "knn", "cluster", "matrix_factorisation", "threshold")
FROM_TEXTS = "ours_from_texts"
Record = dict[str, Any]
Decide = Callable[[np.ndarray], Any]
Fitted = tuple[str, Policy, float, np.ndarray]
AIMS = {
    "p50_us": {"at_most": 20.0},
    "p99_us": {"at_most": 100.0},
    "decisions_per_s": {"at_least": 200_000.0},
    "fit_s": {"at_most": 2.0},
}


class Known:
    """An encoder that knows the embeddings of some texts beforehand."""

    name = "known"

    def __init__(self, texts: Sequence[str], embeddings: np.ndarray) -> None:
        self._rows, self._embeddings = {text: i for i, text in enumerate(texts)}, embeddings

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the embeddings of texts, shape (texts, dimension)."""
        found: np.ndarray = self._embeddings[[self._rows[text] for text in texts]]
        return found


def trace_of(n_queries: int) -> tuple[Trace, np.ndarray, np.ndarray]:
    """Return a training trace of 350 paths, its embeddings, and embeddings of other queries.

    A fifth of the paths, drawn for each kind of query, always serve it, so that kinds count.
    """
    rng, space = np.random.default_rng(0), synthetic("synthetic_2000", 0, n_queries)
    some = np.sort(rng.permutation(len(space.path_ids))[:N_PATHS])
    ids = np.array(space.path_ids)[some]
    rows, columns = np.divmod(np.arange(n_queries * N_PATHS), N_PATHS)
    frame = pd.DataFrame({"query_id": rows.astype(str), "path_id": ids[columns]})
    for name, table in zip(("quality", "cost_usd", "latency_s"), space.tables, strict=True):
        frame[name] = table[:, some].ravel()
    kind, kinds = pd.factorize(np.array(asked(n_queries, 0)[1]))
    served = (rng.random((len(kinds), N_PATHS)) < 0.2)[kind]
    frame["quality"] = np.maximum(frame["quality"], served.ravel())
    turn = np.linalg.qr(
        np.random.default_rng(0).standard_normal((DIMENSION, space.embeddings.shape[1]))
    )[0].T
    seen, unseen = (
        (part @ turn).astype(np.float32) for part in (space.embeddings, space.heldout_embeddings)
    )
    return Trace.from_frame(frame), seen, unseen


def asked(n: int, times: int) -> tuple[list[str], list[str]]:
    """Return texts and kinds of so many queries; each time other texts."""
    queries = [query for name in DOMAINS for query in load_domain(name).queries]
    some = [queries[i % len(queries)] for i in range(n)]
    texts = [f"{query.text} ({times}.{i})" for i, query in enumerate(some)]
    return texts, [query.kind for query in some]


def peer(n_models: int) -> Callable[[np.ndarray], Any] | None:
    """Return ParetoBandit's greedy decision over so many models; None where it is missing."""
    try:
        from pareto_bandit import BanditRouter
        from pareto_bandit.feature_service import FeatureService
        from pareto_bandit.storage import EphemeralContextStore
    except ImportError:
        return None
    registry = {
        f"model-{i}": {
            "input_cost_per_m": 0.1 + 0.01 * i,
            "output_cost_per_m": 0.4 + 0.04 * i,
            "time_to_first_token_seconds": 0.2,
        }
        for i in range(n_models)
    }
    logging.getLogger("pareto_bandit").setLevel(logging.ERROR)  # this package's alone
    with contextlib.redirect_stdout(io.StringIO()):
        router = BanditRouter.create(
            model_registry=registry,
            feature_service=FeatureService.for_precomputed(PEER_DIMENSION),
            priors="none",
            context_store=EphemeralContextStore(),
        )
    return lambda x: router.route(x, max_cost=0.01)


def times_us(
    decide: Callable[[np.ndarray], Any], inputs: list[np.ndarray], repeats: int
) -> np.ndarray:
    """Return how long each of `repeats` decisions took, in microseconds, after a warm-up."""
    for x in inputs[:50]:
        decide(x)
    out = np.empty(repeats)
    for i in range(repeats):
        x = inputs[i % len(inputs)]
        started = time.perf_counter_ns()
        decide(x)
        out[i] = time.perf_counter_ns() - started
    return out / 1000


def fit(trace: Trace, seen: np.ndarray, unseen: np.ndarray, n: int) -> Iterator[Fitted]:
    """Yield each policy, how many seconds it took to fit, the median of `n` times, and its inputs.

    Inputs are the embeddings of unseen queries, beside characteristics where it looks at these.
    """
    every = np.vstack([seen, unseen])
    others = asked(len(unseen), n)[0]
    for name in (*FITTED, FROM_TEXTS):
        seconds = []
        for times in range(n):
            texts, kinds = asked(len(seen), times)
            queries = trace.queries.assign(text=texts, kind=kinds)
            new = Trace(trace.outcomes, queries, trace.provenance)
            embeddings = None if name == FROM_TEXTS else seen
            known, of = (
                Known([*texts, *others], every),
                name.removesuffix(FROM_TEXTS.removeprefix("ours")),
            )
            started = time.perf_counter()
            policy = fit_policy(new, of, embeddings=embeddings, encoder=known)
            seconds.append(time.perf_counter() - started)
        inputs = policy.embed(others) if name == FROM_TEXTS else unseen
        yield name, policy, float(np.median(seconds)), inputs


def run(quick: bool) -> list[Record]:
    """Return the records."""
    trace, seen, unseen = trace_of(400 if quick else 2000)
    slo = SLO(max_latency_s=float(np.median(np.quantile(trace.array("latency_s"), 0.95, axis=0))))
    size = {"paths": len(trace.path_ids), "queries": len(trace.query_ids)}
    records: list[Record] = []
    deciders: dict[str, tuple[Decide, list[np.ndarray]]] = {}
    for name, policy, spent, inputs in fit(trace, seen, unseen, 1 if quick else 3):
        records.append(record(name, "fit_s", spent))
        policy.rule(slo)
        decide: Decide = partial(policy.select, slo=slo)
        many = np.tile(inputs, (1 + 20_000 // len(inputs), 1))[:20_000]
        records.append(record(name, "decisions_per_s", len(many) / median_s(decide, many)))
        deciders[name] = decide, [x[None] for x in inputs]
    narrow = [np.ascontiguousarray(x[:PEER_DIMENSION], dtype=float) for x in unseen]
    for n_models in (3, N_PATHS):
        if route := peer(n_models):
            deciders[f"paretobandit_{n_models}"] = route, narrow
    rounds: dict[str, list[np.ndarray]] = {name: [] for name in deciders}
    for _ in range(3 if quick else 5):  # in turns, so that a busy moment hits all
        for name, (decide, given) in deciders.items():
            rounds[name].append(times_us(decide, given, 200 if quick else 1000))
    taken = {name: np.concatenate(parts) for name, parts in rounds.items()}
    for name, values in taken.items():
        for metric, q in (("p50_us", 0.5), ("p99_us", 0.99)):
            records.append(record(name, metric, float(np.quantile(values, q))))
        ratio = np.median(values) / np.median(taken["ours"])
        records.append(record(name, "ratio", float(ratio)))
    records += end_to_end(taken[FROM_TEXTS], quick=quick)
    return [{**one, **size, "quick": quick, **made_now()} for one in records]


def record(policy: str, metric: str, value: float, **about: str) -> Record:
    """Return a record, with the aim that was set for ours."""
    aim = AIMS.get(metric, {}) if policy in ("ours", FROM_TEXTS) else {}
    return {"policy": policy, "metric": metric, "value": value, **aim, **about}


def median_s(decide: Decide, many: np.ndarray) -> float:
    """Return how many seconds a batch takes, the median of three times."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        decide(many)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def end_to_end(taken: np.ndarray, *, quick: bool) -> Iterator[Record]:
    """Yield records of the median time with each encoder's, and its words', for one question."""
    n = 50 if quick else 200
    texts = [f"how loud is the sensor in room {i}?" for i in range(2 * n)]
    for encoder in (default_encoder(), static_encoder()):
        both, asked = Beside(encoder, Characteristics()), iter(texts)  # answers are kept by text

        def encode(_: np.ndarray, both: Encoder = both, asked: Iterator[str] = asked) -> np.ndarray:
            return both.encode([next(asked)])

        spent = times_us(encode, [np.zeros(1)] * 50, n)
        whole = float(np.median(spent) + np.median(taken))
        yield record(FROM_TEXTS, "end_to_end_p50_us", whole, encoder=encoder.name)


def markdown(records: list[Record]) -> str:
    """Return the table of docs/scale.md: what a policy takes to fit and to decide."""
    frame, first = pd.DataFrame(records), records[0]
    lines = [
        (
            f"| {first['queries']:,} queries × {first['paths']} paths | fit, s | one decision, µs:"
            " p50 | p99 | decisions a second, in a batch |"
        ),
        "|---|---|---|---|---|",
    ]
    table = frame[frame["metric"] != "end_to_end_p50_us"].pivot(
        index="policy", columns="metric", values="value"
    )
    for name in frame["policy"].unique():
        row = table.loc[name]
        shown = [f"{row['fit_s']:.2f}", f"{row['p50_us']:.1f}", f"{row['p99_us']:.1f}"]
        shown.append(f"{row['decisions_per_s']:,.0f}")
        cells = ["–" if "nan" in cell else cell for cell in shown]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    aims = ", ".join(
        f"`{metric}` {sign} {aim[bound]:,g}"
        for metric, aim in AIMS.items()
        for bound, sign in (("at_most", "≤"), ("at_least", "≥"))
        if bound in aim
    )
    whole = "; ".join(
        f"{row['value'] / 1000:.1f} ms with `{row['encoder']}`"
        for row in records
        if row["metric"] == "end_to_end_p50_us"
    )
    made = f"Recorded {first['measured_at']} at revision {first['git_revision']}."
    notes = f"Aims for ours: {aims}. From a short question to a path, on the median: {whole}."
    return "\n".join([*lines, "", f"{notes} {made}"])


def main() -> None:
    """Run, write the records, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument(
        "--quick", action="store_true", help="fewer queries and repeats; ends within a minute"
    )
    args = parser.parse_args()
    records = run(args.quick)
    write(json.dumps(records, indent=1) + "\n", args.json)
    for row in records:
        aim = "".join(
            f"   aim {word.replace('_', ' ')} {row[word]:g}"
            for word in ("at_most", "at_least")
            if word in row
        )
        print(
            f"{row['policy']:20} {row['metric']:18} {row['value']:12.1f}{aim}  "
            f" {row.get('encoder', '')}".rstrip()
        )


if __name__ == "__main__":
    main()
