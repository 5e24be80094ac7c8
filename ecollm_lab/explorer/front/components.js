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

// Mean quality over some paths, with the 95 % interval of that mean over the resampled queries: of the outcomes themselves,
// for deviations from the queries' means would vary less.
function meanOver(p, paths) {
  if (!paths.length) return { mean: NaN, low: NaN, high: NaN };
  const size = p.n.length, mean = paths.reduce((sum, i) => sum + p.quality[i], 0) / paths.length, means = [];
  for (let at = 0; at < p.raw.length; at += size) {
    let sum = 0, drawn = 0;
    for (const i of paths) {
      const value = p.raw[at + i];
      if (value !== p.missing) { sum += value; drawn++; }
    }
    if (drawn) means.push(sum / drawn / p.unit);
  }
  means.sort((a, b) => a - b);
  const centre = means.reduce((a, b) => a + b, 0) / means.length;
  const at = (share) => mean + means[Math.round(share * (means.length - 1))] - centre;
  return { mean, low: at(0.025), high: at(0.975) };
}

// What changes from path `from` to path `to`, in words.
function trade(p, from, to) {
  const gap = p.quality[to] - p.quality[from], apart = separableFrom(p, from)[to] ? "" : ", not separable";
  const parts = [gap ? `quality ${signed(gap, gap.toFixed(3))}${apart}` : "the same quality"];
  for (const [name, values, say] of [["cost", p.cost, usd], ["latency", p.latency, seconds]]) {
    const delta = values[to] - values[from], by = ratio(values[to], values[from]) || (delta ? signed(delta, say(Math.abs(delta))) : "");  // no ratio to what is free
    if (by) parts.push(`${name} ${by}`);
  }
  return parts.join("; ");
}

// What insisting on a component costs, against the winner, in words. Where the path that then wins differs at other
// stages as well, they are named: the loss is not the component's alone.
function insisting(p, decision, stage, { best, kept }) {
  if (!kept) return "dropped";
  if (best === null) return "no feasible path has it";
  if (best === decision.chosen) return "the winner has it";
  const also = p.stages.flatMap((name, k) => (k !== stage && p.parts[best][k] !== p.parts[decision.chosen][k] ? [`${p.parts[best][k]} (${name})`] : []));
  return `${trade(p, decision.chosen, best)}${also.length ? `; that path also has ${also.join(", ")}` : ""}`;
}

// What the dropped components cost, in a sentence: the winner now against the one that would win with them.
function dropping(p, slo, { chosen }) {
  const names = Object.entries(p.dropped).flatMap(([stage, slugs]) => slugs.map((slug) => `${slug} (${p.stages[stage] ?? "path"})`));
  if (!names.length) return "";
  const all = { ...p, allowed: p.allowed.map(() => 1) };
  const best = chooseAmong(all, slo, Array.from(p.n.keys()).filter((i) => keepsSlo(all, slo, i)));
  const without = `Without ${names.length > 4 ? `${names.length} components` : names.join(", ").replace(/, ([^,]*)$/, " and $1")}`;
  if (best === chosen) return chosen === null ? "" : `${without}: the same path wins as with ${names.length === 1 ? "it" : "them"}.`;
  const them = names.length === 1 ? "it" : "them";
  return chosen === null ? `${without} no path is left; with ${them} ${p.paths[best]} would win.`
    : `${without} ${p.paths[best]} no longer wins; against it: ${trade(p, best, chosen)}.`;
}

// `colourOf` gives a component its colour in the plots, if it has one; `brushed` are the paths that are selected there.
function componentsHtml(p, slo, decision, colourOf, brushed) {
  const stages = componentsOf(p, slo, decision);
  if (!stages.length) return `<p class="ecl-dim">The path ids of this trace are not made of stages that differ, so there is nothing to compare here.</p>`;
  const bar = (share, name) => `<span class="ecl-bar" title="${name}: ${percent(share)}"><i style="width:${100 * share}%"></i></span>${percent(share)}`;
  const ends = finite(stages.flatMap((one) => one.list.flatMap((c) => [c.mean, c.low, c.high]))), [low, high] = extent(ends), place = (q) => 100 * (q - low) / Math.max(high - low, 1e-9);
  const ofBrushed = (stage, slug) => [...brushed].filter((i) => p.parts[i][stage] === slug).length / brushed.size;
  const rows = (one) => one.list.map((c) => {
    const colour = colourOf(one.stage, c.slug), mark = colour ? `<span style="color:${colour}">■</span> ` : "", slug = escaped(c.slug);
    const mean = Number.isNaN(c.mean) ? "–" : `<span class="ecl-range" role="img" aria-label="mean quality ${quality(c.mean)}, interval ${span(c.low, c.high)}">`
      + `<i style="left:${place(c.low)}%;width:${Math.max(place(c.high) - place(c.low), 0.5)}%"></i><b style="left:${place(c.mean)}%"></b></span>${quality(c.mean)}`;
    const alone = c.kept && one.list.filter((other) => other.kept).length > 1;
    return `<tr class="${c.kept ? "" : "ecl-off"}" data-stage="${one.stage}" data-slug="${slug}">
      <th scope="row"><button class="ecl-keep" aria-pressed="${c.kept}" title="${c.kept ? "drop" : "take back"} ${slug}">${c.kept ? "✓" : "✕"} ${mark}${cut(c.slug, 26)}</button></th>
      <td><button class="ecl-brush" title="select the paths with ${slug}: ringed in the plots, listed in the table">${bar(c.feasible, "of the feasible paths")}</button></td>
      <td>${bar(c.front, "of the front")}</td>${brushed ? `<td>${bar(ofBrushed(one.stage, c.slug), "of the selected paths")}</td>` : ""}
      <td>${mean}</td><td>${escaped(insisting(p, decision, one.stage, c))}${alone ? ` <button class="ecl-only" aria-label="only ${slug}" title="drop all others of this stage">only</button>` : ""}</td></tr>`;
  }).join("");
  return `<div class="ecl-stages">${stages.map((one) => `<table class="ecl-grid"><caption>${escaped(one.name)}</caption><thead><tr><th>component</th>
    <th>of feasible</th><th>of front</th>${brushed ? "<th>of selection</th>" : ""}<th>mean quality</th><th>to insist on it</th></tr></thead><tbody>${rows(one)}</tbody></table>`).join("")}</div>
    <p class="ecl-dim">Click a component to drop it or to take it back, its share of the feasible paths to select these paths. Quality is the mean over its feasible paths,
    with the 95 % interval over queries.</p>`;
}

// Mark the components of the paths that are pointed at.
function markComponents(panel, p, lit) {
  for (const row of panel.querySelectorAll("tr[data-slug]"))
    row.classList.toggle("ecl-pointed", lit.length > 0 && lit.every((i) => p.parts[i][row.dataset.stage] === row.dataset.slug));
}
