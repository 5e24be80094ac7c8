// What holds under an SLO. The specification of `decide` is the docstring of decision.py; both are
// tested by tests/explorer/cases.json. Everything in this file is pure: no page, no plot, no kernel.
//
// A problem `p` has, for each path: n, quality, cost (USD per query), latency (s), NaN where nothing
// was recorded; `allowed` (1 unless a component of it was dropped); `replicates`, rows of integers;
// and the constants few, tolerance, separable, missing.
"use strict";

const LIMITS = ["max_latency_s", "max_cost_usd", "min_quality"];
const LARGEST = Number.MAX_VALUE;

function ableTo(p) {
  if (!p.able) {
    const many = p.n.some((n) => n >= p.few);
    p.able = Uint8Array.from(p.n, (n) => (many && n < p.few ? 0 : 1));
  }
  return p.able;
}

function keepsSlo(p, slo, i) {
  return ableTo(p)[i] && p.allowed[i] && p.quality[i] >= (slo.min_quality ?? 0)
    && (slo.max_latency_s === null || p.latency[i] <= slo.max_latency_s)
    && (slo.max_cost_usd === null || p.cost[i] <= slo.max_cost_usd);
}

const recorded = (value) => (Number.isNaN(value) ? LARGEST : value);

// Costs and latencies in the order in which ties are broken.
function preference(p, slo) {
  return slo.prefer === "latency" ? [p.latency, p.cost] : [p.cost, p.latency];
}

function chooseAmong(p, slo, paths) {
  if (!paths.length) return null;
  const best = paths.reduce((most, i) => Math.max(most, p.quality[i]), -Infinity);
  let floor = best;
  if (slo.prefer !== "quality") floor = slo.min_quality === null ? best - p.tolerance : Math.min(best, slo.min_quality);
  const [first, second] = preference(p, slo);
  let chosen = null;
  for (const i of paths) {
    if (!(p.quality[i] >= floor - 1e-12)) continue;
    const order = chosen === null ? -1
      : recorded(first[i]) - recorded(first[chosen]) || recorded(second[i]) - recorded(second[chosen]);
    if (order < 0) chosen = i;
  }
  return chosen;
}

// Which paths differ from path i in quality beyond doubt: so many resamples say what the means say.
function separableFrom(p, i) {
  p.cache ??= new Map();
  if (!p.cache.has(i)) {
    const size = p.n.length, rows = p.replicates.length / size;
    const higher = new Int32Array(size), lower = new Int32Array(size);
    for (let r = 0, at = 0; r < rows; r++) {
      const own = p.replicates[r * size + i];
      for (let j = 0; j < size; j++, at++) {
        const other = p.replicates[at];
        if (own === p.missing || other === p.missing) continue;
        if (other > own) higher[j]++;
        else if (other < own) lower[j]++;
      }
    }
    p.cache.set(i, Uint8Array.from(p.n, (n, j) => {
      const agree = p.quality[j] > p.quality[i] ? higher[j] : p.quality[j] < p.quality[i] ? lower[j] : 0;
      return agree / rows >= p.separable && n >= p.few && p.n[i] >= p.few ? 1 : 0;
    }));
  }
  return p.cache.get(i);
}

function decide(p, slo) {
  const paths = [], within = new Uint8Array(p.n.length), tied = new Uint8Array(p.n.length);
  for (let i = 0; i < p.n.length; i++) if (keepsSlo(p, slo, i)) { within[i] = 1; paths.push(i); }
  const chosen = chooseAmong(p, slo, paths);
  if (chosen !== null) {
    const apart = separableFrom(p, chosen);
    for (const i of paths) tied[i] = i !== chosen && !apart[i] ? 1 : 0;
  }
  return { within, paths, chosen, tied };
}

// --- numbers that people can say, inside a range that is known to do

// The number of d digits nearest to x that is not below it (up = 1) or not above it (up = -1).
function toDigits(x, d, up) {
  const [mantissa, exponent] = x.toExponential(d - 1).split("e");
  const near = Number(`${mantissa}e${exponent}`);
  if ((near - x) * up >= 0) return near;
  const whole = BigInt(mantissa.replace(".", "")) + BigInt(up);
  return Number(`${whole}e${Number(exponent) - d + 1}`);
}

// The shortest number x with low <= x < high that lies near to `now`; `now` itself if it does.
function sayable(low, high, now) {
  if (low === Infinity) return Infinity;
  if (now >= low && (now < high || high === Infinity)) return now;
  for (let d = 3; d < 18; d++) {
    let x = toDigits(now < low ? low : high, d, now < low ? 1 : -1);
    if (x === high) x = toDigits(high * (1 - 10 ** -d), d, -1);
    if (x >= low && x < high && x > 0) return x;
  }
  return low > 0 ? low : high / 2;
}

// The same for low < x <= high.
function sayableFloor(low, high, now) {
  if (now > low && now <= high) return now;
  for (let d = 3; d < 18; d++) {
    let x = now > high ? toDigits(high, d, -1) : toDigits(Math.max(low, 0.001), d, 1);
    if (x === low) x = toDigits(low * (1 + 10 ** -d), d, 1);
    if (x > low && x <= high) return x;
  }
  return high;
}

const distinct = (values) => Float64Array.from(new Set(values)).sort();

// --- the least change of the SLO that lets a path win

const limitsOf = (slo) => [slo.max_latency_s ?? Infinity, slo.max_cost_usd ?? Infinity, slo.min_quality ?? 0];

// How far one SLO is from another: the fewest limits changed, then the least change (in logarithms
// for latency and cost); to set or to lift a limit weighs more than to move one.
function distance(before, after) {
  let moved = 0, size = 0;
  for (let k = 0; k < 3; k++) {
    if (before[k] === after[k]) continue;
    moved++;
    if (k === 2) size += Math.abs(after[k] - before[k]);
    else size += Number.isFinite(before[k]) && Number.isFinite(after[k]) ? Math.abs(Math.log(after[k] / before[k])) : 1000;
  }
  return [moved, size];
}

const nearer = (one, other) => one[0] < other[0] || (one[0] === other[0] && one[1] < other[1]);

// Paths that may win under some limits: no other is as good and cheaper or faster. The rest never wins.
function contenders(p) {
  if (!p.contenders) {
    const able = ableTo(p), paths = [];
    for (let i = 0; i < p.n.length; i++) if (able[i] && p.allowed[i] && p.quality[i] >= 0) paths.push(i);
    paths.sort((a, b) => p.quality[b] - p.quality[a] || recorded(p.cost[a]) - recorded(p.cost[b])
      || recorded(p.latency[a]) - recorded(p.latency[b]));
    const kept = [];
    for (const i of paths) {
      const beaten = kept.some((j) => recorded(p.cost[j]) <= recorded(p.cost[i]) && recorded(p.latency[j]) <= recorded(p.latency[i])
        && (recorded(p.cost[j]) < recorded(p.cost[i]) || recorded(p.latency[j]) < recorded(p.latency[i])));
      if (!beaten) kept.push(i);
    }
    p.contenders = kept;
  }
  return p.contenders;
}

// Ranges [low, high) of a limit on `first` in which path i wins among `kept`, which are in the order
// in which ties are broken. Running maxima tell the winner within every limit.
function winningRanges(p, slo, first, kept, i, floor) {
  const inside = kept.filter((j) => p.quality[j] >= (floor ?? 0)), at = inside.indexOf(i), ranges = [];
  if (at < 0) return ranges;
  let best = -Infinity, ahead = -Infinity;
  inside.forEach((j, m) => {
    if (m === at) ahead = best;
    best = Math.max(best, p.quality[j]);
    const value = recorded(first[j]), next = m + 1 < inside.length ? recorded(first[inside[m + 1]]) : Infinity;
    if (m < at || value === next) return;  // a limit lets in all of equal value
    const needed = slo.prefer === "quality" ? best : floor === null ? best - p.tolerance : Math.min(best, floor);
    if (p.quality[i] >= needed - 1e-12 && ahead < needed - 1e-12)
      ranges.push([value === LARGEST ? Infinity : value, next === LARGEST ? Infinity : next]);
  });
  return ranges;
}

// The SLO nearest to `slo` under which path i wins; null if it cannot, whatever the limits. Exact: the
// winner changes only at the paths' own values, and all pairs of a latency and a cost limit among
// those of the contenders are tried, each with the floor as it is, without one, and where it matters.
function smallestChange(p, slo, i) {
  if (!ableTo(p)[i] || !p.allowed[i] || !(p.quality[i] >= 0)) return null;
  const now = limitsOf(slo), byLatency = slo.prefer === "latency";
  const [first, second] = preference(p, slo), [inner, outer] = byLatency ? [0, 1] : [1, 0];
  const rivals = contenders(p).includes(i) ? contenders(p).slice() : [...contenders(p), i];
  rivals.sort((a, b) => recorded(first[a]) - recorded(first[b]) || recorded(second[a]) - recorded(second[b]) || a - b);
  const mine = p.quality[i], qualities = distinct([0, ...rivals.map((j) => p.quality[j])]);
  const below = qualities.filter((q) => q < mine).at(-1) ?? -1;
  const lowered = sayableFloor(below, mine, Math.min(now[2], 1));
  const floors = [...new Set([null, mine >= now[2] ? slo.min_quality : lowered])];
  const outers = distinct(rivals.map((j) => second[j]).filter((v) => v >= second[i]));
  const steps = [...outers].map((low, k) => [low, outers[k + 1] ?? Infinity]);
  if (Number.isNaN(second[i]) || rivals.some((j) => Number.isNaN(second[j]))) steps.push([Infinity, Infinity]);
  let best = null, size = null;
  for (const step of steps) {
    const kept = rivals.filter((j) => step[0] === Infinity || second[j] <= step[0]), found = [];
    for (const floor of floors)
      for (const range of winningRanges(p, slo, first, kept, i, floor)) found.push([range, floor]);
    if (slo.prefer !== "quality") {  // a floor that shuts out all that come before it
      const ahead = kept.slice(0, kept.indexOf(i)).map((j) => p.quality[j]).filter((q) => q >= Math.min(now[2], mine));
      const most = ahead.reduce((a, b) => Math.max(a, b), 0);
      const from = Number.isNaN(first[i]) ? Infinity : first[i];
      if (most < mine) found.push([[from, Infinity], sayableFloor(most, mine, now[2])]);
    }
    for (const [range, floor] of found) {
      const after = [0, 0, floor ?? 0];
      after[inner] = sayable(...range, now[inner]);
      after[outer] = sayable(...step, now[outer]);
      const far = distance(now, after);
      if (size === null || nearer(far, size)) [best, size] = [{ ...asSlo(after, slo), min_quality: floor }, far];
    }
  }
  return best && decide(p, best).chosen === i ? best : null;
}

function asSlo([latency, cost, floor], slo) {
  return {
    max_latency_s: Number.isFinite(latency) ? latency : null,
    max_cost_usd: Number.isFinite(cost) ? cost : null,
    min_quality: floor > 0 ? floor : null,
    prefer: slo.prefer,
  };
}

// --- what to offer when nothing is feasible

const valuesOf = (p, name) => ({ max_latency_s: p.latency, max_cost_usd: p.cost, min_quality: p.quality })[name];

function pathsWithout(p, slo, name) {
  const free = { ...slo, [name]: null };
  return Array.from(p.n.keys()).filter((i) => keepsSlo(p, free, i) && !Number.isNaN(valuesOf(p, name)[i]));
}

// Which limits bind (giving one up alone would help) and up to two nearest SLOs that some path keeps.
function nearestFeasible(p, slo) {
  const now = limitsOf(slo), options = [], set = LIMITS.filter((name) => slo[name] !== null);
  for (const name of set) {
    const values = distinct(pathsWithout(p, slo, name).map((i) => valuesOf(p, name)[i]));
    if (!values.length) continue;
    const value = name === "min_quality" ? sayableFloor(values.at(-2) ?? 0, values.at(-1), slo[name])
      : sayable(values[0], values[1] ?? Infinity, slo[name]);
    const changed = { ...slo, [name]: value };
    options.push([name, changed, distance(now, limitsOf(changed))]);
  }
  if (options.length) {
    options.sort((a, b) => (nearer(a[2], b[2]) ? -1 : 1));
    return { binding: options.map((o) => o[0]), nearest: options.slice(0, 2).map((o) => o[1]), alone: true };
  }
  let best = null, size = Infinity;
  for (let i = 0; i < p.n.length; i++) {
    if (!keepsSlo(p, { max_latency_s: null, max_cost_usd: null, min_quality: null }, i)) continue;
    if ((slo.max_latency_s !== null && !(p.latency[i] >= 0)) || (slo.max_cost_usd !== null && !(p.cost[i] >= 0))) continue;
    const far = Math.log(Math.max(recorded(p.latency[i]) / now[0], 1)) + Math.log(Math.max(recorded(p.cost[i]) / now[1], 1))
      + Math.max(now[2] - p.quality[i], 0);
    if (far < size) [best, size] = [i, far];
  }
  if (best === null) return { binding: set, nearest: [], alone: false };
  const after = [0, 1].map((k) => sayable((k ? p.cost : p.latency)[best], Infinity, now[k]));
  const nearest = asSlo([...after, sayableFloor(-1, p.quality[best], now[2])], slo);
  for (const name of LIMITS) if (slo[name] === null) nearest[name] = null;
  return { binding: set, nearest: [nearest], alone: false };
}

// --- what one control can reach under the others, and its next step

// Values of a limit from which another best quality is within reach, and that quality. Of the floor:
// the highest quality within reach, alone.
function reach(p, slo, name) {
  const paths = pathsWithout(p, slo, name), values = valuesOf(p, name);
  if (name === "min_quality") {
    const best = paths.reduce((q, i) => Math.max(q, p.quality[i]), 0);
    return paths.length ? [[best, best]] : [];
  }
  paths.sort((a, b) => values[a] - values[b]);
  const rises = [];
  for (const i of paths) {
    const last = rises.at(-1);
    if (last && p.quality[i] <= last[1]) continue;
    if (last && last[0] === values[i]) last[1] = p.quality[i];
    else rises.push([values[i], p.quality[i]]);
  }
  return rises;
}

// The next value of a limit (by = 1: wider, -1: tighter) with which another set of paths is feasible;
// with `far`, another path wins. The value as it is if there is none.
function nextStep(p, slo, name, by, far = false) {
  const values = distinct(pathsWithout(p, slo, name).map((i) => valuesOf(p, name)[i])), floor = name === "min_quality";
  if (!values.length) return slo[name];
  const winner = far ? decide(p, slo).chosen : null, now = limitsOf(slo)[LIMITS.indexOf(name)];
  let inside = values.filter((v) => (floor ? v >= now : v <= now)).length;
  for (inside += by; inside >= 0 && inside <= values.length; inside += by) {
    let value = null;  // all are inside without a limit
    if (inside < values.length && floor) {
      const top = inside ? values[values.length - inside] : 1;
      value = sayableFloor(values[values.length - inside - 1], top, inside ? 2 : 0);
      if (!inside && values.at(-1) >= 1) return slo[name];
    } else if (inside < values.length) {
      if (!inside && values[0] <= 0) return slo[name];
      value = inside ? sayable(values[inside - 1], values[inside], 0) : sayable(0, values[0], Infinity);
    }
    if (!far || decide(p, { ...slo, [name]: value }).chosen !== winner || inside === 0) return value;
  }
  return by > 0 ? null : slo[name];
}

// --- states and the journey

function sameValue(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

function stateAt(journey, at) {
  return Object.assign({}, ...journey.steps.slice(0, at + 1).map((step) => step[1]));
}

const APART = ["tab", "query_page", "columns", "snapshots"];  // where one looks, not what one decides: no step of the journey
const STAYING = ["tab", "columns", "snapshots"];  // what a step back leaves as it is

// The state that a step back leads to, from the one that is left.
const back = (state, to) => ({ ...to, ...Object.fromEntries(STAYING.filter((key) => key in state).map((key) => [key, state[key]])) });

// Add what changed since the last step as one step with a name; steps that were undone are forgotten. Of too many the
// oldest after the start is forgotten: what it changed is part of the next.
function addStep(journey, state, name, most = 200) {
  const before = stateAt(journey, journey.at);
  const changed = Object.fromEntries(Object.entries(state).filter(([key, value]) => !APART.includes(key) && !sameValue(value, before[key])));
  if (!Object.keys(changed).length) return journey;
  let steps = [...journey.steps.slice(0, journey.at + 1), [name, changed]];
  if (steps.length > most) steps = [steps[0], [steps[2][0], { ...steps[1][1], ...steps[2][1] }], ...steps.slice(3)];
  return { at: steps.length - 1, steps };
}
