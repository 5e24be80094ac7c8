// Numbers and findings in words: units in every number, whole sentences. All text from a trace is escaped.

const LIMIT_NAMES = { max_latency_s: "latency limit", max_cost_usd: "cost limit", min_quality: "quality floor" };
const NAMES = { max_latency_s: "latency", max_cost_usd: "cost", min_quality: "quality floor" };
const STATE_WORDS = { front: "on the front", ambiguous: "perhaps on the front", dominated: "dominated", unknown: "not fully recorded" };
const STATISTIC_WORDS = { mean: "mean", p95: "95th percentile" };

const escaped = (text) => String(text).replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`);
const cut = (text, length = 300) => escaped(String(text).length > length ? `${String(text).slice(0, length - 1)}…` : text);
const grouped = (value) => Math.round(value).toLocaleString("en-US");
const number = (value) => (Math.abs(value) >= 999.5 ? grouped(value) : String(Number(value.toPrecision(3))));
const signed = (value, text) => (value < 0 ? `−${text.replace(/^[-−]/, "")}` : `+${text}`);
const quality = (value) => (Number.isNaN(value) ? "not recorded" : value.toFixed(3));
const percent = (share) => (share > 0 && share < 0.005 ? "under 1 %" : `${Math.round(100 * share)} %`);
const plural = (n, one, many = `${one}s`) => `${grouped(n)} ${n === 1 ? one : many}`;

function seconds(value) {
  if (Number.isNaN(value)) return "latency not recorded";
  return value < 0.9995 ? `${number(1000 * value)} ms` : `${number(value)} s`;
}

// Mean and tail of a path's latency.
const latencyWords = (p, i) => (Number.isNaN(p.latencies.mean[i]) ? seconds(NaN) : `${seconds(p.latencies.mean[i])} mean, ${seconds(p.latencies.p95[i])} p95`);

function usd(value) {
  if (Number.isNaN(value)) return "cost not recorded";
  return `${number(1000 * value)} USD per 1,000 queries`;
}

const short = (id) => String(id).split("/").filter((part) => part !== "none").join(" · ") || String(id);

// How much larger or smaller a number is: in percent while that is easy to say, then as a factor.
function ratio(value, base) {
  if (!(base > 0) || !(value > 0) || value === base) return "";
  const share = value / base;
  if (share >= 2) return `× ${number(share)}`;
  if (share <= 0.1) return `÷ ${number(1 / share)}`;
  const by = percent(Math.abs(share - 1));
  return by.startsWith("under") ? `${by} ${share > 1 ? "more" : "less"}` : signed(share - 1, by);
}

// --- limits as a person types and reads them: the decimal point is moved in the text, so that no digit is lost

const UNITS = { max_latency_s: "ms", max_cost_usd: "USD per 1,000 queries", min_quality: "" };
const moved = (value, digits) => Number(`${value}`.includes("e")
  ? `${value}`.replace(/e(.*)$/, (_, e) => `e${Number(e) + digits}`) : `${value}e${digits}`);
const asTyped = (name, value) => (value === null ? "" : String(name === "min_quality" ? value : moved(value, 3)));

// What was typed as a limit: a number, null for none, or a sentence that says what is wrong.
const TYPED_UNITS = {
  max_latency_s: [[/^(ms)?$/, -3], [/^(s|sec|seconds?)$/, 0], [/^[uµ]s$/, -6], [/^min(utes?)?$/, 0, 60]],
  max_cost_usd: [[/^$|^(\/|per) ?(1k|1000|thousand)( queries)?$/, -3], [/^(\/|per) ?(1?m|1000000|million)( queries)?$/, -6], [/^(\/|per) ?query$/, 0]],
  min_quality: [[/^$/, 0], [/^%$/, -2]],
};
function typed(name, text) {
  const plain = text.trim().toLowerCase().replace(/^[<>≤≥=$\s]+/, "");
  if (["", "none", "no", "no limit", "∞"].includes(plain)) return null;
  const [, whole, figure, rest] = plain.match(/^(?:([1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?(?![\d,]))|(\d*[.,]?\d+(?:e[+-]?\d+)?))\s*(.*)$/) ?? [null, null, "", "?"];
  const unit = rest.replace(/^(usd|\$) ?/, "").replace(/(\d),(?=\d)/g, "$1");
  const [, digits, times = 1] = TYPED_UNITS[name].find(([pattern]) => pattern.test(unit)) ?? [];
  if (digits === undefined) return `“${text.trim()}” is no ${NAMES[name]} this can read; type for example ${EXAMPLES[name]}.`;
  const value = moved(whole?.replaceAll(",", "") ?? figure.replace(",", "."), digits) * times;  // "1,235" as the screen writes it, "1,5" as many do
  if (name === "min_quality" && !(value >= 0 && value <= 1)) return "A quality lies between 0 and 1; type for example 0.6.";
  if (name !== "min_quality" && !(value > 0)) return `A limit is larger than 0; type for example ${EXAMPLES[name]}, or nothing for no limit.`;
  return value === 0 ? null : value;
}
const EXAMPLES = { max_latency_s: "50 ms or 1.5 s", max_cost_usd: "0.2 (USD per 1,000 queries)", min_quality: "0.6 or 60 %" };

const exact = (name, value) => {
  if (name === "min_quality") return String(value);
  if (name === "max_latency_s") return value < 1 ? `${moved(value, 3)} ms` : `${value} s`;
  return `${moved(value, 3)} USD per 1,000 queries`;
};
const limitWords = (name, value) => (value === null ? `no ${name === "min_quality" ? "quality floor" : `limit on ${NAMES[name]}`}`
  : `${name === "min_quality" ? "quality ≥" : `${NAMES[name]} ≤`} ${exact(name, value)}`);

function spell(slo) {
  return LIMITS.filter((name) => slo[name] !== null).map((name) => limitWords(name, slo[name])).join(", ") || "no limits";
}

// What differs between two SLOs: what to set.
function changes(before, after) {
  return LIMITS.filter((name) => before[name] !== after[name]).map((name) => (after[name] === null
    ? limitWords(name, null) : `${LIMIT_NAMES[name]} ${exact(name, after[name])}`)).join(" and ");
}

// --- comparing paths

// The difference in quality of paths i and j, paired by query, with its 95 % interval.
function difference(p, i, j) {
  const size = p.n.length, values = [];
  for (let at = 0; at < p.replicates.length; at += size) {
    const [a, b] = [p.replicates[at + i], p.replicates[at + j]];
    if (a !== p.missing && b !== p.missing) values.push((a - b) / p.unit);
  }
  values.sort((a, b) => a - b);
  const at = (share) => values[Math.round(share * (values.length - 1))] ?? NaN;
  return [p.quality[i] - p.quality[j], at(0.025), at(0.975)];
}

const span = (low, high, sign = false) => (sign ? `[${signed(low, low.toFixed(3))}, ${signed(high, high.toFixed(3))}]`
  : `[${quality(low)}, ${quality(high)}]`);

// How path i compares with path j: sign, size, and "better" or "worse", never colour alone.
function compared(p, i, j, what) {
  const parts = [];
  const add = (name, delta, better, text) => {
    if (Number.isNaN(delta)) return;
    const apart = name !== "quality" || separableFrom(p, j)[i];
    parts.push(delta === 0 ? `same ${name}` : `${name} ${text} ${!apart ? "(not separable)" : delta * better > 0 ? "(better)" : "(worse)"}`);
  };
  const gap = p.quality[i] - p.quality[j];
  add("quality", gap, 1, signed(gap, gap.toFixed(3)));
  for (const [name, values, say] of [["cost", p.cost, usd], ["latency", p.latency, seconds]]) {
    const delta = values[i] - values[j];
    add(name, delta, -1, [signed(delta, say(Math.abs(delta))), ratio(values[i], values[j])].filter(Boolean).join(", "));
  }
  return parts.length ? `Against ${what}: ${parts.join("; ")}.` : "";
}

// What decides between paths that are good enough, in the order of the preference; what was not recorded decides nothing.
const RANKS = { cost: { more: "is cheaper", same: "is as cheap", most: "the cheapest" }, latency: { more: "is faster", same: "is as fast", most: "the fastest" } };
const ranked = (slo) => (slo.prefer === "latency" ? ["latency", "cost"] : ["cost", "latency"]);

function whyChosen(p, slo, chosen) {
  if (slo.prefer === "quality") return "Of the paths that keep all limits it has the best quality.";
  const [first, second] = ranked(slo), known = (name) => !Number.isNaN(p[name][chosen]), good = "Of the paths that keep all limits and are good enough it is";
  if (known(first)) return `${good} ${RANKS[first].most}.`;
  return known(second) ? `${good} ${RANKS[second].most}; their ${first} was not recorded.`
    : `${good} the first in the trace; neither their ${first} nor their ${second} was recorded.`;
}

// Why the winner comes before a path that is as good.
function whyAhead(p, slo, chosen, i) {
  const told = [];
  for (const name of ranked(slo)) {
    const gap = recorded(p[name][i]) - recorded(p[name][chosen]), unknown = Number.isNaN(p[name][i]);
    if (gap < 0) return "has the better mean";  // the other is not good enough
    if (gap > 0) return joinedWords([...told, unknown ? `has a ${name} that was recorded` : RANKS[name].more]);
    told.push(unknown ? `has no ${name} recorded either` : RANKS[name].same);
  }
  return chosen < i ? joinedWords([...told, "comes first in the trace"]) : "has the better mean";
}

// Whether it makes no sense to prefer a number: it was recorded of no path.
const pointless = (p, key, value) => key === "prefer" && value !== "quality" && p[value].every((v) => Number.isNaN(v));

// Why path i is not the winner: the first reason in the order limits, dominance, preference.
function whyNot(p, slo, decision, i, share) {
  const { chosen, tied } = decision, what = STATISTIC_WORDS[p.statistic];
  if (!p.n[i] || Number.isNaN(p.quality[i])) return ["never evaluated", "No outcome of it was recorded on these queries."];
  if (i === chosen) return ["chosen", whyChosen(p, slo, chosen)];
  if (!p.allowed[i]) return ["dropped", "You dropped one of its components."];
  for (const [name, values, limit] of [["latency", p.latency[i], slo.max_latency_s], ["cost", p.cost[i], slo.max_cost_usd]])
    if (limit !== null && Number.isNaN(values)) return [`no ${name} recorded`, `Its ${name} was not recorded, so no limit on it can be shown to hold.`];
  if (slo.max_latency_s !== null && p.latency[i] > slo.max_latency_s) {
    const often = share === null ? "" : ` ${percent(share)} of queries take longer than the limit.`;
    return ["breaks the latency limit", `Its ${what} latency is ${seconds(p.latency[i])}, ${seconds(p.latency[i] - slo.max_latency_s)} over the limit.${often}`];
  }
  if (slo.max_cost_usd !== null && p.cost[i] > slo.max_cost_usd)
    return ["breaks the cost limit", `Its ${what} cost is ${usd(p.cost[i])}, ${number(1000 * (p.cost[i] - slo.max_cost_usd))} over the limit.`];
  const floor = slo.min_quality ?? 0;
  if (p.quality[i] < floor) return ["below the quality floor", `Its quality ${quality(p.quality[i])} is ${quality(floor - p.quality[i])} below the floor.`];
  if (!ableTo(p)[i]) return ["too few queries", `It has ${p.n[i]} of ${p.queries} queries; ${p.few} are needed to win against paths that have them.`];
  return beaten(p, slo, tied[i], chosen, i);
}

function beaten(p, slo, tied, chosen, i) {
  const by = p.dominator[i];
  if (p.state[i] === "dominated" && by >= 0 && p.allowed[by]) {
    const parts = [p.quality[by] > p.quality[i] && `better by ${quality(p.quality[by] - p.quality[i])} in quality`,
      p.cost[by] < p.cost[i] && `cheaper by ${usd(p.cost[i] - p.cost[by])}`,
      p.latency[by] < p.latency[i] && `faster by ${seconds(p.latency[i] - p.latency[by])}`].filter(Boolean);
    const all = Number.isNaN(p.cost[i]) || Number.isNaN(p.latency[i]) ? "all that was recorded" : "all three";
    return ["dominated", `${p.paths[by]} is no worse in ${all} and ${parts.join(", ")}.`];
  }
  const [gap, low, high] = difference(p, i, chosen);
  const unlike = p.n[i] === p.queries && p.n[chosen] === p.queries ? "" : " Not every query was tried on both: the interval is of the difference query by query.";
  const pick = slo.prefer === "quality" && gap < 0 ? "has the better mean" : whyAhead(p, slo, chosen, i);
  if (tied) return ["not separable", `Its quality cannot be told from the winner's (${signed(gap, gap.toFixed(3))} ${span(low, high, true)}); the winner ${pick}.${unlike}`];
  if (slo.prefer === "quality" || gap < 0) return ["lower quality", `Its quality is lower than the winner's by ${quality(-gap)} ${span(-high, -low)}.${unlike}`];
  return [`${slo.prefer} is preferred`, `It is good enough, but the winner ${pick} (quality ${signed(gap, gap.toFixed(3))}).`];
}

// The share of some outcomes that break the SLO, of the `n` of all of them that tell: those where each number that a limit is on was
// recorded; null without any. Outcomes are sent in single precision, so limits are compared in it, too.
function overAmong({ cost, latency }, places, slo, which) {
  const limits = [[latency, slo.max_latency_s], [cost, which === "both" ? slo.max_cost_usd : null]].filter(([, limit]) => limit !== null)
    .map(([values, limit]) => [values, Math.fround(limit)]);
  let over = 0, n = 0;
  for (const at of places) {
    if (!(cost[at] >= 0 || latency[at] >= 0) || limits.some(([values]) => !(values[at] >= 0))) continue;
    n++;
    if (limits.some(([values, limit]) => values[at] > limit)) over++;
  }
  return { share: n ? over / n : null, n, all: places.length };
}

// --- the one sentence

function overWords({ share, n, all, where }) {
  return share === null ? `the share of ${where}queries over the SLO was not recorded`
    : `${percent(share)} of ${n < all ? `${n} recorded of ${all}` : n} ${where}queries over the SLO`;
}

function sentence(p, slo, decision, over, pins) {
  const { chosen, tied, paths } = decision;
  if (chosen === null) return infeasible(p, slo);
  const latency = Number.isNaN(p.latencies.mean[chosen]) ? seconds(NaN) : p.statistic === "p95" ? `p95 latency ${seconds(p.latencies.p95[chosen])}`
    : `mean latency ${seconds(p.latencies.mean[chosen])}, p95 latency ${seconds(p.latencies.p95[chosen])}`;
  const cost = p.statistic === "p95" ? `p95 cost ${usd(p.costs.p95[chosen])}` : usd(p.costs.mean[chosen]);
  const parts = [`<b class="ecl-path">${cut(p.paths[chosen], 90)}</b> wins: quality ${quality(p.quality[chosen])} `
    + `${span(p.low[chosen], p.high[chosen])}, ${cost}, ${latency}`];
  if (over && limited(slo)) parts.push(overWords(over));
  const others = paths.length - 1, n = tied.reduce((sum, one) => sum + one, 0);
  const top = paths.reduce((most, i) => Math.max(most, p.quality[i]), 0);
  if (!others) parts.push("it is the only feasible path");
  else if (p.n[chosen] < p.few) parts.push(`on ${plural(p.n[chosen], "query", "queries")} no path can be told from another`);
  else if (n) parts.push(`<b>tied</b> in quality with ${n} of ${plural(others, "other feasible path")}`);
  else parts.push(`${top > p.quality[chosen] ? "told apart" : "better"} in quality ${top > p.quality[chosen] ? "from" : "than"} all ${plural(others, "other feasible path")}`);
  let text = `${parts.join("; ")}.`;
  if (p.n[chosen] < p.queries) text += ` <span class="ecl-warn">◌ It was evaluated on ${p.n[chosen]} of ${p.queries} queries.</span>`;
  const pin = pins.at(-1);
  if (pin !== undefined && pin !== chosen) text += `<br><span class="ecl-dim">${cut(compared(p, chosen, pin, `pin ${pins.length}`))}</span>`;
  return text;
}

function infeasible(p, slo) {
  if (!p.quality.some((q) => q >= 0)) return "<b>Nothing to choose from:</b> no quality was recorded on these queries.";
  const { binding, nearest, alone } = nearestFeasible(p, slo), names = binding.map((name) => LIMIT_NAMES[name]);
  const why = !binding.length || !nearest.length ? "no change of the limits alone would help" : alone ? `giving up the ${names.join(" or the ")} alone would help`
    : `no single limit is to blame: ${names.join(" and ")} must move together`;
  return `<b>Infeasible:</b> no path keeps ${escaped(spell(slo))}${p.allowed.some((a) => !a) ? " with the components that are left" : ""}; ${why}.`;
}

// At most six lines on a point: name, three numbers with their place among all, queries and state, source.
function hoverCard(p, i, ranks, source) {
  const place = (k) => (ranks[k][i] ? ` · ${ordinal(ranks[k][i])} of ${p.n.length}` : "");
  return [`<b>${cut(p.paths[i], 60)}</b>`, `quality ${quality(p.quality[i])} ${span(p.low[i], p.high[i])}${place(0)}`,
    `${usd(p.costs.mean[i])}${place(1)}`, `${latencyWords(p, i)}${place(2)}`,
    `${p.n[i]} of ${p.queries} queries · ${STATE_WORDS[p.state[i]]}`, cut(source, 60)].join("<br>");
}

// 1 for the smallest, equal values alike, 0 where nothing was recorded.
function ranksOf(values) {
  const sorted = Float64Array.from(values.filter((v) => !Number.isNaN(v))).sort(), first = new Map();
  sorted.forEach((v, k) => { if (!first.has(v)) first.set(v, k + 1); });
  return Array.from(values, (v) => first.get(v) ?? 0);
}

function ordinal(rank) {
  const ending = rank % 100 > 10 && rank % 100 < 14 ? "th" : { 1: "st", 2: "nd", 3: "rd" }[rank % 10] ?? "th";
  return rank === 1 ? "best" : `${rank}${ending}`;
}
