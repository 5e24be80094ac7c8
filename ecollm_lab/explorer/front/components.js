// Decision space: what each component of each stage contributes under an SLO, and what it costs to insist on it.

// One entry per stage: its number, name and components; a component has its share among the feasible paths and
// among those of the front, mean quality over its feasible paths with interval, and the winner that remains
// if every other component of the stage is dropped.
function componentsOf(p, slo, decision) {
  return p.stages.map((name, stage) => {
    const slugs = [...new Set(p.parts.map((part) => part[stage]))];
    const front = decision.paths.filter((i) => p.state[i] === "front");
    const list = slugs.map((slug) => {
      const has = (i) => p.parts[i][stage] === slug, mine = decision.paths.filter(has);
      const only = { ...p, allowed: p.allowed.map((a, i) => (a && has(i) ? 1 : 0)), contenders: undefined };
      const best = p.dropped[stage]?.includes(slug) ? null : chooseAmong(only, slo, mine);
      return { slug, n: mine.length, feasible: mine.length / (decision.paths.length || 1),
        front: front.filter(has).length / (front.length || 1), ...meanOver(p, mine), best, kept: !p.dropped[stage]?.includes(slug) };
    });
    return { stage, name, list };
  }).filter((one) => one.list.length > 1);
}

// Mean quality over some paths, with the 95 % interval of that mean over the resampled queries.
function meanOver(p, paths) {
  if (!paths.length) return { mean: NaN, low: NaN, high: NaN };
  const size = p.n.length, mean = paths.reduce((sum, i) => sum + p.quality[i], 0) / paths.length, means = [];
  for (let at = 0; at < p.replicates.length; at += size) {
    const drawn = paths.map((i) => p.replicates[at + i]).filter((v) => v !== p.missing);
    if (drawn.length) means.push(drawn.reduce((a, b) => a + b, 0) / drawn.length / p.unit);
  }
  means.sort((a, b) => a - b);
  const centre = means.reduce((a, b) => a + b, 0) / means.length;  // deviations where outcomes are missing
  const at = (share) => mean + means[Math.round(share * (means.length - 1))] - centre;
  return { mean, low: at(0.025), high: at(0.975) };
}

// What insisting on a component costs, against the winner, in words.
function insisting(p, decision, { best, slug, kept }) {
  if (!kept) return "dropped";
  if (best === null) return "no feasible path has it";
  if (best === decision.chosen) return "the winner has it";
  const j = decision.chosen, gap = p.quality[best] - p.quality[j], parts = [];
  parts.push(separableFrom(p, j)[best] ? `quality ${signed(gap, gap.toFixed(3))}` : `quality ${signed(gap, gap.toFixed(3))}, not separable`);
  for (const [name, values] of [["cost", p.cost], ["latency", p.latency]]) {
    const by = ratio(values[best], values[j]);
    if (by) parts.push(`${name} ${by}`);
  }
  return parts.join("; ");
}

function componentsHtml(p, slo, decision, colourOf) {
  const stages = componentsOf(p, slo, decision);
  if (!stages.length) return `<p class="ecl-dim">The path ids of this trace are not made of stages that differ, so there is nothing to compare here.</p>`;
  const bar = (share, name) => `<span class="ecl-bar" title="${name}: ${percent(share)}"><i style="width:${100 * share}%"></i></span>`;
  const [low, high] = extent(finite(p.quality)), place = (q) => 100 * (q - low) / Math.max(high - low, 1e-9);
  const rows = (one) => one.list.map((c) => {
    const colour = colourOf(one.stage, c.slug), mark = colour ? `<span style="color:${colour}">■</span> ` : "";
    const mean = Number.isNaN(c.mean) ? "–" : `<span class="ecl-range" role="img" aria-label="mean quality ${quality(c.mean)}, interval ${span(c.low, c.high)}">`
      + `<i style="left:${place(c.low)}%;width:${Math.max(place(c.high) - place(c.low), 0.5)}%"></i><b style="left:${place(c.mean)}%"></b></span>${quality(c.mean)}`;
    return `<tr class="${c.kept ? "" : "ecl-off"}" data-stage="${one.stage}" data-slug="${escaped(c.slug)}">
      <th scope="row"><button class="ecl-keep" aria-pressed="${c.kept}" title="${c.kept ? "drop" : "take back"} ${escaped(c.slug)}">${c.kept ? "✓" : "✕"} ${mark}${cut(c.slug, 26)}</button></th>
      <td>${bar(c.feasible, "of the feasible paths")}${percent(c.feasible)}</td><td>${bar(c.front, "of the front")}${percent(c.front)}</td>
      <td>${mean}</td><td>${escaped(insisting(p, decision, c))}</td></tr>`;
  }).join("");
  return `<div class="ecl-stages">${stages.map((one) => `<table class="ecl-grid"><caption>${escaped(one.name)}</caption><thead><tr><th>component</th>
    <th>of feasible</th><th>of front</th><th>mean quality</th><th>to insist on it</th></tr></thead><tbody>${rows(one)}</tbody></table>`).join("")}</div>
    <p class="ecl-dim">Click a component to drop it or to take it back. Quality is the mean over its feasible paths, with the 95 % interval over queries.</p>`;
}
