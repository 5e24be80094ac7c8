// Paths grouped by what gives them their colour, a stage or where they run: one mark for each component, at the mean
// quality of its feasible paths, with the 95 % interval of that mean, and at the median of their cost and latency.

const GROUP_RADIUS = 8;

// One entry per component that has feasible paths; `keyOf` names the component of a path, `hue` its colour.
function groupsOf(p, c, decision, keyOf, hue) {
  const members = new Map();
  for (const i of decision.paths) {
    const key = keyOf(i);
    if (!members.has(key)) members.set(key, []);
    members.get(key).push(i);
  }
  return [...members].map(([name, paths]) => ({ name, paths, colour: hue(paths[0]), ...meanOver(p, paths), x: c.x.map((values) => middle(paths.map((i) => values[i]))) }));
}

function middle(values) {
  const sorted = values.filter((v) => v > 0).sort((a, b) => a - b), half = sorted.length / 2;
  return sorted.length ? (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2 : NaN;
}

// Where a group's mark stands in a panel, in pixels; a mean below the scale stands in the strip at the foot.
function groupPlace(places, c, group, panel) {
  const axis = places.axes[panel], height = (q) => places.yaxis._offset + places.yaxis.d2p(c.sunk && q < c.sunk[1] ? (c.sunk[0] + c.sunk[1]) / 2 : q);
  return { x: axis._offset + axis.d2p(group.x[panel]), y: height(group.mean), low: height(group.low), high: height(group.high) };
}

function paintGroups(context, { c, groups, theme }, places, panel) {
  for (const group of groups) {
    if (!(group.x[panel] > 0)) continue;
    const { x, y, low, high } = groupPlace(places, c, group, panel);
    Object.assign(context, { strokeStyle: theme.ink, lineWidth: 2 });
    context.beginPath();
    for (const [a, b, to, at] of [[x, low, x, high], [x - 5, low, x + 5, low], [x - 5, high, x + 5, high]]) { context.moveTo(a, b); context.lineTo(to, at); }
    context.stroke();
    context.beginPath();
    context.arc(x, y, GROUP_RADIUS, 0, 2 * Math.PI);
    Object.assign(context, { fillStyle: group.colour, strokeStyle: theme.paper, lineWidth: 1.5 });
    context.fill();
    context.stroke();
  }
  Object.assign(context, { font: "bold 11px system-ui, sans-serif", textBaseline: "middle", textAlign: "left" });
  for (const [text, x, y] of groupLabels(context, { c, groups }, places, panel)) {
    Object.assign(context, { strokeStyle: theme.paper, lineWidth: 3, fillStyle: theme.ink });
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}

// A label right or left of each mark, moved down until it stands over no other and over no name of a policy's mark.
function groupLabels(context, { c, groups }, places, panel) {
  const [left, , wide] = places.boxes[panel], found = [];
  const taken = (places.spots?.[panel] ?? []).flatMap(({ label }) => (label ? [[label[0], label[1] + 7, label[2] - label[0]]] : []));
  for (const group of groups.filter((one) => one.x[panel] > 0)) {
    const { x, y } = groupPlace(places, c, group, panel), text = group.name.length > 24 ? `${group.name.slice(0, 23)}…` : group.name;
    const w = context.measureText(text).width, a = x + 12 + w < left + wide ? x + 12 : x - 12 - w;
    let at = y;
    while (taken.some(([b, top, width]) => a < b + width && b < a + w && Math.abs(top - at) < 13)) at += 13;
    taken.push([a, at, w]);
    found.push([text, a, at]);
  }
  return found;
}

// The group whose mark is under a point of the plot, null if none is.
function groupUnder(scene, x, y) {
  for (const group of scene.groups)
    for (const panel of [0, 1]) {
      if (!(group.x[panel] > 0)) continue;
      const at = groupPlace(scene.c.places, scene.c, group, panel);
      if (Math.hypot(at.x - x, at.y - y) <= GROUP_RADIUS + 2) return group;
    }
  return null;
}
