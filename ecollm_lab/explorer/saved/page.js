"use strict";
// The same rules as ecollm_lab.explorer.verdicts and ecollm_lab.policies.choosing, over the tables in DATA; nothing is fetched.
const D = DATA, plot = document.getElementById("plot"), $ = (id) => document.getElementById(id);
const TOLERANCE = D.tolerance, STEPS = +$("latency").max;
let selected = null;

const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const seconds = (v) => v === null ? "latency not recorded" : v < 1 ? `${+(1000 * v).toPrecision(3)} ms` : `${+v.toPrecision(3)} s`;
const usd = (v) => v === null ? "cost not recorded" : `${+(1000 * v).toPrecision(3)} USD/1k`;
const bounds = (name) => D.bounds[name].map(Math.log);
const toValue = (name, at) => { const [low, high] = bounds(name); return at >= STEPS ? null : Math.exp(low + (high - low) * at / STEPS); };
const toPlace = (name, v) => { const [low, high] = bounds(name); return v === null ? STEPS : Math.min(STEPS, STEPS * (Math.log(v) - low) / (high - low)); };

const now = { ...D.start };

function within(i) {
  return D.able[i] && D.quality[i] !== null && D.quality[i] >= now.min_quality
    && (now.latency === null || (D.latency[i] !== null && D.latency[i] <= now.latency))
    && (now.cost === null || (D.cost[i] !== null && 1000 * D.cost[i] <= now.cost));
}

function choose(feasible) {
  if (!feasible.length) return null;
  const best = Math.max(...feasible.map((i) => D.quality[i]));
  const floor = now.prefer === "quality" ? best : now.min_quality > 0 ? Math.min(best, now.min_quality) : best - TOLERANCE;
  const big = Number.MAX_VALUE, cost = (i) => D.cost[i] ?? big, latency = (i) => D.latency[i] ?? big;
  const [first, second] = now.prefer === "latency" ? [latency, cost] : [cost, latency];
  return feasible.filter((i) => D.quality[i] >= floor - 1e-12)
    .reduce((a, b) => first(b) < first(a) || (first(b) === first(a) && second(b) < second(a)) ? b : a);
}

function whyNot(i, chosen) {
  if (i === chosen) return D.wins[now.prefer];
  if (D.quality[i] === null || D.n[i] === 0) return "Never evaluated on these queries.";
  if (now.latency !== null && D.latency[i] === null) return "Its latency was not recorded, so no limit on it can be shown to hold.";
  if (now.cost !== null && D.cost[i] === null) return "Its cost was not recorded, so no limit on it can be shown to hold.";
  if (now.latency !== null && D.latency[i] > now.latency) return `Breaks latency: ${seconds(D.latency[i] - now.latency)} over the limit.`;
  if (now.cost !== null && 1000 * D.cost[i] > now.cost) return `Breaks cost: ${usd(D.cost[i] - now.cost / 1000)} over the limit.`;
  if (D.quality[i] < now.min_quality) return `Quality ${(now.min_quality - D.quality[i]).toFixed(3)} below the floor.`;
  if (!D.able[i]) return "Too few queries to win against paths that have more.";
  if (D.state[i] === "dominated") return `Dominated by ${escaped(D.paths[D.dominator[i]])}: no worse in all three, better in one.`;
  const gap = (D.quality[i] - D.quality[chosen]).toFixed(3);
  const overlap = D.low[i] <= D.high[chosen] && D.low[chosen] <= D.high[i];
  return `Quality ${gap} against the winner's${overlap ? "; their intervals overlap" : ""}; ${now.prefer} is preferred.`;
}

function offers() {
  const known = D.paths.map((_, i) => i).filter((i) => D.able[i] && D.quality[i] !== null), list = [];
  const keeps = (i, without) => (without === "floor" || D.quality[i] >= now.min_quality)
    && (without === "latency" || now.latency === null || (D.latency[i] !== null && D.latency[i] <= now.latency))
    && (without === "cost" || now.cost === null || (D.cost[i] !== null && 1000 * D.cost[i] <= now.cost));
  const least = (values) => Math.min(...values.filter((v) => v !== null));
  const fast = least(known.filter((i) => keeps(i, "latency")).map((i) => D.latency[i]));
  const cheap = least(known.filter((i) => keeps(i, "cost")).map((i) => D.cost[i]));
  const good = Math.max(...known.filter((i) => keeps(i, "floor")).map((i) => D.quality[i]));
  if (isFinite(fast)) list.push([`latency limit ${seconds(fast)}`, () => { now.latency = fast; }]);
  if (isFinite(cheap)) list.push([`cost limit ${usd(cheap)}`, () => { now.cost = 1000 * cheap; }]);
  if (isFinite(good)) list.push([`quality floor ${good.toFixed(3)}`, () => { now.min_quality = good; }]);
  return list.slice(0, 2);
}

function stairs(x, feasible) {
  const rows = feasible.filter((i) => x[i] !== null).sort((a, b) => x[a] - x[b] || D.quality[b] - D.quality[a]);
  let best = -1;
  return rows.filter((i) => D.quality[i] > best && (best = D.quality[i], true));
}

function update() {
  const feasible = D.paths.map((_, i) => i).filter(within), kept = new Set(feasible), chosen = choose(feasible);
  const sentence = chosen === null
    ? `<b>Infeasible:</b> no path keeps these limits.`
    : `<b class="ecl-path">${escaped(D.paths[chosen])}</b> wins: quality ${D.quality[chosen].toFixed(3)} [${D.low[chosen].toFixed(3)}, `
      + `${D.high[chosen].toFixed(3)}], ${usd(D.meanCost[chosen])}, p95 latency ${seconds(D.p95[chosen])}; `
      + `${feasible.length} of ${D.paths.length} paths keep the limits on ${D.statistic === "mean" ? "means" : "95th percentiles"}.`;
  $("sentence").innerHTML = sentence;
  $("sentence").dataset.chosen = chosen === null ? "" : D.paths[chosen];
  $("offers").replaceChildren(...(chosen === null ? offers() : []).map(([text, act]) => {
    const button = document.createElement("button");
    button.textContent = `→ ${text}`;
    button.onclick = () => { act(); show(); };
    return button;
  }));
  const data = D.figure.data, y = D.y, layout = {};
  const drawn = (panel, i) => i !== null && D.x[panel][i] !== null && y[i] !== null;
  for (const panel of [0, 1]) {
    const at = (kind) => data[D.names[`${kind}|${panel}`]];
    for (const place of D.places) at(`within ${place}`).y = D.drawn[place].map((i) => kept.has(i) ? y[i] : null);
    at("labels").y = D.labels[panel].map((i) => kept.has(i) ? y[i] : null);
    const steps = stairs(D.x[panel], feasible);
    at("stairs").x = steps.length ? [...steps.map((i) => D.x[panel][i]), D.span[panel][1]] : [];
    at("stairs").y = steps.length ? [...steps.map((i) => y[i]), y[steps.at(-1)]] : [];
    at("bars").x = []; at("bars").y = [];
    for (const [kind, i] of [["chosen", chosen], ["lit", selected]]) {
      at(kind).x = drawn(panel, i) ? [D.x[panel][i]] : [];
      at(kind).y = drawn(panel, i) ? [y[i]] : [];
      if (!drawn(panel, i) || y[i] !== D.quality[i]) continue;  // in the strip at the foot: not to scale
      at("bars").x.push(D.x[panel][i], D.x[panel][i], null);
      at("bars").y.push(D.low[i], D.high[i], null);
    }
    const limit = panel === 0 ? now.cost : now.latency, line = D.figure.layout.shapes[2 * panel], veil = D.figure.layout.shapes[2 * panel + 1];
    line.visible = veil.visible = limit !== null;
    if (limit !== null) line.x0 = line.x1 = veil.x0 = Math.min(Math.max(limit, D.span[panel][0]), D.span[panel][1] * 1.001);
    const floor = D.figure.layout.shapes[4 + 2 * panel], under = D.figure.layout.shapes[5 + 2 * panel];
    floor.visible = under.visible = now.min_quality > 0;
    floor.y0 = floor.y1 = under.y1 = Math.max(now.min_quality, D.heights[0]);
  }
  Plotly.react(plot, data, D.figure.layout, { displaylogo: false, showSendToCloud: false, responsive: true });
  const i = selected ?? chosen;
  $("card").innerHTML = i === null ? "" : `<div class="ecl-chips">${D.paths[i].split("/").map((c) => `<span class="ecl-chip">${escaped(c)}</span>`).join("")}</div>`
    + `quality <b>${D.quality[i]?.toFixed(3)}</b> [${D.low[i]?.toFixed(3)}, ${D.high[i]?.toFixed(3)}]<br>${usd(D.meanCost[i])}<br>p95 ${seconds(D.p95[i])}`
    + `<br>${D.n[i]} of ${D.nQueries} queries · ${D.state[i]} · ${escaped(D.placement[i])}<div class="ecl-why"><b>Why${i === chosen ? "" : " not"}?</b> ${whyNot(i, chosen)}</div>`;
}

function show() {
  for (const name of ["latency", "cost"]) {
    $(name).value = toPlace(name, now[name]);
    $(`${name}-typed`).value = now[name] === null ? "" : +now[name].toPrecision(4);
  }
  $("floor").value = $("floor-typed").value = now.min_quality;
  $("prefer").value = now.prefer;
  update();
}

for (const name of ["latency", "cost"]) {
  $(name).oninput = () => { now[name] = toValue(name, +$(name).value); $(`${name}-typed`).value = now[name] === null ? "" : +now[name].toPrecision(4); update(); };
  $(`${name}-typed`).onchange = () => { const v = +$(`${name}-typed`).value; now[name] = v > 0 ? v : null; $(name).value = toPlace(name, now[name]); update(); };
}
$("floor").oninput = () => { now.min_quality = +$("floor").value; $("floor-typed").value = now.min_quality; update(); };
$("floor-typed").onchange = () => { now.min_quality = Math.min(Math.max(+$("floor-typed").value, 0), 1); $("floor").value = now.min_quality; update(); };
$("prefer").onchange = () => { now.prefer = $("prefer").value; update(); };
$("table").onchange = () => { selected = +$("table").value; update(); };
for (const pair of location.hash.slice(1).split("&").filter(Boolean)) {  // #latency=0.05&cost=0.2&min_quality=0.5&prefer=cost
  const [name, value] = pair.split("=");
  if (name === "prefer") now.prefer = Object.hasOwn(D.wins, value) ? value : now.prefer; else if (name in now) now[name] = value === "none" ? null : +value;
}
show();
plot.on("plotly_click", (event) => {
  const id = event.points[0].customdata, i = D.paths.indexOf(id);
  if (i >= 0) { selected = i; $("table").value = String(i); update(); }
});
