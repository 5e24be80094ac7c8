// What a limit moves, painted above the plots: the paths that keep it, the staircase, limits and the veil
// beyond them, the winner's halo, pins, labels, and the marks of policies.

const MOST_LABELS = 8, MOST_UNDER = 5;

function paint(context, layout, scene) {
  const places = placesOf(layout, scene);
  for (const panel of [0, 1]) {
    context.save();
    context.beginPath();
    context.rect(...places.boxes[panel]);
    context.clip();
    paintPanel(context, scene, places, panel);
    paintGroups(context, scene, places, panel);
    context.restore();
  }
}

// Pixels of every path in each panel; kept until the axes or their size change.
function placesOf({ xaxis, xaxis2, yaxis }, { c, p }) {
  const axes = [xaxis, xaxis2], key = JSON.stringify([...axes, yaxis].map((axis) => [axis.range, axis._offset, axis._length]));
  if (c.places?.key !== key) {
    const pixel = (axis, v) => (v > 0 ? axis._offset + axis.d2p(v) : NaN);
    c.places = { key, axes, yaxis, x: axes.map((axis, panel) => c.x[panel].map((v) => pixel(axis, v))),
      y: c.y.map((v) => yaxis._offset + yaxis.d2p(v)), boxes: axes.map((axis) => [axis._offset, yaxis._offset, axis._length, yaxis._length]) };
    c.places.labels = [0, 1].map((panel) => labelsOf(p, c, panel));
  }
  return c.places;
}

// Which paths of the front bear a label, and where: greedy, best quality first, over no other label and few points.
function labelsOf(p, c, panel) {
  const { x, y, boxes } = c.places, [left, top, wide, tall] = boxes[panel], taken = [], found = [];
  const px = x[panel], dots = c.drawn.map((i) => [px[i], y[i]]);
  const front = c.drawn.filter((i) => p.state[i] === "front" && px[i] > left && px[i] < left + wide && c.y[i] === p.quality[i]);
  for (const i of front) {
    const text = short(p.paths[i]).length > 40 ? `${short(p.paths[i]).slice(0, 39)}…` : short(p.paths[i]), w = 6.2 * text.length, h = 13;
    let best = null;
    for (const [x0, y0] of [[px[i] - 9 - w, y[i] - 9 - h], [px[i] + 9, y[i] + 9], [px[i] - 9 - w, y[i] - h / 2], [px[i] + 9, y[i] - 9 - h], [px[i] + 9, y[i] - h / 2], [px[i] - 9 - w, y[i] + 9]]) {
      const box = [x0, y0, x0 + w, y0 + h];
      if (x0 < left || box[2] > left + wide || y0 < top || box[3] > top + tall || taken.some((other) => overlap(box, other))) continue;
      const under = dots.filter(([a, b]) => a > box[0] && a < box[2] && b > box[1] - 4 && b < box[3] + 4).length;
      if (under <= MOST_UNDER && (!best || under < best.under)) best = { box, under };
    }
    if (best) { taken.push(best.box); found.push([i, text, best.box]); }
    if (found.length === MOST_LABELS) break;
  }
  return found;
}

function paintPanel(context, scene, places, panel) {
  const { p, c, slo, decision, marks, hidden, lit, theme } = scene;
  const x = places.x[panel], { y } = places, [left, top, wide, tall] = places.boxes[panel], seen = (i) => x[i] > 0 && Number.isFinite(y[i]);
  const line = (points, colour, width, dash = []) => {
    context.beginPath();
    points.forEach(([a, b], k) => (k ? context.lineTo(a, b) : context.moveTo(a, b)));
    Object.assign(context, { strokeStyle: colour, lineWidth: width });
    context.setLineDash(dash);
    context.stroke();
    context.setLineDash([]);
  };
  const steps = stairs(p, c.x[panel], decision.paths).filter(seen);
  if (steps.length) line([...steps.flatMap((i, k) => (k ? [[x[i], y[steps[k - 1]]], [x[i], y[i]]] : [[x[i], y[i]]])), [left + wide, y[steps.at(-1)]]], theme.pale, 6);
  c.drawn.forEach((i, k) => {
    if (decision.within[i] && hidden[k] !== "0" && seen(i)) dot(context, marks[i], x[i], y[i], SIZES[p.state[i]], p.state[i], scene.groups.length ? 0.3 : 1);
    if (p.n[i] < p.queries && hidden[k] !== "0" && seen(i)) ring(context, x[i], y[i], 9, theme.dim, 1.5, [3, 3]);
  });
  const upright = (i) => { if (seen(i) && c.y[i] === p.quality[i]) line([p.low[i], p.high[i]].map((q) => [x[i], places.yaxis._offset + places.yaxis.d2p(q)]), theme.dim, 1.5); };
  new Set([...(decision.chosen === null ? [] : [decision.chosen]), ...lit.slice(0, 1)]).forEach(upright);
  const limit = panel ? slo.max_latency_s : slo.max_cost_usd === null ? null : 1000 * slo.max_cost_usd, floor = slo.min_quality ?? 0;
  context.fillStyle = theme.veil;
  if (limit !== null) {
    const at = places.axes[panel]._offset + places.axes[panel].d2p(limit);
    context.fillRect(Math.max(at, left), top, left + wide - Math.max(at, left), tall);
    line([[at, top], [at, top + tall]], theme.ink, 1.5, [6, 4]);
  }
  if (floor > 0) {
    const height = c.sunk && floor < c.sunk[1] ? c.sunk[0] : floor, at = places.yaxis._offset + places.yaxis.d2p(height);
    context.fillRect(left, at, wide, top + tall - at);
    line([[left, at], [left + wide, at]], theme.ink, 1.5, [6, 4]);
  }
  paintAbove(context, scene, places, panel, seen, line);
  const pinned = scene.pins.filter(seen).map((i) => ({ at: [x[i], y[i]] }));
  paintLabels(context, scene, places, panel, [...places.spots[panel], ...pinned]);
}

// Names of paths; none where groups stand for paths and have names of their own.
function paintLabels(context, { decision, theme, groups }, places, panel, spots) {
  if (groups.length) return;
  Object.assign(context, { font: "10.5px system-ui, sans-serif", textBaseline: "middle", fillStyle: theme.dim });
  for (const [, text, box] of clearOfMarks(places.labels[panel], decision.within, spots))
    context.fillText(text, box[0], (box[1] + box[3]) / 2);
}

function paintAbove(context, scene, places, panel, seen, line) {
  const { decision, pins, lit, theme } = scene, ghosts = paintGhosts(context, scene, places, panel, line);
  const x = places.x[panel], { y } = places;
  lit.filter(seen).forEach((i) => ring(context, x[i], y[i], lit.length > 1 ? 6 : 9, theme.lit, lit.length > 1 ? 1.5 : 3));
  if (decision.chosen !== null && seen(decision.chosen)) ring(context, x[decision.chosen], y[decision.chosen], 13, theme.halo, 4);
  pins.forEach((i, k) => {
    if (!seen(i)) return;
    context.fillStyle = theme.ink;
    context.fillRect(x[i] - 8, y[i] - 8, 16, 16);
    Object.assign(context, { fillStyle: theme.paper, font: "bold 11px system-ui, sans-serif", textAlign: "center", textBaseline: "middle" });
    context.fillText(String(k + 1), x[i], y[i] + 0.5);
    context.textAlign = "left";
  });
  places.spots ??= [];
  places.spots[panel] = [...paintMarks(context, scene.policies, places, panel, theme, line), ...ghosts];
}

function ring(context, x, y, radius, colour, width, dash = []) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  Object.assign(context, { strokeStyle: colour, lineWidth: width });
  context.setLineDash(dash);
  context.stroke();
  context.setLineDash([]);
}

// One path that keeps the limits: filled; an open ring if it is only perhaps on the front; pale if dominated, or where groups stand for paths.
function dot(context, { symbol, colour }, x, y, size, state, strength) {
  const r = size / 2;
  context.beginPath();
  if (symbol === "square") context.rect(x - r, y - r, size, size);
  else if (symbol === "circle") context.arc(x, y, r, 0, 2 * Math.PI);
  else {
    const tips = symbol === "diamond" ? [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]] : [[0, -1.15], [1, 0.6], [-1, 0.6]];
    tips.forEach(([a, b], k) => context[k ? "lineTo" : "moveTo"](x + a * r, y + b * r));
    context.closePath();
  }
  context.globalAlpha = strength * (state === "dominated" ? 0.45 : 1);
  if (state === "ambiguous") { Object.assign(context, { strokeStyle: colour, lineWidth: 2 }); context.stroke(); } else { context.fillStyle = colour; context.fill(); }
  context.globalAlpha = 1;
}
