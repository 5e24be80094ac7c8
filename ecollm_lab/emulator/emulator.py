"""Budgeted exploration: ask for pairs that can still change a front, and tell their outcomes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pandas as pd

from ecollm_lab.emulator.allocation import EVEN, share, with_status
from ecollm_lab.emulator.estimates import DRAWS, LARGE, STEPS, Estimates, slo_regret
from ecollm_lab.emulator.seen import require_new, seen_in
from ecollm_lab.records import LabError, Outcome, Path, Query
from ecollm_lab.traces import require_memory

# A batch is this share of the outcomes so far, so that fits stay few however long the sweep.
GROWTH, SMALLEST_BATCH = 0.2, 16
FAILURES = 3  # so many failed outcomes and no good one: the path is given up

Pair = tuple[str, str]


class Emulator:
    """Chooses which paths to measure on which queries, and says what the outcomes imply.

    First every path is asked once. From then on paths that have less than half of an even share are
    asked first, and for the rest the posterior of all paths' means is drawn; a path gets a vote
    from a draw for being on the front, and one for each SLO it would serve best, over all queries
    and within each cluster. Its share of the questions is its votes times the standard deviation of
    its quality.

    Parameters
    ----------
    space
        Paths, or their ids.
    queries
        Queries, or their ids: those to explore, never held-out ones.
    embeddings
        Unit embeddings of the queries, shape (queries, dimension).
    labels
        Cluster of each query; found if left out.
    seed
        Same seed, same questions for the same answers.

    """

    def __init__(
        self,
        space: Iterable[Path | str],
        queries: Sequence[Query | str],
        embeddings: np.ndarray,
        *,
        labels: np.ndarray | None = None,
        seed: int = 0,
    ) -> None:
        self.path_ids = [path.id if isinstance(path, Path) else str(path) for path in space]
        self.query_ids = [query.id if isinstance(query, Query) else str(query) for query in queries]
        self._rng = np.random.default_rng(seed)
        self._row = {query_id: i for i, query_id in enumerate(self.query_ids)}
        self._column = {path_id: i for i, path_id in enumerate(self.path_ids)}
        shape = (len(self.query_ids), len(self.path_ids))
        require_memory(
            2 * shape[0] * shape[1],
            f"A note of which of {shape[0]:,} queries × {shape[1]:,} paths were asked",
            "Explore fewer queries: a sample of them tells paths apart as well.",
        )
        self.estimates = Estimates(
            self.path_ids, self.query_ids, embeddings, labels=labels, seed=seed
        )
        self.labels = self.estimates.labels
        self._asked, self._told = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        # of each query and of each path, as counting them anew for each question would take long
        self._asked_of = [np.zeros(n, dtype=int) for n in shape]
        self._outcomes: list[Outcome] = []
        self._current = False
        self.cost_usd = 0.0

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes told, failed ones (NaN quality) left out."""
        return [outcome for outcome in self._outcomes if not np.isnan(outcome.quality)]

    @property
    def n_told(self) -> int:
        """How many outcomes were told, failed ones included."""
        return len(self._outcomes)

    @property
    def n_pairs(self) -> int:
        """How many (query, path) pairs there are."""
        return self._told.size

    @property
    def given_up(self) -> np.ndarray:
        """Tell which paths only ever failed, shape (paths,)."""
        good = np.bincount(
            [self._column[outcome.path_id] for outcome in self.outcomes],
            minlength=len(self.path_ids),
        )
        return (self._told.sum(axis=0) >= FAILURES) & (good == 0)

    def ask(self, n: int, among: Collection[str] | None = None) -> list[Pair]:
        """Return up to `n` (query_id, path_id) pairs to measure next; none when all were asked.

        While there are paths never asked, only those are returned, once each, so there may be fewer
        than n. Pairs on the same query stand together. A pair is asked once; tell its outcome
        before long, for until then it counts for nothing, or `withdraw` it. Where `among` names
        paths, only those are asked about.

        Raises
        ------
        LabError
            If n is below 1, or `among` names a path that is not explored.

        """
        if n < 1:
            raise LabError(f"n must be at least 1, got {n}.")
        within = self._among(among)
        fresh = np.flatnonzero((self._asked_of[1] == 0) & within)
        if len(fresh):
            return self._first_questions(self._rng.permutation(fresh)[:n], within)
        given_up = self.given_up
        within &= ~given_up
        weights = self._weights(given_up)
        pairs: list[Pair] = []
        while len(pairs) < n:
            before = len(pairs)
            for q in self._least_asked(n - len(pairs), within):
                left = np.flatnonzero(~self._asked[q] & within)
                if len(left):
                    pairs.append(self._take(q, self._path_for(left, weights[self.labels[q]])))
            if len(pairs) == before:
                break
        first = {query_id: i for i, (query_id, _) in reversed(list(enumerate(pairs)))}
        return sorted(pairs, key=lambda pair: (first[pair[0]], self._column[pair[1]]))

    def _among(self, path_ids: Collection[str] | None) -> np.ndarray:
        """Tell which paths may be asked about, shape (paths,)."""
        if path_ids is None:
            return np.ones(len(self.path_ids), dtype=bool)
        if unknown := sorted(set(path_ids) - set(self.path_ids)):
            raise LabError(f"The path {unknown[0]} is not among those explored.")
        return np.isin(self.path_ids, list(path_ids))

    def withdraw(self, pairs: Iterable[Pair]) -> None:
        """Take back questions that will not be answered; told ones stay as they are."""
        for query_id, path_id in pairs:
            q, p = self._row[query_id], self._column[path_id]
            self._note_asked(q, p, bool(self._told[q, p]))

    def _path_for(self, left: np.ndarray, weights: np.ndarray) -> int:
        """Return one of the paths left for a query: one that is behind if any is, else by weight.

        One alone, because an answer to a new query tells more than a second one to the same query.
        """
        asked = self._asked_of[1]
        behind = left[asked[left] < EVEN * asked.mean()]
        if len(behind):
            return int(self._rng.choice(behind))
        return int(self._rng.choice(left, p=weights[left] / weights[left].sum()))

    def _first_questions(self, paths: np.ndarray, within: np.ndarray) -> list[Pair]:
        queries = self._least_asked(len(paths), within)
        return [self._take(queries[i % len(queries)], path) for i, path in enumerate(paths)]

    def _take(self, q: int, path: int) -> Pair:
        self._note_asked(q, path)
        return self.query_ids[q], self.path_ids[path]

    def _note_asked(self, q: int, path: int, asked: bool = True) -> None:
        if self._asked[q, path] != asked:
            self._asked[q, path] = asked
            self._asked_of[0][q] += 1 if asked else -1
            self._asked_of[1][path] += 1 if asked else -1

    def _least_asked(self, k: int, within: np.ndarray) -> list[int]:
        """Return up to k queries with something left to ask about the paths `within`.

        Those asked least come first, clusters by turns, chance among equals.
        """
        count = self._asked_of[0]
        chance = self._rng.random(len(count))
        turn = np.empty(len(count))
        for label in np.unique(self.labels):
            rows = np.flatnonzero(self.labels == label)
            turn[rows[np.argsort(chance[rows])]] = (np.arange(len(rows)) + 0.5) / len(rows)
        order = np.lexsort((turn, count))
        left = count < len(self.path_ids)
        if not within.all():
            left = np.asarray(~self._asked[:, within].all(axis=1))
        return [int(q) for q in order if left[q]][:k]

    def _weights(self, given_up: np.ndarray) -> np.ndarray:
        """Return each path's share of the questions per cluster, shape (clusters, paths)."""
        self.refresh()
        overall = share(self.estimates.draws(), given_up, self._rng)
        out = np.tile(overall, (int(self.labels.max()) + 1, 1))
        known = np.unique(self.labels)
        for label in known if len(known) > 1 else ():
            draws = self.estimates.draws(np.flatnonzero(self.labels == label))
            out[label] = (overall + share(draws, given_up, self._rng)) / 2
        return np.maximum(out, 1e-12)

    def tell(self, outcomes: Iterable[Outcome]) -> None:
        """Take in outcomes of pairs that were asked; NaN quality means that the attempt failed.

        Raises
        ------
        LabError
            If a pair was never asked or is told twice, if quality is outside [0, 1], or cost or
            latency is negative. Then none of these outcomes is taken in.

        """
        self._take_in(list(outcomes), asked=True)

    def recall(self, outcomes: Iterable[Outcome]) -> None:
        """Take in outcomes that are already there, from a store or a trace; raises as `tell`."""
        self._take_in(list(outcomes), asked=False)

    def _take_in(self, told: list[Outcome], *, asked: bool) -> None:
        require_new(told, self._row, self._column, self._told)
        places = [(self._row[o.query_id], self._column[o.path_id]) for o in told]
        for o, at in zip(told, places, strict=True):
            if asked and not self._asked[at]:
                raise LabError(
                    f"({o.query_id}, {o.path_id}) was told but never asked; outcomes from an"
                    " earlier run go through recall()."
                )
        for o, (q, p) in zip(told, places, strict=True):
            self._note_asked(q, p)
            self._told[q, p] = True
            self.cost_usd += o.cost_usd if o.cost_usd > 0 else 0.0
        self._outcomes += told
        self._current = self._current and not told

    def refresh(self, *, thorough: bool = False) -> Estimates:
        """Bring `estimates` up to date with the outcomes; `thorough` is for final results."""
        if thorough or not self._current:
            outcomes = self.outcomes
            if not outcomes:
                raise LabError(
                    "There is nothing to estimate from: no outcome was told, or every attempt"
                    " failed."
                )
            first = self.estimates.n_outcomes.sum() == 0
            large = self._told.size > LARGE
            steps = 1 if large else STEPS if thorough else 8 if first else 2
            told = seen_in(outcomes, self._row, self._column)
            self.estimates.update(*told, iterations=steps, n_draws=DRAWS if thorough else 64)
            self._current = True
        return self.estimates

    def expected_regret(self) -> float:
        """Return the quality that knowing every path exactly would still add; lower is surer.

        It is averaged over SLOs, whose limits are 5 × 5 quantiles of the estimated costs and
        latencies; see `estimates.slo_regret`. Paths that were given up have no part in it.
        """
        draws = np.nan_to_num(self.refresh().draws())[:, ~self.given_up]
        levels = (np.arange(5) + 0.5) / 5
        costs, latencies = (np.quantile(draws[:, :, i].mean(axis=0), levels) for i in (1, 2))
        return slo_regret(draws, np.array([(c, t) for c in costs for t in latencies]))[0]

    def fronts(self) -> pd.DataFrame:
        """Return `Estimates.fronts`, with `status` and `because`.

        Status is "kept"; "set aside" if in every scope the path has less than one chance in a
        hundred to be on the front (because names the path that most probably dominates it); or
        "failed" if every attempt on it failed: then it dominates no other.
        """
        frame = self.refresh(thorough=True).fronts(self.given_up)
        return with_status(frame, self.estimates.draws(), self.path_ids, self.given_up)
