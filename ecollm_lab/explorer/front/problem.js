// From the state to the problem that `decide` is about; and limits as places along their sliders.

function problemsOf(screen) {
  const { root, store, fixed, local, state } = screen;
  const problems = new Map();
  const themed = () => (screen.theme ??= themeOf(root));
  function looks() {
    const { seen } = themed();
    return Object.fromEntries(Object.entries(fixed.looks).map(([place, look]) => [place, { ...look, colour: seen(look.colour) }]));
  }

  function problem() {
    const s = state(), wanted = keyOf(s), views = store.get("views");
    rescale();
    if (views[wanted]) local.view = wanted; else store.ask(`view|${wanted}`);
    if (!views[local.view]) local.view = "all|all|all";  // at first, or where the kernel made room for others
    const key = JSON.stringify([local.view, views[local.view].outcomes, s.statistic, s.dropped]);
    if (!problems.has(key)) {
      if (problems.size > 30) problems.clear();
      const view = decoded(views[local.view]), p = problemOf(fixed, view, s);
      if (fixed.other) p.other = problemOf({ ...fixed, ...fixed.other }, view.other, { ...s, dropped: sameValue(fixed.stages, fixed.other.stages) ? s.dropped : {} });
      problems.set(key, { ...p, key, view: local.view });
    }
    return problems.get(key);
  }

  function problemOf(from, view, { statistic, dropped }) {
    const of = (table) => table[statistic];
    return { ...from.constants, paths: from.paths, placement: from.placement, parts: from.parts, stages: from.stages, source: from.source, name: from.name, slo: from.slo, unknown: view.unknown, looks: looks(),
      dropped, allowed: Uint8Array.from(from.parts, (part) => (Object.entries(dropped).some(([k, slugs]) => slugs.includes(part[k])) ? 0 : 1)),
      statistic, queries: view.queries, outcomes: view.outcomes, n: view.n, quality: view.quality, low: view.low, high: view.high, replicates: view.replicates, raw: view.raw ?? view.replicates,
      costs: view.cost, latencies: view.latency, cost: of(view.cost), latency: of(view.latency), kinds: view.kinds,
      state: Array.from(of(view.state), (k) => from.states[k]), dominator: of(view.dominator) };
  }

  // Where the sliders begin and end: at the least and the most of any selection of queries that is known, on both sides of a
  // comparison; so they may begin and end elsewhere once another one has come.
  const scales = {};
  let scaled = null;
  function rescale() {
    const views = store.get("views");
    if (views === scaled) return;
    scaled = views;
    const sides = Object.values(views).flatMap((view) => (view.other ? [view, view.other] : [view])), own = new Set(Object.values(views));
    for (const [name, key] of [["max_latency_s", "latency"], ["max_cost_usd", "cost"]]) {
      const of = (view) => { const { mean, p95 } = decoded(view[key]); return [...mean, ...p95].filter((v) => v > 0); };
      const found = sides.map((view) => [view, of(view)]), values = found.flatMap(([, list]) => list), [low, high] = values.length ? extent(values) : [0.1, 1];
      scales[name] = { low: Math.log(low * 0.97), high: Math.log(high * 1.03), none: !found.some(([view, list]) => own.has(view) && list.length) };
    }
  }
  const clamp = (x) => Math.min(Math.max(x, 0), 1);
  const place = (name) => (value) => (name === "min_quality" ? clamp(value ?? 0) : value === null ? 1
    : clamp((Math.log(value) - scales[name].low) / (scales[name].high - scales[name].low)));
  function valueAt(name, at) {
    if (name === "min_quality") return Number(at.toFixed(3)) || null;
    return at > 0.999 ? null : Number(Math.exp(scales[name].low + at * (scales[name].high - scales[name].low)).toPrecision(3));
  }

  // The share of a path's outcomes that break the SLO: on held-out queries, or on the selected ones where none are held out.
  function overShare(i, slo, which, heldout = true) {
    const at = fixed.outcomes.paths.indexOf(i), s = state(), n = fixed.codes.kind.length;
    if (at < 0) return null;
    const code = (name, value) => fixed.choices[name].indexOf(value), held = code("split", "heldout");
    const inside = (q, split) => ["kind", "cluster"].every((name) => s[name] === "all" || fixed.codes[name][q] === code(name, s[name]))
      && (split === null || fixed.codes.split[q] === split);
    const count = (split) => {
      const places = [];
      for (let q = 0; q < n; q++) if (inside(q, split)) places.push(at * n + q);
      return overAmong(fixed.outcomes, places, slo, which);
    };
    const own = s.split === "all" ? null : code("split", s.split);
    if (heldout && held > 0) { const found = count(held); if (found.all) return { ...found, where: "held-out " }; }
    return { ...count(own), where: "" };
  }

  return { themed, problem, forget: () => problems.clear(), scales, place, valueAt, overShare };
}
