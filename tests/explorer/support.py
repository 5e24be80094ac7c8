"""Small traces with known truth, and the pure part of the screen run in Node."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from ecollm_lab.explorer import page
from ecollm_lab.explorer.resampling import FEW, MISSING, SEPARABLE, STATES, UNIT
from ecollm_lab.policies.limits import TOLERANCE
from ecollm_lab.records import SLO
from ecollm_lab.traces import Trace
from tests.conftest import make_trace

CONSTANTS = {
    "few": FEW,
    "tolerance": TOLERANCE,
    "separable": SEPARABLE,
    "missing": MISSING,
    "unit": UNIT,
}
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="this test needs Node")
_DRIVER = """
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
const numbers = (list) => Float64Array.from(list, (v) => (v === null ? NaN : v));
const problems = input.problems.map((p) => {
  for (const name of ["n", "quality", "cost", "latency", "low", "high"]) p[name] = numbers(p[name]);
  for (const table of [p.costs,
    p.latencies]) for (const key of Object.keys(table)) table[key] = numbers(table[key]);
  p.allowed = Uint8Array.from(p.allowed);
  p.replicates = Int16Array.from(p.replicates);
  p.raw = p.raw ? Int16Array.from(p.raw) : p.replicates;
  return p;
});
const plain = (value) => (value && value.within ? { within: [...value.within],
  chosen: value.chosen, tied: [...value.tied] } : value);
const call = async ([name, ...given]) => {
  const read = (v) => (v && v.problem !== undefined ? problems[v.problem] : v &&
    v.decide ? decide(...v.decide.map(read)) : v);
  return plain(await eval(name)(...given.map(read))) ?? null;
};
(async () => {
  const told = [];
  for (const one of input.calls) told.push(await call(one));
  process.stdout.write(JSON.stringify(told));
})();
"""


def node(calls, problems=(), also=()):
    """Call functions of the screen's pure part and of other files of it, [name, *arguments] each;
    {"problem": k} stands for a problem.
    """
    done = subprocess.run(
        ["node", "-e", page.read(*page.PURE, *also) + _DRIVER],
        input=json.dumps({"problems": list(problems), "calls": calls}, allow_nan=False),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def _list(values):
    return [None if np.isnan(v) else float(v) for v in values]


def problem_of(view, statistic="mean", dropped=None):
    """A view as the screen holds it, as JSON."""
    parts = [list(part) for part in view.parts]
    out = [any(part[int(k)] in slugs for k, slugs in (dropped or {}).items()) for part in parts]
    return {
        **CONSTANTS,
        "paths": view.path_ids,
        "placement": list(view.placement),
        "parts": parts,
        "stages": [f"stage {k}" for k in range(len(parts[0]))],
        "dropped": dropped or {},
        "allowed": [0 if one else 1 for one in out],
        "statistic": statistic,
        "queries": len(view.rows),
        "n": _list(view.n),
        "quality": _list(view.quality),
        "cost": _list(view.cost[statistic]),
        "latency": _list(view.latency[statistic]),
        "costs": {s: _list(view.cost[s]) for s in view.cost},
        "latencies": {s: _list(view.latency[s]) for s in view.latency},
        "low": _list(view.low),
        "high": _list(view.high),
        "replicates": view.replicates.ravel().tolist(),
        **({} if view.raw is view.replicates else {"raw": view.raw.ravel().tolist()}),
        "state": [STATES[k] for k in view.state[statistic]],
        "dominator": view.dominator[statistic].tolist(),
    }


def as_json(slo):
    """An SLO as the screen holds it."""
    return {
        "max_latency_s": slo.max_latency_s,
        "max_cost_usd": slo.max_cost_usd,
        "min_quality": slo.min_quality or None,
        "prefer": slo.prefer,
    }


def as_slo(found):
    """An SLO from what the screen holds; None if it has none."""
    return None if found is None else SLO(**found)


def noisy(quality, cost=1e-6, latency=0.1, n=400, seed=0, **kwargs):
    """A trace whose outcomes are 0 or 1 with these means, the same luck for all paths."""
    luck = np.random.default_rng(seed).random((n, 1))
    right = (luck < np.asarray(quality)[None]).astype(float)
    return make_trace(right, np.asarray(cost)[None], np.asarray(latency)[None], **kwargs)


def some(n_queries=30, n_paths=6, seed=0, **kwargs):
    """A trace of random outcomes."""
    rng = np.random.default_rng(seed)
    shape = (n_queries, n_paths)
    cost, latency = 10 ** rng.uniform(-7, -5, shape), 10 ** rng.uniform(-2, 0, shape)
    return make_trace(rng.random(shape), cost, latency, **kwargs)


def on_easy_queries():
    """Two paths, of which the second is worse on hard and on easy queries alike; but it was tried
    on the easy ones alone, so that its mean is higher.
    """
    rng = np.random.default_rng(0)
    easy, luck = np.repeat([0.9, 0.1], 200)[:, None], rng.random((400, 1))
    quality = (luck < easy).astype(float) * np.ones((1, 2))
    quality[:, 1] *= rng.random(400) < 0.9
    return without(make_trace(quality, 1e-6, 0.1), [(q, 1) for q in range(200, 400)])


def without(trace, pairs):
    """The same trace with some (query, path) pairs not recorded; numbers are positions."""
    gone = {(trace.query_ids[q], trace.path_ids[p]) for q, p in pairs}
    ids = zip(trace.outcomes["query_id"], trace.outcomes["path_id"], strict=True)
    keep = [pair not in gone for pair in ids]
    return Trace.from_frame(trace.outcomes[keep], trace.queries, trace.provenance)
