// The table of paths: its columns, the order of its rows, and the same as CSV.

const MOST_ROWS = 400;
const orDash = (value, say) => (Number.isNaN(value) ? "–" : say(value));

// What a column holds for a path: the value that it sorts by and, where that differs, what the cell shows; and its unit,
// where its name does not say it.
const COLUMNS = {
  "runs on": { value: (p, i) => p.placement[i], cell: (p, i) => `<span style="color:${p.looks[p.placement[i]].colour}">${p.looks[p.placement[i]].mark}</span> ${p.placement[i]}` },
  quality: { value: (p, i) => p.quality[i], cell: (p, i) => `${quality(p.quality[i])} ${span(p.low[i], p.high[i])}` },
  "USD per 1,000": { value: (p, i) => 1000 * p.costs.mean[i], cell: (p, i) => orDash(1000 * p.costs.mean[i], number) },
  "p95 USD per 1,000": { value: (p, i) => 1000 * p.costs.p95[i], cell: (p, i) => orDash(1000 * p.costs.p95[i], number) },
  "mean latency": { unit: "s", value: (p, i) => p.latencies.mean[i], cell: (p, i) => orDash(p.latencies.mean[i], seconds) },
  "p95 latency": { unit: "s", value: (p, i) => p.latencies.p95[i], cell: (p, i) => orDash(p.latencies.p95[i], seconds) },
  queries: { value: (p, i) => p.n[i], cell: (p, i) => (p.n[i] < p.queries ? `${p.n[i]} of ${p.queries}` : p.n[i]) },
  state: { value: (p, i) => STATE_WORDS[p.state[i]] },
};

// A column by its name; every stage is one too.
function columnOf(p, name) {
  if (name === "path") return { value: (_, i) => p.paths[i] };
  const stage = p.stages.indexOf(name);
  return COLUMNS[name] ?? { value: (_, i) => p.parts[i][stage] ?? "" };
}

// The paths in the order of a column, those that a search finds and that are selected. With a decision the feasible
// ones come first, the winner on top.
function tableRows(p, { sort, down, search, brushed, decision }) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean), by = columnOf(p, sort).value;
  const rows = Array.from(p.n.keys()).filter((i) => (!brushed || brushed.has(i))
    && words.every((word) => `${p.paths[i]} ${p.placement[i]} ${STATE_WORDS[p.state[i]]}`.toLowerCase().includes(word)));
  const value = (i) => { const v = by(p, i); return Number.isNaN(v) ? (down ? -Infinity : Infinity) : v; };
  const rank = (i) => (decision ? (i === decision.chosen ? 2 : decision.within[i]) : 0);
  return rows.sort((a, b) => { const [x, y] = [value(a), value(b)]; return rank(b) - rank(a) || (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1) || a - b; });
}

function tableHtml(p, order, columns) {
  const rows = tableRows(p, order), shown = columns.map((name) => [name, columnOf(p, name)]);
  const head = ["path", ...columns].map((name) => `<th scope="col" aria-sort="${order.sort === name ? (order.down ? "descending" : "ascending") : "none"}">
    <button class="ecl-sort" data-column="${escaped(name)}">${escaped(name)} ${order.sort === name ? (order.down ? "▾" : "▴") : ""}</button></th>`).join("");
  const body = rows.slice(0, MOST_ROWS).map((i) => `<tr data-path="${i}"><th scope="row"><button class="ecl-pick">${cut(p.paths[i], 90)}</button></th>
    ${shown.map(([name, column]) => `<td${name === "state" ? ` class="ecl-verdict"` : ""}>${column.cell ? column.cell(p, i) : cut(column.value(p, i), 60)}</td>`).join("")}</tr>`).join("");
  const more = rows.length > MOST_ROWS ? ` The first ${MOST_ROWS} are listed; search for others.` : "";
  return [`<table class="ecl-grid ecl-paths"><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`, plural(rows.length, "path"), more];
}

// Checkboxes for the columns that there are.
function columnsHtml(all, columns) {
  return `<details class="ecl-columns"><summary>columns</summary><div class="ecl-row" role="group" aria-label="columns of the table">${all.map((name) =>
    `<label><input type="checkbox" data-shown="${escaped(name)}" ${columns.includes(name) ? "checked" : ""}> ${escaped(name)}</label>`).join("")}</div></details>`;
}

// Rows of numbers and texts below their names as CSV; NaN, which is nothing recorded, is an empty field.
function csvText(names, rows) {
  const safe = (value) => (typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value));  // no formula, as in Python
  const field = (value) => (Number.isNaN(value) ? "" : /[",\r\n]/.test(value) ? `"${safe(value).replace(/"/g, '""')}"` : safe(value));
  return `${[names, ...rows].map((row) => row.map(field).join(",")).join("\n")}\n`;
}

// The rows of the table, all of them, with the full numbers.
function tableCsv(p, order, columns) {
  const found = ["path", ...columns].map((name) => [name, columnOf(p, name)]);
  return csvText(found.map(([name, { unit }]) => (unit ? `${name} (${unit})` : name)), tableRows(p, order).map((i) => found.map(([, column]) => column.value(p, i))));
}

// The paths that keep the limits, best quality first and of equals the cheapest: the same table as `explorer.selection`.
function selectionCsv(p, { chosen, tied, paths }) {
  const flag = (value) => (value ? "True" : "False"), cost = p.costs.mean;
  const columns = { path_id: (i) => p.paths[i], placement: (i) => p.placement[i], quality: (i) => p.quality[i], quality_low: (i) => p.low[i], quality_high: (i) => p.high[i],
    cost_usd: (i) => cost[i], usd_per_1k: (i) => 1000 * cost[i], latency_s: (i) => p.latencies.mean[i], latency_p95_s: (i) => p.latencies.p95[i], n: (i) => p.n[i],
    on_front: (i) => flag(p.state[i] === "front"), state: (i) => p.state[i], chosen: (i) => flag(i === chosen), tied: (i) => flag(tied[i]) };
  const rows = [...paths].sort((a, b) => p.quality[b] - p.quality[a] || recorded(cost[a]) - recorded(cost[b]) || a - b);
  return csvText(Object.keys(columns), rows.map((i) => Object.values(columns).map((value) => value(i))));
}
