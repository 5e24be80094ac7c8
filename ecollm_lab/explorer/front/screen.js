// The screen: controls, plot, card and tables around one state. It decides, draws and explains by itself;
// a kernel is asked only for what needs a computation (other queries, texts, a policy's replay, files).

const TABS = { paths: "paths", components: "components", queries: "queries behind the path", policy: "policy replay", measure: "measure more", journey: "journey and snapshots", take: "take it with you" };
const CHOICES = { prefer: [["quality", "best quality"], ["cost", "cheapest of those nearly as good"], ["latency", "fastest of those nearly as good"]],
  statistic: [["mean", "limits hold for means"], ["p95", "limits hold for 95th percentiles"]] };
const LABELS = { max_latency_s: "Latency limit", max_cost_usd: "Cost limit", min_quality: "Least quality" };
// What a page without a kernel cannot hand out, and why.
const NOT_IN_A_PAGE = { toml: "The file for serving says where the numbers come from, which this page does not hold: call explorer.to_toml(file) in Python.", html: "This is the offline page: keep its file.",
  filter: "This page holds no other queries than these: choosing others needs a kernel. Open the trace in a notebook." };
const MOST_PINS = 3, MOST_TRAIL = 20;

function skeleton(fixed) {
  const limit = (name) => `<div class="ecl-limit" data-limit="${name}"><label><span>${LABELS[name]}</span> <input class="ecl-typed" type="text" inputmode="decimal"
    autocomplete="off" spellcheck="false" aria-label="${LABELS[name]}, type a value${UNITS[name] ? ` in ${UNITS[name]}` : ""}"><span class="ecl-unit">${{ max_latency_s: "ms", max_cost_usd: "USD/1,000", min_quality: "0 to 1" }[name]}</span></label>
    <input class="ecl-range-input" type="range" min="0" max="1" step="any" aria-label="${LABELS[name]}"><svg class="ecl-strip" viewBox="0 0 100 16" preserveAspectRatio="none" aria-hidden="true"></svg>
    <div class="ecl-note"></div></div>`;
  const group = (name, label) => `<div class="ecl-row" role="group" aria-label="${label}"><span>${label}</span>${CHOICES[name].map(([value, tip]) =>
    `<button class="ecl-choice" data-key="${name}" data-value="${value}" title="${tip}" aria-pressed="false">${value}</button>`).join("")}</div>`;
  const select = (name, options) => `<label class="ecl-select"><span>${name}</span><select data-key="${name}">${options.map(([value, text]) =>
    `<option value="${escaped(value)}">${cut(text, 40)}</option>`).join("")}</select></label>`;
  const filters = ["split", "kind", "cluster"].filter((name) => fixed.choices[name].length > 2).map((name) => select(name, fixed.choices[name].map((v) => [v, v])));
  const colours = [["placement", "where it runs"], ...fixed.stages.map((name, k) => [String(k), name])];
  return `<div class="ecl-top"><div class="ecl-sentence"></div><div class="ecl-offers"></div></div><div class="ecl-sr" role="status" aria-live="polite"></div>
    <div class="ecl-middle"><div class="ecl-controls">${LIMITS.map(limit).join("")}${group("prefer", "prefer")}${group("statistic", "limits on")}
      <div class="ecl-filters">${filters.join("")}${select("colour", colours)}</div>
      <div class="ecl-row">${[["dominated", "dominated"], ["beyond", "beyond limits"], ["groups", "one mark per colour"]].map(([value, text]) => `<label><input type="checkbox" data-show="${value}"> ${text}</label>`).join("")}</div>
      <div class="ecl-row">${[["undo", "↶ undo", "undo the last step"], ["redo", "↷ redo", "do it again"], ["reset", "start", "back to the start"], ["pin", "pin", "pin the selected path or the winner, to compare others with it; again to unpin; up to three"]]
    .map(([act, text, tip]) => `<button data-act="${act}" title="${tip}">${text}</button>`).join("")}</div></div>
    <div class="ecl-centre"><div class="ecl-legend"></div><div class="ecl-legend ecl-policies"></div><div class="ecl-plot" role="figure" aria-label="Two plots, quality against cost and quality against latency, one point per path. The same numbers are in the table of paths."></div><div class="ecl-mixes"></div></div>
    <div class="ecl-card" aria-label="the path that is pointed at or selected"></div></div>
    <div class="ecl-tabs"><div role="tablist" aria-label="tables">${Object.entries(TABS).filter(([name]) => name !== "measure" || fixed.measure).map(([name, text]) => `<button role="tab" data-tab="${name}" aria-selected="false">${text}</button>`).join("")}</div>
    <div class="ecl-panel" role="tabpanel" tabindex="0"></div></div>`;
}

function mount(root, store) {
  const fixed = decoded(store.get("fixed")), $ = (what) => root.querySelector(what), $$ = (what) => [...root.querySelectorAll(what)];
  const local = { lit: null, group: null, brushed: null, brushedBy: "", sort: "quality", down: true, sorted: false, search: "", error: {}, step: null, view: null, tabShown: "", trail: [], pointed: null, sr: "", more: { scope: "emulator", n: 20 } };
  const problems = new Map();
  let theme = null, plotly = null, drawn = null, frame = 0, rest = 0, committing = 0, mouse = false;
  root.classList.add("ecl");
  root.innerHTML = skeleton(fixed);
  const state = () => store.get("state"), plot = $(".ecl-plot"), panel = $(".ecl-panel");
  const sloOf = (s) => ({ max_latency_s: s.max_latency_s, max_cost_usd: s.max_cost_usd, min_quality: s.min_quality, prefer: s.prefer });
  const keyOf = (s) => [s.split, s.kind, s.cluster].join("|");
  const index = new Map(fixed.paths.map((path, i) => [path, i])), { parts } = fixed;

  // --- from the state to a problem

  const themed = () => (theme ??= themeOf(root));
  function looks() {
    const { seen } = themed();
    return Object.fromEntries(Object.entries(fixed.looks).map(([place, look]) => [place, { ...look, colour: seen(look.colour) }]));
  }

  function problem() {
    const s = state(), wanted = keyOf(s), views = store.get("views");
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
      statistic, queries: view.queries, outcomes: view.outcomes, n: view.n, quality: view.quality, low: view.low, high: view.high, replicates: view.replicates,
      costs: view.cost, latencies: view.latency, cost: of(view.cost), latency: of(view.latency), kinds: view.kinds,
      state: Array.from(of(view.state), (k) => from.states[k]), dominator: of(view.dominator) };
  }

  const base = decoded(store.get("views")["all|all|all"] ?? Object.values(store.get("views"))[0]);
  const scales = Object.fromEntries([["max_latency_s", base.latency], ["max_cost_usd", base.cost]].map(([name, table]) => {
    const values = [...table.mean, ...table.p95].filter((v) => v > 0), [low, high] = values.length ? extent(values) : [0.1, 1];
    return [name, { low: Math.log(low * 0.97), high: Math.log(high * 1.03), none: !values.length }];
  }));
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
      let over = 0, seen = 0, all = 0;
      for (let q = 0; q < n; q++) {
        if (!inside(q, split)) continue;
        const [cost, latency] = [fixed.outcomes.cost[at * n + q], fixed.outcomes.latency[at * n + q]];
        all++;
        if (!(cost >= 0) && !(latency >= 0)) continue;
        seen++;
        if (latency > (slo.max_latency_s ?? Infinity) || (which === "both" && cost > (slo.max_cost_usd ?? Infinity))) over++;
      }
      return { share: seen ? over / seen : 0, n: all, seen };
    };
    const own = s.split === "all" ? null : code("split", s.split);
    if (heldout && held > 0) { const found = count(held); if (found.n) return { ...found, where: "held-out " }; }
    return { ...count(own), where: "" };
  }

  // --- changing the state

  function change(patch, name) {
    store.set({ state: { ...state(), ...patch } });
    if (name === undefined) return;
    commit(name);
  }
  function commit(name) {
    clearTimeout(committing);
    committing = 0;
    local.step = null;
    store.set({ journey: addStep(store.get("journey"), state(), name) });
  }
  const commitSoon = (name) => { clearTimeout(committing); local.step = name; committing = setTimeout(() => commit(name), 500); };
  const finish = () => { if (local.step) commit(local.step); };
  // What was typed and could not be read is forgotten once limits are set in another way.
  function forgive() {
    local.error = {};
    for (const input of $$(".ecl-typed")) input.dirty = false;
    schedule();
  }
  const applySlo = (slo) => { forgive(); change(sloOf(slo), spell(slo)); };
  function go(at) {
    finish();
    forgive();
    const journey = store.get("journey");
    if (at < 0 || at >= journey.steps.length) return;
    store.set({ state: back(state(), stateAt(journey, at)), journey: { ...journey, at } });
  }
  const select = (i) => change({ selected: i === null ? null : fixed.paths[i], query_page: 0 }, i === null ? "nothing selected" : `selected ${fixed.paths[i]}`);
  const acts = {
    undo: () => { finish(); go(store.get("journey").at - 1); }, redo: () => go(store.get("journey").at + 1),
    reset: () => { finish(); forgive(); change(back(state(), stateAt(store.get("journey"), 0)), "back to the start"); },
    pin: () => {
      const i = index.get(state().selected) ?? moment().decision.chosen, path = fixed.paths[i], pins = state().pins;
      if (path === undefined) return;
      change(pins.includes(path) ? { pins: pins.filter((one) => one !== path) } : { pins: [...pins, path].slice(-MOST_PINS) }, `${pins.includes(path) ? "unpinned" : "pinned"} ${path}`);
    },
  };

  // --- what is drawn each time

  function moment() {
    const p = problem(), s = state(), slo = sloOf(s);
    p.decisions ??= new Map();
    const key = JSON.stringify(slo);
    if (!p.decisions.has(key)) { if (p.decisions.size > 500) p.decisions.clear(); p.decisions.set(key, [decide(p, slo), p.other && decide(p.other, p.other.slo ?? slo)]); }
    const [decision, otherDecision] = p.decisions.get(key), other = p.other && { q: p.other, slo: p.other.slo ?? slo, decision: otherDecision };
    return { p, s, slo, decision, other, pins: s.pins.map((path) => index.get(path)).filter((i) => i !== undefined), selected: index.get(s.selected) ?? null };
  }

  function setHtml(node, html) { if (node.cached !== html) { node.innerHTML = html; node.cached = html; } }

  function render() {
    frame = 0;
    const now = moment(), { p, s, slo, decision, other, pins, selected } = now, shown = local.lit ?? selected ?? decision.chosen;
    const over = decision.chosen === null ? null : overShare(decision.chosen, slo, "both");
    const waiting = keyOf(s) === p.view ? "" : ` <span class="ecl-warn">${escaped(store.get("answers")[`view|${keyOf(s)}`]?.error ?? store.problem(`view|${keyOf(s)}`) ?? "Computing these queries; until then the picture shows the ones before.")}</span>`;
    const lost = store.get("forgotten") ?? [];
    const versusOther = other ? `<br><span class="ecl-versus">${cut(versus(p, decision, other.q, other.decision), 600)}</span>` : "";
    const without = dropping(p, slo, decision), withoutDropped = without ? `<br><span class="ecl-without">${cut(without, 400)}</span>` : "";
    setHtml($(".ecl-sentence"), sentence(p, slo, decision, over, pins) + withoutDropped + versusOther + waiting + (lost.length ? ` <span class="ecl-warn">No longer fits: ${cut(lost.join("; "))}.</span>` : ""));
    root.dataset.chosen = decision.chosen === null ? "" : fixed.paths[decision.chosen];
    root.classList.toggle("ecl-infeasible", decision.chosen === null);
    const offers = decision.chosen === null ? nearestFeasible(p, slo).nearest : [];
    const back = decision.chosen === null && Object.values(s.dropped).some((list) => list.length) ? `<button class="ecl-all">→ take all components back</button>` : "";
    setHtml($(".ecl-offers"), offers.map((to, k) => `<button data-offer="${k}">→ ${escaped(changes(slo, to))}</button>`).join("") + back);
    local.offers = offers;
    renderLimits(now);
    for (const node of $$(".ecl-choice")) node.setAttribute("aria-pressed", String(s[node.dataset.key] === node.dataset.value));
    for (const node of $$("select[data-key]")) node.value = s[node.dataset.key];
    for (const node of $$("[data-show]")) node.checked = s.show.includes(node.dataset.show);
    const journey = store.get("journey");
    $("[data-act=undo]").disabled = journey.at <= 0 && !local.step;
    $("[data-act=redo]").disabled = journey.at >= journey.steps.length - 1;
    local.change = shown === null || shown === decision.chosen ? null : smallestChange(p, slo, shown);
    const share = shown === null ? null : overShare(shown, slo, "latency", false);
    setHtml($(".ecl-card"), cardHtml(p, slo, decision, shown, pins, share && share.share, local.change)
      + (fixed.measure && shown !== null && shown === (selected ?? decision.chosen) && (p.state[shown] === "ambiguous" || p.n[shown] < p.queries) ? `<button data-scope="selected">What would more outcomes of it cost?</button>` : "")
      + (other && !other.q.slo && shown !== null ? `<p class="ecl-dim">${cut(twinWords(p, shown, other.q, other.decision))}</p>` : ""));
    setHtml($(".ecl-mixes"), mixHtml(p, slo, decision.paths));
    if (plotly) draw(now);
    if (s.tab === "components") markComponents(panel, p, local.group ?? (local.lit === null ? [] : [local.lit]));
    clearTimeout(rest);
    rest = setTimeout(settle, mouse ? 250 : 60);
  }
  const schedule = () => { frame ||= requestAnimationFrame(render); };

  function renderLimits({ p, slo }) {
    for (const box of $$(".ecl-limit")) {
      const name = box.dataset.limit, range = box.querySelector(".ecl-range-input"), input = box.querySelector(".ecl-typed");
      const [svg, note] = bandHtml(p, slo, name, place(name));
      setHtml(box.querySelector("svg"), svg);
      setHtml(box.querySelector(".ecl-note"), local.error[name] ? `<b class="ecl-warn">${escaped(local.error[name])}</b>` : escaped(note));
      const at = place(name)(slo[name]);
      if (Number(range.value) !== at && !(mouse && document.activeElement === range)) range.value = at;
      range.setAttribute("aria-valuetext", limitWords(name, slo[name]));
      range.disabled = input.disabled = Boolean(scales[name]?.none);
      input.setAttribute("aria-invalid", String(Boolean(local.error[name])));
      if (document.activeElement !== input || !input.dirty) { input.value = asTyped(name, slo[name]); input.placeholder = "no limit"; }
    }
  }

  function colouring(s, p) {
    if (s.colour === "placement") return { of: (i) => p.looks[p.placement[i]], key: (i) => p.placement[i], list: Object.entries(p.looks).filter(([place]) => p.placement.includes(place)).map(([place, look]) => [place, look.colour, look.mark]), slug: () => null };
    const k = Number(s.colour), slugs = [...new Set(parts.map((part) => part[k]))], hue = (slug) => fixed.palette[slugs.indexOf(slug) % fixed.palette.length];
    return { of: (i) => ({ ...p.looks[p.placement[i]], colour: hue(parts[i][k]) }), key: (i) => parts[i][k], list: slugs.slice(0, 12).map((slug) => [slug, hue(slug), "■"]), slug: (stage, slug) => (stage === k ? hue(slug) : null) };
  }

  // Plotly draws only when the selection, the colours or the hidden outlines change; a moved limit is painted above.
  function draw(now) {
    const { p, s, decision, pins, selected } = now, theme = themed(), look = colouring(s, p), show = s.show;
    root.classList.toggle("ecl-dark", theme.dark);
    const key = JSON.stringify([p.view, p.outcomes, p.statistic, s.colour, theme.paper]);
    if (drawn?.key !== key) {
      drawn = { key, c: canvasOf(p), marks: p.paths.map((_, i) => ({ ...look.of(i), colour: theme.seen(look.of(i).colour) })), theme };
      setHtml($(".ecl-legend"), legendHtml(p, look.list) + (p.other ? othersLegend(p.other, theme.ghost) : ""));
    }
    const { c } = drawn, whole = show.includes("dominated") && show.includes("beyond") && !p.allowed.includes(0);
    const hidden = whole ? "" : c.drawn.map((i) => ((p.state[i] !== "dominated" || show.includes("dominated")) && (decision.within[i] || show.includes("beyond")) && p.allowed[i] ? 1 : 0)).join("");
    if (drawn.hidden !== hidden) {
      drawn.hidden = hidden;
      const figure = figureOf(p, c, (i) => drawn.marks[i], theme, c.drawn.map((i, k) => (hidden[k] === "0" ? null : c.y[i])));
      for (const axis of ["xaxis", "xaxis2", "yaxis"]) {  // a part that was zoomed into stays
        const range = plot._fullLayout?.[axis].range;
        if (range && plot.ranges && !sameValue(range, plot.ranges[axis])) figure.layout[axis].range = [...range];
        else (plot.ranges ??= {})[axis] = [...figure.layout[axis].range];
      }
      plotly.react(plot, figure.data, figure.layout, { ...fixed.config, responsive: false });
      if (!plot.wired) wire();
    }
    const groups = show.includes("groups") ? groupsOf(p, c, decision, look.key, (i) => drawn.marks[i].colour) : [];
    drawn.scene = { ...now, c, marks: drawn.marks, hidden, pins, lit: pointedAt(selected), groups, theme, policies: policiesAt(now) };
    paintOver();
  }

  // Paths that are ringed: those pointed at, else those brushed and the selected one.
  function pointedAt(selected) {
    if (local.group) return local.group;
    if (local.lit !== null) return [local.lit];
    return [...new Set([...(selected === null ? [] : [selected]), ...(local.brushed ?? [])])];
  }

  function paintOver() {
    if (!drawn?.scene || !plot._fullLayout) return;
    let canvas = plot.querySelector("canvas.ecl-over");
    const top = plot.querySelectorAll(".main-svg")[1], { width, height } = plot._fullLayout, scale = window.devicePixelRatio || 1;
    if (!canvas) { canvas = document.createElement("canvas"); canvas.className = "ecl-over"; top.parentNode.insertBefore(canvas, top); }
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      Object.assign(canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    paint(context, plot._fullLayout, drawn.scene);
    plot.dispatchEvent(new Event("painted"));
  }

  async function toPng() {
    const { width, height } = plot._fullLayout, scale = 2, canvas = Object.assign(document.createElement("canvas"), { width: scale * width, height: scale * height });
    const context = canvas.getContext("2d"), ground = new Image();
    ground.src = await plotly.toImage(plot, { format: "png", width, height, scale });
    await ground.decode();
    context.fillStyle = drawn.theme.paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(ground, 0, 0);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    paint(context, plot._fullLayout, drawn.scene);
    canvas.toBlob((blob) => download(blob, "explorer.png"));
  }

  // The policy and what it is compared with, under the SLO or under the nearest one that was replayed; the policy leaves a trail.
  const askMarks = asker(store.ask);
  function policiesAt({ p, s, slo }) {
    if (!fixed.policies) return { marks: [], trail: [] };
    const where = keyOf(s), tables = store.get("marks"), found = nearestMarks(tables[where], slo);
    const keyAt = (one, on = where) => `marks|${JSON.stringify(sloOf(one))}|${on}`, problem = (key) => store.get("answers")[key]?.error;
    askMarks(keyAt(slo), (key) => Boolean(problem(key)) || Object.entries(tables).some(([on, { table }]) => table.some(([asked]) => keyAt(asked, on) === key)));
    const looks = Object.fromEntries(Object.entries(fixed.policies).map(([name, look]) => [name, { ...look, colour: themed().seen(look.colour) }]));
    const marks = marksOf(found, looks, p.statistic), own = marks.find((mark) => mark.name === fixed.policy), at = JSON.stringify([where, p.statistic]);
    if (local.trailAt !== at) { local.trailAt = at; local.trail = []; }
    if (own && !sameValue(own, local.trail.at(-1))) local.trail = [...local.trail, own].slice(-MOST_TRAIL);
    setHtml($(".ecl-policies"), marksHtml(found, marks, slo, p.statistic, problem(keyAt(slo)) ?? (found ? null : store.problem(keyAt(slo)))));
    return { marks, trail: local.trail, pointed: local.pointed, found, statistic: p.statistic, slo };
  }

  // What is painted above the plots has no hover of Plotly's: a box with its numbers beside the mark under the mouse.
  function pointAtSpot(event) {
    const box = plot.getBoundingClientRect(), [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const spot = (drawn?.c.places?.spots ?? []).flat().find(({ at: [a, b] }) => Math.hypot(a - x, b - y) < 9);
    if ((spot?.name ?? null) === local.pointed) return;
    local.pointed = spot?.name ?? null;
    plot.querySelector(".ecl-tip")?.remove();
    if (spot) {
      const [a, b] = spot.at, tip = Object.assign(document.createElement("div"), { className: "ecl-tip", textContent: spot.card().join("\n") });
      Object.assign(tip.style, { top: `${b + 12}px`, ...(a > box.width / 2 ? { right: `${box.width - a + 12}px` } : { left: `${a + 12}px` }) });
      plot.append(tip);
    }
    schedule();
  }

  function wire() {
    plot.wired = true;
    const at = (event) => event.points.find((point) => point.customdata !== undefined && point.data.name === "cloud")?.customdata ?? null;
    plot.on("plotly_hover", (event) => { const i = at(event); if (i !== null) { local.lit = i; schedule(); } });
    plot.addEventListener("mousemove", pointAtSpot);
    plot.addEventListener("mouseleave", pointAtSpot);
    plot.on("plotly_unhover", () => { local.lit = null; schedule(); });
    plot.on("plotly_click", (event) => { const i = at(event); if (i !== null) select(i); });
    plot.on("plotly_selected", (event) => {
      const found = (event?.points ?? []).filter((point) => point.data.name === "cloud").map((point) => point.customdata);
      brush(found, "inside the marked part of the plot");
    });
    for (const event of ["plotly_afterplot", "plotly_relayouting"]) plot.on(event, paintOver);
    plot.on("plotly_relayout", (event) => {
      const from = event["xaxis.range[0]"] ?? event["xaxis2.range[0]"];
      if (from !== undefined || event["xaxis.autorange"] || event["xaxis2.autorange"]) freshTicks();
    });
    plot.on("plotly_deselect", () => brush([]));
    plot.addEventListener("mousemove", (event) => {  // marks of groups are painted above the plot, which does not know them
      const box = plot.getBoundingClientRect(), found = drawn?.scene?.groups.length ? groupUnder(drawn.scene, event.clientX - box.left, event.clientY - box.top) : null;
      if ((found?.paths ?? null) !== local.group) { local.group = found?.paths ?? null; schedule(); }
    });
    plot.addEventListener("mouseleave", () => { if (local.group) { local.group = null; schedule(); } });
  }

  // Select some paths: ringed in the plots, counted in the components, listed in the table. The same again, or none: all paths.
  function brush(paths, by = "") {
    const same = paths.length && by === local.brushedBy && paths.length === local.brushed?.size && paths.every((i) => local.brushed.has(i));
    [local.brushed, local.brushedBy, local.tabShown] = paths.length && !same ? [new Set(paths), by, ""] : [null, "", ""];
    if (local.brushed && state().tab !== "components") change({ tab: "paths" });
    schedule();
  }

  // Labels along the axes for the part that is zoomed into.
  function freshTicks() {
    const { xaxis, xaxis2 } = plot._fullLayout, update = {};
    [xaxis, xaxis2].forEach((axis, panel) => {
      const [low, high] = axis.range.map((v) => 10 ** v), name = panel ? "xaxis2" : "xaxis";
      const { tickvals, ticktext } = logTicks(Math.max(low, panel || !drawn.c.free ? 0 : drawn.c.free[1]), high, panel);
      Object.assign(update, { [`${name}.tickvals`]: tickvals, [`${name}.ticktext`]: ticktext });
    });
    plotly.relayout(plot, update);
  }

  // --- what follows once things are at rest

  const replayKey = () => `replay|${JSON.stringify(sloOf(state()))}|${keyOf(state())}`;
  function settle() {
    rest = 0;
    const now = moment(), { p, s, decision } = now, plain = $(".ecl-sentence").textContent.trim();
    if (local.sr !== plain) { local.sr = plain; $("[role=status]").textContent = plain; }
    for (const node of $$("[role=tab]")) {
      node.setAttribute("aria-selected", String(node.dataset.tab === s.tab));
      node.tabIndex = node.dataset.tab === s.tab ? 0 : -1;
    }
    countOptions(s);
    tabs[s.tab](now);
    if (s.tab === "paths") markRows(now);
    local.chosen = decision.chosen;
  }

  // How many queries each filter would leave, beside the other filters; none: it cannot be chosen.
  function countOptions(s) {
    if (local.counted === keyOf(s)) return;
    local.counted = keyOf(s);
    const filters = ["split", "kind", "cluster"], at = Object.fromEntries(filters.map((name) => [name, fixed.choices[name].indexOf(s[name])]));
    for (const node of $$(".ecl-filters select")) {
      const name = node.dataset.key, counts = new Int32Array(fixed.choices[name]?.length ?? 0);
      if (!counts.length) continue;
      fixed.codes[name].forEach((code, q) => {
        if (filters.every((other) => other === name || !at[other] || fixed.codes[other][q] === at[other])) { counts[code]++; counts[0]++; }
      });
      [...node.options].forEach((option, k) => { option.textContent = `${fixed.choices[name][k]} (${counts[k]})`; option.disabled = !counts[k] || (store.offline && !store.get("views")[keyOf({ ...s, [name]: fixed.choices[name][k] })]); });
      node.disabled = Boolean(store.offline) && [...node.options].every((option, k) => option.disabled || k === at[name]);
      node.title = node.disabled ? NOT_IN_A_PAGE.filter : "";
    }
  }

  function markRows({ decision, selected }) {
    for (const row of panel.querySelectorAll("tr[data-path]")) {
      const i = Number(row.dataset.path);
      row.className = [decision.within[i] ? "" : "ecl-beyond", i === decision.chosen ? "ecl-chosen" : "", i === selected ? "ecl-selected" : "", i === local.lit ? "ecl-pointed" : ""].join(" ").trim();
      row.querySelector(".ecl-pick").setAttribute("aria-pressed", String(i === selected));
    }
  }

  // Until the reader sorts the table, what is feasible comes first.
  const ordered = (decision) => (local.sorted ? local : { ...local, decision });
  const answered = (key, html) => {
    const answer = store.get("answers")[key];
    if (answer) return html(answer);
    store.ask(key);
    return `<p class="ecl-dim">${escaped(store.problem(key) ?? "Asking the kernel …")}</p>`;
  };
  const tabs = {
    paths({ p, s, decision }) {
      const order = ordered(decision), key = JSON.stringify([p.key, local.sort, local.down, local.sorted || [decision.chosen, decision.paths], local.search, s.columns, local.brushed && [...local.brushed]]);
      if (local.tabShown === `paths${key}`) return;
      local.tabShown = `paths${key}`;
      const [html, count, more] = tableHtml(p, order, s.columns), search = panel.querySelector(".ecl-search"), focused = search && document.activeElement === search;
      const part = local.brushed ? ` ${escaped(local.brushedBy)}.${more} <button data-take="unbrush">all paths</button>` : `.${more}`, first = local.sorted ? "" : " Those that keep the limits come first, until you sort.";
      if (!search) setHtml(panel, `<div class="ecl-row"><input class="ecl-search" type="search" placeholder="search paths" aria-label="search paths"><span class="ecl-count"></span>
        <button data-take="table" title="these rows and columns">CSV</button></div>${columnsHtml(fixed.columns, s.columns)}<div class="ecl-rows"></div>`);
      const box = panel.querySelector(".ecl-search");
      if (!focused) box.value = local.search;
      panel.querySelector(".ecl-count").innerHTML = escaped(count) + part + first;
      for (const node of panel.querySelectorAll("[data-shown]")) node.checked = s.columns.includes(node.dataset.shown);
      panel.querySelector(".ecl-rows").innerHTML = html;
      panel.cached = undefined;
    },
    components({ p, s, slo, decision }) {
      local.tabShown = "";
      const by = local.brushed ? `<p>${plural(local.brushed.size, "path")} selected, ${escaped(local.brushedBy)}. <button data-take="unbrush">all paths</button></p>` : "";
      setHtml(panel, by + componentsHtml(p, slo, decision, colouring(s, p).slug, local.brushed));
      markComponents(panel, p, local.group ?? (local.lit === null ? [] : [local.lit]));
    },
    queries({ p, s, decision }) {
      local.tabShown = "";
      const i = index.get(s.selected) ?? decision.chosen;
      if (i === null || i === undefined) return setHtml(panel, `<p class="ecl-dim">No path is selected and none is feasible.</p>`);
      const kinds = keyOf(s) === p.view ? kindsHtml(p, i) : "";
      setHtml(panel, kinds + answered(`queries|${fixed.paths[i]}|${keyOf(s)}`, (answer) => {
        const pages = Math.max(Math.ceil((answer.rows ?? []).length / PER_PAGE), 1), page = Math.min(s.query_page, pages - 1);
        return `<div class="ecl-row"><button data-turn="-1" ${page ? "" : "disabled"}>◀ previous</button><button data-turn="1" ${page < pages - 1 ? "" : "disabled"}>next ▶</button>
          <span><b>${cut(fixed.paths[i], 90)}</b> · ${worstWords(answer)} · page ${page + 1} of ${pages}</span></div>${queriesHtml(answer, page)}`;
      }));
    },
    policy({ p }) {
      local.tabShown = "";
      setHtml(panel, fixed.policy ? answered(replayKey(), (answer) => replayHtml(p, answer))
        : `<p class="ecl-dim">No policy was given. <code>explore(trace, fit_policy(trace.split("train")))</code> shows here, and in the plots, what it would choose for each kind of query under this SLO.</p>`);
    },
    measure({ p, decision, selected }) {
      local.tabShown = "";
      if (document.activeElement?.matches(".ecl-more") && panel.contains(document.activeElement)) return;  // somebody is typing
      setHtml(panel, fixed.measure ? measureHtml(store.get("measuring"), local.more, scopeSizes(p, decision, selected), store.alive() ? null : NOT_HERE)
        : `<p class="ecl-dim">Nothing measures for this explorer. <code>explore(trace, measure=measuring_domain(trace, …))</code> does.</p>`);
    },
    journey({ s }) {
      local.tabShown = "";
      const { at, steps } = store.get("journey");
      setHtml(panel, `${snapshotsHtml(s.snapshots)}<ol class="ecl-journey" start="0">${steps.map(([name], k) => `<li><button data-step="${k}" ${k === at ? `aria-current="step"` : ""}>${cut(name, 120)}</button>${k === at ? " ← now" : ""}</li>`).join("")}</ol>`);
    },
    take() {
      local.tabShown = "";
      const buttons = [["code", "copy as code"], ["csv", "CSV of the feasible paths"], ["toml", "TOML for serving"], ["html", "offline page"], ["png", "PNG of the plots"], ["link", store.link ? "copy a link to this state" : "copy this state as a line of code"]];
      setHtml(panel, `<div class="ecl-row">${buttons.map(([what, text]) => `<button data-take="${what}" ${store.offline && NOT_IN_A_PAGE[what] ? `disabled title="${NOT_IN_A_PAGE[what]}"` : ""}>${text}</button>`).join("")}</div><pre class="ecl-said">${escaped(local.said ?? "")}</pre>`);
    },
  };

  const say = (text) => { local.said = text; settle(); };
  // Outcomes on demand: the offer is for the place and number that are set, so changing them asks for another.
  function measure(what) {
    const { scope, n } = local.more;
    store.tell({ measure: what === "offer" ? { do: what, scope, n: Number(n) || 0 } : { do: what } });
    settle();
  }

  // What the page can write by itself, for the queries that the picture shows; null: nothing.
  function made(what) {
    const { p, s, slo, decision } = moment();
    if (keyOf(s) !== p.view) return null;
    if (what === "code") return codeOf(slo, s, p.paths[decision.chosen] ?? null);
    return what === "csv" ? tableCsv(p, { sort: "quality", down: true, search: "", brushed: new Set(decision.paths) }, fixed.columns) : null;
  }

  async function take(what) {
    if (what === "unbrush") { plotly.relayout(plot, { selections: [] }); return brush([]); }
    if (what === "png") return toPng();
    if (what === "link") return copy(store.link ? store.link(state()) : `explore(trace, state=${pythonic(state())})`);
    if (what === "table") return download(tableCsv(problem(), ordered(moment().decision), state().columns), "paths.csv");
    const text = (await store.file(what)) ?? made(what);
    if (text === null) return say(store.offline ? "The queries that are chosen are not in this page: take the filters back first." : "This needs a running kernel: run the cell again, then press the button.");
    if (what === "code") return copy(text);
    download(text, `explorer.${what}`);
    say(`Written: explorer.${what}.`);
  }
  async function copy(text) {
    let done = true;
    try { await navigator.clipboard.writeText(text); } catch { done = false; }
    say(`${done ? "Copied:" : "Copy these lines:"}\n${text}`);
  }

  // --- what hands do

  root.addEventListener("input", (event) => {
    const box = event.target.closest(".ecl-limit"), name = box?.dataset.limit;
    if (event.target.matches(".ecl-range-input")) {
      local.error[name] = undefined;
      change({ [name]: valueAt(name, Number(event.target.value)) });
      local.step = limitWords(name, state()[name]);
    } else if (event.target.matches(".ecl-typed")) event.target.dirty = true;
    else if (event.target.matches(".ecl-more")) local.more.n = event.target.value;
    else if (event.target.matches(".ecl-search")) { local.search = event.target.value; settle(); }
    else if (event.target.matches("[data-shown]")) change({ columns: fixed.columns.filter((name) => panel.querySelector(`[data-shown="${name}"]`).checked) });
  });
  root.addEventListener("change", (event) => {
    const { target } = event, name = target.closest(".ecl-limit")?.dataset.limit, s = state();
    if (target.matches(".ecl-range-input")) finish();
    else if (target.matches(".ecl-typed")) {
      target.dirty = false;
      if (target.value.trim() === asTyped(name, s[name])) return;
      const value = typed(name, target.value);
      local.error[name] = typeof value === "string" ? value : undefined;
      if (typeof value === "string") target.dirty = true; else change({ [name]: value }, limitWords(name, value));
      schedule();
    } else if (target.matches("select[data-key]")) change({ [target.dataset.key]: target.value }, `${target.dataset.key}: ${target.selectedOptions[0].textContent}`);
    else if (target.matches("[data-show]")) {
      const show = $$("[data-show]").filter((node) => node.checked).map((node) => node.dataset.show);
      change({ show }, `show ${show.join(", ") || "neither dominated paths nor those beyond a limit"}`);
    }
  });
  root.addEventListener("click", (event) => {
    const node = event.target.closest("button"), row = event.target.closest("tr[data-path]"), s = state();
    if (!node && row) return select(Number(row.dataset.path));
    if (!node) return;
    const { act, offer, tab, turn, step, key, value, column, snap, restore, forget } = node.dataset;
    if (act) acts[act]();
    else if (offer !== undefined) applySlo(local.offers[offer]);
    else if (node.matches(".ecl-all")) change({ dropped: {} }, "all components back");
    else if (node.matches(".ecl-win")) applySlo(local.change);
    else if (node.matches(".ecl-choice")) change({ [key]: value }, key === "prefer" ? `prefer ${value}` : `limits on ${STATISTIC_WORDS[value]}`);
    else if (tab) change({ tab });
    else if (turn) change({ query_page: Math.max(s.query_page + Number(turn), 0) });
    else if (step !== undefined) go(Number(step));
    else if (column !== undefined) { local.down = local.sorted && local.sort === column ? !local.down : column === "quality"; local.sort = column; local.sorted = true; settle(); }
    else if (node.dataset.take) take(node.dataset.take);
    else if (snap) keep();
    else if (restore !== undefined) { forgive(); change({ ...s.snapshots[restore], query_page: 0 }, `snapshot ${restore}`); }
    else if (forget !== undefined) change({ snapshots: withoutSnapshot(s, forget) });
    else if (node.dataset.scope) { local.more.scope = node.dataset.scope; if (s.tab !== "measure") change({ tab: "measure" }); measure("offer"); }
    else if (node.dataset.measure) measure(node.dataset.measure);
    else if (node.matches(".ecl-keep")) drop(node.closest("tr").dataset);
    else if (node.matches(".ecl-only")) insist(node.closest("tr").dataset);
    else if (node.matches(".ecl-brush")) {
      const { stage, slug } = node.closest("tr").dataset;
      brush(parts.flatMap((part, i) => (part[stage] === slug ? [i] : [])), `with ${slug} at ${fixed.stages[stage]}`);
    }
    else if (row) select(Number(row.dataset.path));
  });
  function drop({ stage, slug }) {
    const s = state(), list = s.dropped[stage] ?? [], off = list.includes(slug);
    const dropped = Object.fromEntries(Object.entries({ ...s.dropped, [stage]: off ? list.filter((one) => one !== slug) : [...list, slug] }).filter(([, slugs]) => slugs.length));
    change({ dropped }, `${off ? "took back" : "dropped"} ${slug}`);
  }
  function keep() {
    const { value } = panel.querySelector(".ecl-name");
    if (value.trim()) change({ snapshots: withSnapshot(state(), value) });
  }
  function insist({ stage, slug }) {
    const others = [...new Set(parts.map((part) => part[stage]))].filter((one) => one !== slug);
    change({ dropped: { ...state().dropped, [stage]: others } }, `only ${slug}`);
  }
  root.addEventListener("keydown", (event) => {
    const range = event.target.closest(".ecl-range-input");
    const by = { ArrowRight: 1, ArrowUp: 1, PageUp: 1, End: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -1, Home: -1 }[event.key];
    if (event.target.matches("[role=tab]") && by) {
      const names = $$("[role=tab]").map((node) => node.dataset.tab), to = names[(names.indexOf(event.target.dataset.tab) + by + names.length) % names.length];
      change({ tab: to });
      $(`[data-tab=${to}]`).focus();
    }
    if (event.key === "Enter" && event.target.matches(".ecl-name")) keep();
    if (event.key === "Enter" && event.target.matches(".ecl-more")) { event.target.blur(); measure("offer"); }
    if (event.key === "Enter" && event.target.matches(".ecl-typed")) event.target.dispatchEvent(new Event("change", { bubbles: true }));
    if (!range || !by || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const name = range.closest(".ecl-limit").dataset.limit, { p, slo } = moment(), wider = name === "min_quality" ? -by : by;
    const ends = { Home: name === "min_quality" ? null : Number(Math.exp(scales[name]?.low ?? 0).toPrecision(3)), End: name === "min_quality" ? 1 : null };
    const value = event.key in ends ? ends[event.key] : nextStep(p, slo, name, wider, event.key.startsWith("Page"));
    if (value === slo[name]) return;
    local.error[name] = undefined;
    change({ [name]: value });
    commitSoon(limitWords(name, value));
  });
  // Keys are the explorer's own: a letter must not edit the notebook around it. Only "save" passes.
  const saves = (event) => (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
  for (const kind of ["keydown", "keyup", "keypress"]) root.addEventListener(kind, (event) => { if (!saves(event)) event.stopPropagation(); });
  root.addEventListener("pointerdown", (event) => { mouse = event.target.matches(".ecl-range-input"); });
  const lift = () => { if (mouse) { mouse = false; finish(); schedule(); } };
  window.addEventListener("pointerup", lift);
  panel.addEventListener("pointerover", (event) => {
    const row = event.target.closest("tr[data-path]"), component = event.target.closest("tr[data-slug]");
    local.lit = row ? Number(row.dataset.path) : null;
    local.group = component ? moment().p.parts.flatMap((part, i) => (part[component.dataset.stage] === component.dataset.slug ? [i] : [])) : null;
    schedule();
  });
  panel.addEventListener("pointerleave", () => { local.lit = local.group = null; schedule(); });

  // --- beginning and end

  // Single outcomes and the source come anew once a measurement has ended; all else in `fixed` stays.
  let whole = store.get("fixed");
  const freshen = () => { if (store.get("fixed") !== whole) { whole = store.get("fixed"); Object.assign(fixed, { outcomes: decoded(whole.outcomes), source: whole.source }); problems.clear(); drawn = null; } schedule(); };
  const stop = [store.watch(freshen), watchTheme(root, () => { drawn = theme = null; problems.clear(); schedule(); })];
  const seen = new ResizeObserver(() => { if (plot.wired && plot.offsetWidth) plotly.Plots.resize(plot); });
  seen.observe($(".ecl-centre"));
  store.plotly().then((found) => { plotly = found; schedule(); }, (error) => { plot.textContent = `The plots could not be drawn: ${error.message}. The table below has their numbers.`; });
  schedule();
  const groups = () => {
    const box = plot.getBoundingClientRect();
    return drawn.scene.groups.map((one) => { const { x, y } = groupPlace(drawn.c.places, drawn.c, one, 0); return { ...one, at: [box.left + x, box.top + y] }; });
  };
  root.explorer = { moment, schedule, groups, scene: () => drawn?.scene, journey: () => store.get("journey"), stairs, busy: () => Boolean(frame || rest || committing) };  // to read from outside: tests and measurements do
  return () => {
    stop.forEach((end) => end());
    seen.disconnect();
    window.removeEventListener("pointerup", lift);
    if (plotly && plot.wired) plotly.purge(plot);
  };
}
