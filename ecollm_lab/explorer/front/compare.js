// Comparing: the same SLO on two sides, A and B. What wins on each is decided as ever; here the difference is put
// into words, and B is drawn as ghosts: hollow marks, a dashed staircase, a dashed ring around its winner.

// How much better B's quality is, in points of a hundred, with the interval of the difference over resampled queries.
// Both sides are resampled alike: query by query where the queries are the same, else by chance.
function gapBetween(p, i, q, j) {
  const gap = q.quality[j] - p.quality[i], [n, m] = [p.n.length, q.n.length], values = [];
  for (let at = 0, to = 0; at < p.raw.length && to < q.raw.length; at += n, to += m) {
    const [a, b] = [p.raw[at + i], q.raw[to + j]];
    if (a !== p.missing && b !== q.missing) values.push((b - a) / p.unit);
  }
  values.sort((a, b) => a - b);
  const centre = values.reduce((sum, v) => sum + v, 0) / values.length;
  const at = (share) => gap + (values[Math.round(share * (values.length - 1))] ?? NaN) - centre;
  return [gap, at(0.025), at(0.975)];
}

function pointsWords([gap, low, high]) {
  const points = number(Number((100 * Math.abs(gap)).toFixed(2)));
  if (points === "0") return "as good";
  const words = `${points} ${points === "1" ? "point" : "points"} ${gap > 0 ? "better" : "worse"}`;
  const side = (v) => signed(v, (100 * v).toFixed(1));
  return low <= 0 && high >= 0 ? `${words} (which may be chance: between ${side(low)} and ${side(high)})` : words;
}

// "costs 1.8 times as much": how a number of B compares with that of A, empty where one is not recorded.
const COSTS = { verb: "costs", same: "costs the same", as: "as much", more: "more", less: "less", say: usd, none: "is free" };
const TAKES = { verb: "takes", same: "takes as long", as: "as long", more: "longer", less: "less time", say: seconds, none: "takes no time" };
function timesWords(b, a, words) {
  if (Number.isNaN(a) || Number.isNaN(b)) return "";
  if (a === b) return words.same;
  if (b === 0) return words.none;
  if (a === 0) return `${words.verb} ${words.say(b)}`;
  const share = b / a;
  if (share >= 1.1) return `${words.verb} ${number(Number(share.toPrecision(2)))} times ${words.as}`;
  if (share <= 0.1) return `${words.verb} 1/${number(1 / share)} ${words.as}`;
  return `${words.verb} ${percent(Math.abs(share - 1))} ${share > 1 ? words.more : words.less}`;
}

const joinedWords = (parts) => (parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`);

// B's winner against A's, in one or two sentences.
function versus(p, a, q, b) {
  const [i, j] = [a.chosen, b.chosen], name = q.name;
  const lines = [];
  if (j === null) lines.push(i === null ? `${name}: no path keeps it there either` : `${name}: no path keeps it there`);
  else if (i === null) lines.push(`${name}: ${q.paths[j]} wins there with quality ${quality(q.quality[j])}, ${usd(q.cost[j])}, ${seconds(q.latency[j])}`);
  else {
    const which = q.paths[j] === p.paths[i] ? "The same path wins in B; there it" : `B's best, ${q.paths[j]},`;
    lines.push(`${which} is ${joinedWords([pointsWords(gapBetween(p, i, q, j)), timesWords(q.cost[j], p.cost[i], COSTS), timesWords(q.latency[j], p.latency[i], TAKES)].filter(Boolean))}`);
    const k = q.paths.indexOf(p.paths[i]);
    if (k >= 0 && k !== j) lines.push(`A's winner has quality ${quality(q.quality[k])} in B${b.within[k] ? "" : ", where it does not keep the SLO"}`);
    if (k < 0) lines.push("A's winner is not among B's paths");
  }
  if (q.unknown?.length) lines.push(`B has no such ${joinedWords(q.unknown)} among these queries, so ${q.unknown.length === 1 ? "that filter counts" : "those filters count"} for A alone`);
  return `${lines.join(". ")}.`;
}

// A path of A in B, for its card.
function twinWords(p, i, q, b) {
  const k = q.paths.indexOf(p.paths[i]);
  if (k < 0) return "It is not among B's paths.";
  return `In B: quality ${quality(q.quality[k])} ${span(q.low[k], q.high[k])}, ${usd(q.cost[k])}, ${seconds(q.latency[k])}; ${k === b.chosen ? "it wins there" : b.within[k] ? "it keeps the SLO there" : "it does not keep the SLO there"}.`;
}

const othersLegend = (q, colour) => `<span style="color:${colour}">◇ hollow: front of ${cut(q.name, 40)}, ◌ its winner, ┄ its staircase</span>`;

// Cost in USD per 1,000 queries, latency, quality of B's front: what the axes must have room for.
const ghostsOf = (q) => (q.slo ? [] : Array.from(q.n.keys()).filter((k) => q.state[k] === "front"));

// --- on the canvas above the plots

function paintGhosts(context, { p, c, other, decision, lit, pins, theme }, places, panel, line) {
  if (!other) return [];
  const { q, decision: b, slo } = other, axis = places.axes[panel], { yaxis } = places, box = places.boxes[panel], colour = theme.ghost, [left, top, wide, tall] = box;
  const x = (k) => (panel ? q.latency[k] : q.cost[k] === 0 && c.free ? c.free[0] * (c.free[1] / c.free[0]) ** 0.5 : 1000 * q.cost[k]);
  const at = (k) => [axis._offset + axis.d2p(x(k)), yaxis._offset + yaxis.d2p(q.quality[k])];
  const seen = (k) => x(k) > 0 && q.quality[k] >= 0;
  const within = b.paths.filter(seen), xs = Array.from(q.n.keys(), x), steps = stairs(q, xs, within);
  if (steps.length && !q.slo) line([...steps.flatMap((k, n) => (n ? [[at(k)[0], at(steps[n - 1])[1]], at(k)] : [at(k)])), [left + wide, at(steps.at(-1))[1]]], colour, 1.5, [7, 4]);
  if (q.slo) {
    const limit = panel ? slo.max_latency_s : slo.max_cost_usd === null ? null : 1000 * slo.max_cost_usd;
    if (limit !== null) line([[axis._offset + axis.d2p(limit), top], [axis._offset + axis.d2p(limit), top + tall]], colour, 1.5, [2, 4]);
  }
  const twins = q.slo ? [] : [...new Set([...(decision.chosen === null ? [] : [decision.chosen]), ...pins, ...(lit.length === 1 ? lit : [])])].map((i) => [i, q.paths.indexOf(p.paths[i])]);
  for (const [i, k] of twins) if (k >= 0 && seen(k) && places.x[panel][i] > 0) line([[places.x[panel][i], places.y[i]], pinned(at(k), box).at], colour, 1);
  const hollow = [...new Set([...ghostsOf(q), ...twins.map(([, k]) => k)])].filter((k) => k >= 0 && seen(k));
  for (const k of hollow) ghost(context, OUTLINES[p.looks[q.placement[k]].symbol] ?? OUTLINES.circle, ...pinned(at(k), box).at, 6, colour);
  if (b.chosen !== null && seen(b.chosen)) ring(context, ...pinned(at(b.chosen), box).at, 13, colour, 3, [4, 3]);
  return hollow.map((k) => ({ name: `B|${q.paths[k]}`, at: pinned(at(k), box).at, card: () => [`${q.name}: ${q.paths[k]}`, `quality ${quality(q.quality[k])} ${span(q.low[k], q.high[k])}`, usd(q.cost[k]), seconds(q.latency[k])] }));
}

function ghost(context, shape, x, y, radius, colour) {
  context.beginPath();
  shape.forEach(([a, b], k) => context[k ? "lineTo" : "moveTo"](x + a * radius, y + b * radius));
  context.closePath();
  Object.assign(context, { strokeStyle: colour, lineWidth: 1.5 });
  context.stroke();
}
