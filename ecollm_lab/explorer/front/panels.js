// What fills the tabs and the card: plain functions from numbers to HTML.

function cardHtml(p, slo, decision, i, pins, share, change) {
  if (i === null) return `<p class="ecl-dim">Point at a path, click it, or pick it in the table: its stages, and why it does not win.</p>`;
  const look = p.looks[p.placement[i]], [reason, because] = whyNot(p, slo, decision, i, share);
  const chips = p.parts[i].map((part, k) => `<span class="ecl-chip" title="${escaped(p.stages[k] ?? "path")}">${cut(part, 40)}</span>`).join("");
  const few = p.n[i] < p.queries ? `<br><span class="ecl-warn">◌ ${p.n[i]} of ${p.queries} queries</span>` : "";
  const against = [decision.chosen !== null && i !== decision.chosen ? compared(p, i, decision.chosen, "the winner") : "",
    ...pins.map((pin, k) => (pin === i ? "" : compared(p, i, pin, `pin ${k + 1}`)))].filter(Boolean);
  return `<div><span style="color:${look.colour}">${look.mark}</span> ${escaped(p.placement[i])} · ${STATE_WORDS[p.state[i]]}${few}</div>
    <div class="ecl-chips">${chips}</div>
    <div>quality <b>${quality(p.quality[i])}</b> ${span(p.low[i], p.high[i])}<br>${usd(p.costs.mean[i])}<br>${latencyWords(p, i)}</div>
    <div class="ecl-why"><b>${i === decision.chosen ? "Why this one?" : `Why not this one?</b> ${escaped(reason[0].toUpperCase() + reason.slice(1))}.<b>`}</b> ${cut(because)}</div>
    ${change ? `<button class="ecl-win">Wins with ${escaped(changes(slo, change))}</button>` : ""}
    ${against.map((text) => `<p class="ecl-dim">${cut(text)}</p>`).join("")}`;
}

// A slider's band: hatched where no path is feasible under the other limits, else as high as the quality within reach.
function bandHtml(p, slo, name, place) {
  const values = valuesOf(p, name), rises = reach(p, slo, name);
  const draw = (body, from, to, here, label) => {
    const hatch = Array.from({ length: 25 }, (_, k) => 4 * k).filter((x) => x >= from && x < to - 2).map((x) => `M${x},16l3,-13`).join("");
    return [`<path class="ecl-hatch" d="${hatch}"/><path class="ecl-reach" d="${body}"/>${here === null ? "" : `<path class="ecl-here" d="M${here},0V16"/>`}`, label];
  };
  if (!values.some((v) => v >= 0)) return draw("", 0, 100, null, `${NAMES[name]} not recorded`);
  if (!values.some((v) => v > 0)) return draw("", 0, 100, null, name === "max_cost_usd" ? "every path is free" : `every ${name === "min_quality" ? "quality" : "latency"} is 0`);
  if (!rises.length) return draw("", 0, 100, null, "moving it alone does not help");
  const round = (x) => Math.round(10 * x) / 10, here = round(100 * place(slo[name]));
  if (name === "min_quality") {
    const best = rises[0][0];
    return draw(`M0,16V3H${round(100 * best)}V16Z`, 100 * best, 100, here, `feasible up to ${quality(best)}`);
  }
  const [bottom, top] = extent(finite(p.quality)), tall = (q) => round(14 - 11 * (q - bottom) / Math.max(top - bottom, 1e-9));
  const few = rises.length > 60 ? rises.filter((_, k) => k % Math.ceil(rises.length / 60) === 0) : rises;
  const at = few.map(([v, q]) => [round(100 * place(Math.max(v, 1e-300))), tall(q)]);
  const body = `M${at[0][0]},16V${at[0][1]}${at.slice(1).map(([x, y]) => `H${x}V${y}`).join("")}H100V16Z`;
  const inside = rises.filter(([v]) => slo[name] === null || v <= slo[name]).at(-1), say = name === "max_latency_s" ? seconds : (v) => number(1000 * v);
  return draw(body, 0, at[0][0], here, `from ${say(rises[0][0])}; here ${inside ? `quality up to ${quality(inside[1])}` : "nothing is feasible"}`);
}

// Which path wins kind by kind, and where those winners run; `open`: the kinds beyond the first are shown, too.
const MOST_KINDS = 8;
function mixHtml(p, slo, within, open = false) {
  const shares = new Map(), rows = p.kinds.map(({ name, share, means }) => {
    const part = { ...p, quality: means[0], cost: means[1], latency: means[2] };
    const best = chooseAmong(part, slo, within.filter((i) => keepsSlo(part, slo, i)));
    const place = best === null ? "infeasible" : p.placement[best];
    shares.set(place, (shares.get(place) ?? 0) + share);
    return `<span class="ecl-kind"${best === null ? "" : ` title="${escaped(p.paths[best])}"`}><b>${cut(name, 20)}</b> ${best === null ? "∅ none keeps the limits" : `<span style="color:${p.looks[place].colour}">${p.looks[place].mark}</span> ${cut(short(p.paths[best]), 30)}`}</span>`;
  });
  const bars = [...Object.keys(p.looks), "infeasible"].filter((place) => shares.has(place)).map((place) =>
    {
    const colour = p.looks[place]?.colour ?? "#767676";
    return `<span style="width:${100 * shares.get(place)}%;background:${colour};color:${inkOn(colour)}">${place} ${percent(shares.get(place))}</span>`;
  }).join("");
  return `<div class="ecl-mix" title="share of queries by where the winner of their kind runs">${bars}</div>
    <div class="ecl-kinds">${rows.slice(0, MOST_KINDS).join("")}${rows.length > MOST_KINDS ? `<details ${open ? "open" : ""}><summary>and ${plural(rows.length - MOST_KINDS, "more kind")}</summary><div class="ecl-kinds">${rows.slice(MOST_KINDS).join("")}</div></details>` : ""}</div>`;
}

// Mean quality of a path on each kind of query that it has outcomes on, with the number of queries of that kind, worst first.
function kindsOf(p, i) {
  return p.kinds.map(({ name, share, means }) => ({ name, queries: Math.round(share * p.queries), quality: means[0][i] }))
    .filter((one) => !Number.isNaN(one.quality)).sort((a, b) => a.quality - b.quality);
}

function kindsHtml(p, i) {
  const rows = kindsOf(p, i).map((one) => `<tr><th scope="row">${cut(one.name, 40)}</th><td>${quality(one.quality)}</td><td>${grouped(one.queries)}</td></tr>`).join("");
  const some = p.n[i] < p.queries ? ` It has outcomes on ${grouped(p.n[i])} of the ${plural(p.queries, "query", "queries")}.` : "";
  return rows && `<table class="ecl-grid"><caption>Mean quality of ${cut(p.paths[i], 90)} by kind of query, worst first.${some}</caption>
    <thead><tr><th>kind</th><th>mean quality</th><th>queries of this kind</th></tr></thead><tbody>${rows}</tbody></table>`;
}

// How many of the queries behind a path are listed, and in which order.
function worstWords({ total = 0, rows = [] }) {
  const all = plural(total, "query", "queries");
  return `${rows.length < total ? `the ${grouped(rows.length)} worst of ${all}` : all}, worst regret first`;
}

const PER_PAGE = 4;
// The page that a press leads to, from the one that is shown: a state may name a page that this list does not have.
const turned = (page, turn, last) => Math.min(Math.max(Math.min(page, last) + turn, 0), last);
function queriesHtml(answer, page) {
  if (answer.error) return `<p>${cut(answer.error)}</p>`;
  if (!answer.rows.length) return `<p class="ecl-dim">No outcome of this path was recorded on these queries.</p>`;
  const rows = answer.rows.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((one) => {
    const stages = Object.entries(one.stages).map(([name, s]) => `${escaped(name)} ${seconds(s)}`).join(" · ");
    return `<tr><td>${one.text ? cut(one.text) : `<span class="ecl-dim">text not recorded</span>`}<br><span class="ecl-dim">${cut(one.id, 40)} · ${cut(one.kind, 40)} · ${cut(one.split, 20)}</span></td>
      <td>${one.answer ? `“${cut(one.answer)}”` : `<span class="ecl-dim">answer not recorded</span>`}${one.reference ? `<br><span class="ecl-dim">right: ${cut(one.reference)}</span>` : ""}</td>
      <td>${number(one.quality)}<br>regret ${number(one.regret)}</td><td>${usd(one.cost ?? NaN)}<br>${seconds(one.latency ?? NaN)}<br><span class="ecl-dim">${stages}</span></td></tr>`;
  }).join("");
  return `<table class="ecl-grid ecl-queries"><thead><tr><th>query</th><th>answer and reference</th><th>quality</th><th>cost and latency</th></tr></thead><tbody>${rows}</tbody></table>`;
}

function replayHtml(p, answer, slo) {
  if (answer.error) return `<p><b>No replay:</b> ${cut(answer.error)}</p>`;
  const over = (one) => (limited(slo) ? `<td>${one.over === null ? "not recorded" : percent(one.over)}</td>` : "");
  const rows = answer.rows.map((one) => `<tr><th scope="row">${cut(one.name, 40)}</th><td>${one.recorded === undefined ? one.n : `${one.recorded} recorded of ${one.n}`}</td><td>${Object.entries(one.placement).map(([place, share]) =>
    `<span style="color:${p.looks[place].colour}">${p.looks[place].mark}</span> ${place} ${percent(share)}`).join(" ")}</td><td>${one.path ? `${cut(short(one.path), 60)} (${percent(one.often)})` : ""}</td>
    <td>${quality(one.quality ?? NaN)}</td><td>${usd(one.cost ?? NaN)}</td><td>${seconds(one.latency ?? NaN)}</td>${over(one)}</tr>`).join("");
  return `<p class="ecl-dim">${cut(answer.what)}</p><table class="ecl-grid"><thead><tr><th>kind</th><th>queries</th><th>runs on</th><th>most chosen path</th><th>quality</th>
    <th>cost</th><th>mean latency</th>${limited(slo) ? "<th>over the SLO</th>" : ""}</tr></thead><tbody>${rows}</tbody></table>`;
}

const MOST_KEYS = 12;
function legendHtml(p, colouring) {
  const marks = colouring.slice(0, MOST_KEYS).map(([name, colour, mark]) => `<span><span style="color:${colour}">${mark}</span> ${cut(name, 24)}</span>`).join("");
  const more = colouring.length > MOST_KEYS ? `<span title="${cut(colouring.slice(MOST_KEYS).map(([name]) => name).join(", "), 600)}">and ${colouring.length - MOST_KEYS} more</span>` : "";
  return `${marks}${more}<span>● front</span><span>○ perhaps on it</span><span>• dominated</span><span>◌ partial data</span><span>faint: beyond a limit</span>
    <span><span class="ecl-halo">◯</span> winner</span><span><span class="ecl-lit">◯</span> pointed at</span><span>│ 95 % interval</span>`;
}
