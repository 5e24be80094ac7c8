// Where a policy and what it is compared with stand under the SLO. Python replays them; the table of what it
// replayed is looked up here, and nothing is interpolated: an SLO that was not replayed shows the nearest one
// that was, and says so.

const GLYPHS = { star: "★", x: "✕", diamond: "◆", "triangle-down": "▼", "triangle-up": "▲", "triangle-left": "◀", "star-diamond": "✦", circle: "●", square: "■",
  cross: "✚", pentagon: "⬟", hexagon: "⬢", hourglass: "⧗" };

// The entry of a table for an SLO: its own, else the nearest with the same preference, the newest of equals; null if there is none.
function nearestMarks(found, slo) {
  let best = null, size = null;
  for (const [asked, points] of found?.table ?? []) {
    if (asked.prefer !== slo.prefer) continue;
    const far = distance(limitsOf(slo), limitsOf(asked));
    if (size === null || !nearer(size, far)) [best, size] = [{ asked, points, exact: far[0] === 0, what: found.what }, far];
  }
  return best;
}

// What is drawn of an entry: name, words, look, quality, cost and latency of each that has all three, the policy first.
function marksOf(found, looks, statistic) {
  return Object.entries(found?.points ?? {}).filter(([name, one]) => looks[name] && [one.quality, one.cost[statistic], one.latency[statistic]].every((v) => v !== null))
    .map(([name, one]) => ({ name, ...looks[name], glyph: GLYPHS[looks[name].symbol] ?? "●", quality: one.quality, cost: one.cost[statistic], latency: one.latency[statistic], over: one.over, path: one.path, recorded: one.recorded }));
}

// Whether a mark does not keep the limits that are set: the policy misses them, or was replayed under others.
const outside = (mark, slo) => mark.latency > (slo.max_latency_s ?? Infinity) || mark.cost > (slo.max_cost_usd ?? Infinity) || mark.quality < (slo.min_quality ?? 0);

const limited = (slo) => slo.max_latency_s !== null || slo.max_cost_usd !== null;

// All numbers of a mark, for who points at it; lines as a list.
function markCard(mark, found, statistic) {
  const which = statistic === "p95" ? "p95 " : "";
  const single = mark.path && mark.how ? [`every query takes ${mark.path}:`, mark.how] : [];
  return [mark.words, ...single, `quality ${quality(mark.quality)} on ${mark.recorded === undefined ? "" : `${mark.recorded} recorded of `}${found.what}`, `${which}${usd(mark.cost)}`, `${which || "mean "}latency ${seconds(mark.latency)}`,
    ...(limited(found.asked) ? [`${percent(mark.over)} of these queries over the SLO`] : []), `under ${spell(found.asked)}`];
}

// The legend of the marks: who has which mark, with what quality, on which queries, under which SLO.
function marksHtml(found, marks, slo, statistic, problem) {
  if (problem) return `<span class="ecl-warn">${cut(problem)}</span>`;
  if (!found) return `<span>Policy: asking the kernel …</span>`;
  if (!marks.length) return `<span>Policy: no mark, as quality, cost or latency was not recorded for ${escaped(found.what)}.</span>`;
  const names = marks.map((mark) => `<span class="ecl-mark" data-mark="${escaped(mark.name)}" title="${escaped(markCard(mark, found, statistic).join("\n"))}"><span style="color:${mark.colour}">${mark.glyph}</span> ${escaped(mark.words)} ${quality(mark.quality)}${mark.name === "best_single" && mark.path ? ` (${cut(mark.path, 90)})` : ""}${outside(mark, slo) ? ` <span class="ecl-warn">beyond a limit</span>` : ""}</span>`);
  const where = found.exact ? "" : ` <span class="ecl-warn">at ${escaped(changes(slo, found.asked))}, the nearest SLO that was replayed</span>`;
  return `${names.join("")}<span>quality on ${escaped(found.what)}${where}</span>`;
}

// One question at a time: while it is open, only the newest SLO waits, so that a drag leaves no backlog.
function asker(ask, now = () => Date.now()) {
  let open = null, since = 0;
  return (key, settled) => {
    if (open !== null && settled(open)) open = null;
    if (settled(key) || open === key || (open !== null && now() - since < 5000)) return;
    [open, since] = [key, now()];
    ask(key);
  };
}

// --- on the canvas above the plots

const TURNED = (n, from, radii) => Array.from({ length: n }, (_, k) => {
  const r = radii[k % radii.length], turn = 2 * Math.PI * (k / n + from);
  return [r * Math.cos(turn), r * Math.sin(turn)];
});
const OUTLINES = { star: TURNED(10, -0.25, [1.15, 0.5]), "star-diamond": TURNED(8, -0.25, [1.2, 0.5]), diamond: TURNED(4, 0, [1.15]), square: TURNED(4, 0.125, [1.2]),
  "triangle-down": TURNED(3, 0.25, [1.15]), "triangle-up": TURNED(3, -0.25, [1.15]), "triangle-left": TURNED(3, 0.5, [1.15]), pentagon: TURNED(5, -0.25, [1.1]), hexagon: TURNED(6, 0, [1.1]),
  circle: TURNED(24, 0, [1]), hourglass: [[-1, -1], [1, -1], [-1, 1], [1, 1]], x: [[-1, -0.55], [-0.55, -1], [0, -0.45], [0.55, -1], [1, -0.55], [0.45, 0], [1, 0.55], [0.55, 1], [0, 0.45], [-0.55, 1], [-1, 0.55], [-0.45, 0]],
  cross: [[-0.35, -1], [0.35, -1], [0.35, -0.35], [1, -0.35], [1, 0.35], [0.35, 0.35], [0.35, 1], [-0.35, 1], [-0.35, 0.35], [-1, 0.35], [-1, -0.35], [-0.35, -0.35]] };

// Pixels of a point in a panel, kept inside its box; `out` is an arrow towards where it would lie.
function pinned([x, y], [left, top, wide, tall], margin = 9) {
  const at = [Math.min(Math.max(x, left + margin), left + wide - margin), Math.min(Math.max(y, top + margin), top + tall - margin)];
  return { at, out: at[1] > y + 1 ? "↑" : at[1] < y - 1 ? "↓" : at[0] > x + 1 ? "←" : at[0] < x - 1 ? "→" : "" };
}

// Where the names of marks stand: beside, above or below each, over no other name and no mark; null where there is no room.
function placeNames(marks, [left, top, wide, tall]) {
  const taken = marks.map(({ at: [x, y] }) => [x - 9, y - 9, x + 9, y + 9]);
  return marks.map(({ at: [x, y], text }) => {
    const w = 6 * text.length, right = x + 12, before = x - 12 - w, middle = x - w / 2;
    const boxes = [[right, y], [before, y], [middle, y - 16], [middle, y + 16], [right, y - 14], [right, y + 14], [before, y - 14], [before, y + 14]].map(([a, b]) => [a, b - 7, a + w, b + 7]);
    const label = boxes.find((box) => box[0] >= left && box[2] <= left + wide && box[1] >= top && box[3] <= top + tall && !taken.some((other) => overlap(box, other)));
    if (label) taken.push(label);
    return label ?? null;
  });
}

// Returns where the marks were drawn and what is said of each, for who points at it.
function paintMarks(context, { marks, trail, pointed, found: entry, statistic, slo }, places, panel, theme, line) {
  const box = places.boxes[panel], axis = places.axes[panel], { yaxis } = places;
  const pixel = (one) => [axis._offset + axis.d2p(Math.max(panel ? one.latency : 1000 * one.cost, 1e-300)), yaxis._offset + yaxis.d2p(one.quality)];
  const steps = trail.map((one) => pinned(pixel(one), box).at);
  if (steps.length > 1) line(steps, marks[0]?.colour ?? theme.ink, 1.5, [2, 3]);
  steps.slice(0, -1).forEach(([x, y], k) => { context.globalAlpha = 0.25 + 0.6 * k / steps.length; outline(context, "circle", x, y, 2.5, marks[0]?.colour ?? theme.ink, theme.paper); });
  context.globalAlpha = 1;
  const found = marks.map((mark) => ({ mark, ...pinned(pixel(mark), box) }));
  for (const { mark, at: [x, y] } of [...found].reverse()) {
    if (mark.name === pointed) ring(context, x, y, 13, theme.lit, 3);
    context.globalAlpha = outside(mark, slo) ? 0.45 : 1;
    outline(context, mark.symbol, x, y, 8, mark.colour, theme.paper);
    context.globalAlpha = 1;
  }
  Object.assign(context, { font: "11px system-ui, sans-serif", textBaseline: "middle", lineWidth: 3, lineJoin: "round" });
  const named = found.map(({ mark, at, out }) => ({ at, text: `${mark.words}${out ? ` ${out} ${quality(mark.quality)}` : ""}${outside(mark, slo) ? " (beyond a limit)" : ""}` })), labels = placeNames(named, box);
  named.forEach(({ text }, k) => {
    if (!labels[k]) return;
    const [a, b] = labels[k];
    context.strokeStyle = theme.paper;
    context.strokeText(text, a, b + 7);
    context.fillStyle = theme.ink;
    context.fillText(text, a, b + 7);
  });
  return found.map(({ mark, at }, k) => ({ name: mark.name, at, label: labels[k], card: () => markCard(mark, entry, statistic) }));
}

function outline(context, symbol, x, y, radius, colour, paper) {
  context.beginPath();
  (OUTLINES[symbol] ?? OUTLINES.circle).forEach(([a, b], k) => context[k ? "lineTo" : "moveTo"](x + a * radius, y + b * radius));
  context.closePath();
  Object.assign(context, { strokeStyle: paper, lineWidth: 3, lineJoin: "round", fillStyle: colour });
  context.stroke();
  context.fill();
}

// Of the labels of paths, those of paths that keep the limits, and none over a mark or its words.
function clearOfMarks(labels, within, spots) {
  const taken = spots.flatMap(({ at: [x, y], label }) => [[x - 9, y - 9, x + 9, y + 9], ...(label ? [label] : [])]);
  return labels.filter(([i, , box]) => within[i] && !taken.some((other) => overlap(box, other)));
}

function overlap(a, b) {
  return a[0] < b[2] && a[2] > b[0] && a[1] < b[3] && a[3] > b[1];
}
