// The ground of the picture: quality against cost, and its twin against latency. `canvasOf` says where
// everything lies; Plotly draws what no limit moves (axes, outlines of all paths, intervals of the front);
// `paint` in overlay.js draws the rest above it, many times a second.

const MOST_POINTS = 800;
const PANELS = [[0, 0.54], [0.6, 1]];
const AXES = ["xaxis", "xaxis2", "yaxis"];
const SIZES = { front: 11, ambiguous: 8, dominated: 6, unknown: 6 };
const extent = (values) => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
const finite = (values) => Array.from(values).filter(Number.isFinite);

function canvasOf(p) {
  const all = Array.from(p.n.keys()), known = all.filter((i) => !Number.isNaN(p.quality[i]));
  known.sort((a, b) => p.quality[b] - p.quality[a]);
  let drawn = known;
  if (known.length > MOST_POINTS) {
    const urgency = { front: 0, ambiguous: 1, dominated: 2, unknown: 3 };
    const nearest = [...known].sort((a, b) => urgency[p.state[a]] - urgency[p.state[b]]).slice(0, MOST_POINTS);
    const near = new Set(nearest);
    drawn = known.filter((i) => near.has(i));
  }
  const x = [Array.from(p.cost, (v) => 1000 * v), Array.from(p.latency)], spans = [];
  let free = null;
  for (const panel of [0, 1]) {
    const ghosts = p.other ? ghostsOf(p.other).map((k) => (panel ? p.other.latency[k] : 1000 * p.other.cost[k])) : [];
    const some = [...known.map((i) => x[panel][i]), ...ghosts].filter((v) => v > 0 && Number.isFinite(v));
    let [low, high] = some.length ? extent(some) : [0.1, 10];
    const pad = Math.max((high / low) ** 0.06, 1.15);
    [low, high] = [low / pad, high * pad];
    if (panel === 0 && known.some((i) => x[0][i] === 0)) {
      const strip = Math.max((high / low) ** 0.08, 1.5);
      free = [low / strip, low];
      x[0] = x[0].map((v) => (v === 0 ? low / strip ** 0.5 : v));
      low /= strip;
    }
    spans.push([low, high]);
  }
  const c = { drawn, x, spans, free, ...withGhosts(p, heightsOf(p, known)), many: known.length > MOST_POINTS, known };
  const ranks = [p.quality.map((q) => -q), p.costs.mean, p.latencies.mean].map(ranksOf);
  c.cards = drawn.map((i) => hoverCard(p, i, ranks, p.source));
  return c;
}

// The same heights with room for the front of the other side of a comparison.
function withGhosts(p, found) {
  const [low, high] = extent(p.other ? ghostsOf(p.other).map((k) => p.other.quality[k]) : []), pad = 0.06 * (found.heights[1] - found.heights[0]);
  return { ...found, heights: [found.sunk ? found.heights[0] : Math.min(found.heights[0], low - pad), Math.max(found.heights[1], high + pad)] };
}

// Quality as drawn. A few paths far below all others (a tenth at most, under a gap of more than 40 %
// of the whole range) stand in a strip at the foot, so that the others are not pressed together.
function heightsOf(p, known) {
  const sorted = known.map((i) => p.quality[i]).reverse(), y = Array.from(p.quality);
  let low = sorted[0] ?? 0;
  const front = known.filter((i) => p.state[i] === "front");
  const high = Math.max(sorted.at(-1) ?? 1, ...front.map((i) => p.high[i]).filter(Number.isFinite));
  const few = sorted.length > 10 ? Math.max(Math.floor(sorted.length / 10), 1) : 0;
  let gap = 0, at = -1;
  for (let k = 0; k < few; k++) if (sorted[k + 1] - sorted[k] > gap) [gap, at] = [sorted[k + 1] - sorted[k], k];
  if (gap > 0.4 * (high - low)) {
    low = sorted[at + 1];
    const room = Math.max(0.12 * (high - low), 0.01);
    const bottom = Math.min(low, ...front.filter((i) => y[i] >= low).map((i) => p.low[i]).filter(Number.isFinite)) - room / 3;
    return { y: y.map((q) => (q < low ? bottom - room / 2 : q)), sunk: [bottom - room, bottom], heights: [bottom - room, high + room / 2] };
  }
  const pad = Math.max(0.08 * (high - low), 0.02);
  return { y, sunk: null, heights: [low - pad, high + pad] };
}

// The paths of a list that none beats in both quality and x, by rising x.
function stairs(p, x, paths) {
  const rows = paths.filter((i) => x[i] > 0).sort((a, b) => x[a] - x[b] || p.quality[b] - p.quality[a]);
  let best = -1;
  return rows.filter((i) => p.quality[i] > best && ((best = p.quality[i]), true));
}

function density(c, panel) {
  if (!c.many) return { x: [], y: [], z: [] };
  const [low, high] = c.spans[panel].map(Math.log10), [foot, top] = c.heights, wide = 48, tall = 40;
  const counts = Array.from({ length: tall }, () => new Array(wide).fill(0));
  for (const i of c.known) {
    const x = c.x[panel][i];
    if (!(x > 0)) continue;
    const a = Math.min(Math.floor((Math.log10(x) - low) / (high - low) * wide), wide - 1);
    counts[Math.min(Math.floor((c.y[i] - foot) / (top - foot) * tall), tall - 1)][Math.max(a, 0)]++;
  }
  return { x: Array.from({ length: wide }, (_, k) => 10 ** (low + (k + 0.5) * (high - low) / wide)),
    y: Array.from({ length: tall }, (_, k) => foot + (k + 0.5) * (top - foot) / tall),
    z: counts.map((row) => row.map((n) => (n ? Math.log10(n) : null))) };
}

// What no limit moves, for Plotly. `outlines` are the heights of the outlines, null where one is hidden.
function figureOf(p, c, looks, theme, outlines) {
  const data = [], quiet = { hoverinfo: "skip" }, marks = c.drawn.map(looks);
  const front = c.drawn.filter((i) => p.state[i] === "front"), scaled = (i) => c.y[i] === p.quality[i];
  for (const panel of [0, 1]) {
    const axis = panel ? { xaxis: "x2" } : {}, x = (paths) => paths.map((i) => c.x[panel][i]);
    data.push(
      { ...quiet, ...axis, name: "density", type: "heatmap", ...density(c, panel), showscale: false, colorscale: [[0, theme.thin], [1, theme.thick]] },
      { ...quiet, ...axis, name: "intervals", type: "scatter", mode: "markers", marker: { size: 0.1, opacity: 0 }, x: x(front), y: front.map((i) => c.y[i]),
        error_y: { type: "data", thickness: 1, width: 0, color: theme.faint, array: front.map((i) => (scaled(i) ? p.high[i] - p.quality[i] : 0)),
          arrayminus: front.map((i) => (scaled(i) ? p.quality[i] - p.low[i] : 0)) } },
      { ...axis, name: "cloud", type: "scatter", mode: "markers", x: x(c.drawn), y: outlines, text: c.cards, customdata: c.drawn, hovertemplate: "%{text}<extra></extra>",
        selected: { marker: { opacity: 0.75 } }, unselected: { marker: { opacity: 0.75 } },
        marker: { symbol: marks.map((m) => `${m.symbol}-open`), size: c.drawn.map((i) => SIZES[p.state[i]]), color: marks.map((m) => m.colour), opacity: 0.75, line: { width: 1 } } });
  }
  return { data, layout: layoutOf(p, c, theme) };
}

function layoutOf(p, c, theme) {
  const shapes = [], axes = {}, strip = { type: "rect", fillcolor: theme.grid, line: { width: 0 }, layer: "below" };
  for (const panel of [0, 1]) {
    const [low, high] = c.spans[panel], name = panel ? "2" : "";
    const title = panel ? `← faster · latency (${STATISTIC_WORDS[p.statistic]}, log)` : `← cheaper · USD per 1,000 queries (${STATISTIC_WORDS[p.statistic]}, log)`;
    axes[`xaxis${name}`] = { type: "log", domain: PANELS[panel], range: [Math.log10(low), Math.log10(high)], gridcolor: theme.grid, zeroline: false,
      title: { text: title, standoff: 4, font: { size: 12 } }, tickfont: { size: 11 } };
    if (c.sunk) shapes.push({ ...strip, xref: `x${name} domain`, yref: "y", x0: 0, x1: 1, y0: c.sunk[0], y1: c.sunk[1] });
  }
  if (c.free) shapes.push({ ...strip, xref: "x", yref: "y domain", x0: c.free[0], x1: c.free[1], y0: 0, y1: 1 });
  const yaxis = { range: c.heights, gridcolor: theme.grid, zeroline: false, tickfont: { size: 11 },
    title: { text: "quality (0 to 1) · better →", standoff: 6, font: { size: 12 } } };
  return { ...axes, yaxis, shapes, annotations: notesOf(p, c, theme), height: 372, margin: { l: 52, r: 8, t: 8, b: 66 }, uirevision: "keep",
    showlegend: false, hovermode: "closest", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { size: 12, color: theme.ink },
    dragmode: "zoom", autosize: true, modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.dim, activecolor: theme.ink, remove: ["zoomIn2d", "zoomOut2d", "toImage"] },
    hoverlabel: { align: "left", bgcolor: theme.paper, bordercolor: theme.dim, font: { color: theme.ink, size: 12 } } };
}

// Labels along the axes for the part of each that is shown, by axis; none in the strips of what is free or far below.
function ticksOf(c, axes) {
  const [cost, latency, height] = AXES.map((axis) => axes[axis].range);
  return { xaxis: logTicks(Math.max(10 ** cost[0], c.free ? c.free[1] : 0), 10 ** cost[1], 0), xaxis2: logTicks(10 ** latency[0], 10 ** latency[1], 1),
    yaxis: { tickvals: linearTicks(Math.max(height[0], c.sunk ? c.sunk[1] : -Infinity), height[1]) } };
}

// Round values along a log axis, at least three where the range has them, with the unit people say.
function logTicks(low, high, panel) {
  let found = [];
  for (const digits of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]]) {
    found = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++)
      for (const d of digits) { const v = Number(`${d}e${e}`); if (v >= low && v <= high) found.push(v); }
    if (found.length >= 4) break;
  }
  if (found.length < 2) found = linearTicks(low, high);
  return { tickvals: found, ticktext: found.map((v) => (panel ? seconds(v) : number(v))) };
}

function linearTicks(low, high) {
  const power = 10 ** Math.floor(Math.log10((high - low) / 8)), step = [power, 2 * power, 5 * power, 10 * power].find((s) => (high - low) / s <= 8), found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(Number((k * step).toPrecision(9)));
  return found;
}

function notesOf(p, c, theme) {
  const base = { xref: "paper", yref: "paper", showarrow: false, font: { size: 10, color: theme.dim } };
  const lost = [["cost", p.cost], ["latency", p.latency]].map(([name, v]) => [name, v.filter(Number.isNaN).length]).filter(([, n]) => n);
  const lines = [`Source: ${cut(p.source, 240)}`];
  if (lost.length) lines.push(`Not drawn: ${lost.map(([name, n]) => `${plural(n, "path")} without ${name}`).join(", ")} (see the table).`);
  if (c.many) lines.push(`${grouped(c.known.length)} paths: grey shows how many lie where; points are the ${c.drawn.length} nearest the front.`);
  const notes = [{ ...base, text: lines.join("<br>"), x: 0, y: 0, xanchor: "left", yanchor: "top", yshift: -40, align: "left" }];
  if (c.free) notes.push({ ...base, text: "free", xref: "x", x: Math.log10(c.free[0] * c.free[1]) / 2, y: 1, yanchor: "top", xanchor: "center" });
  if (c.sunk) {
    const far = c.known.filter((i) => c.y[i] !== p.quality[i]).map((i) => p.quality[i]), [low, high] = extent(far);
    notes.push({ ...base, text: `${plural(far.length, "path")} far below: quality ${low.toFixed(2)} to ${high.toFixed(2)}, not to scale`, yref: "y",
      x: PANELS[0][1] - 0.01, y: c.sunk[1], xanchor: "right", yanchor: "bottom" });
  }
  return notes;
}
