// The screen: controls, plot, card and tables around one state. It decides, draws and explains by itself;
// a kernel is asked only for what needs a computation (other queries, texts, a policy's replay, files).

function mount(root, store) {
  const fixed = decoded(store.get("fixed")), $ = (what) => root.querySelector(what), $$ = (what) => [...root.querySelectorAll(what)];
  const local = { lit: null, group: null, brushed: null, brushedBy: "", sort: "quality", down: true, sorted: false, search: "", error: {}, step: null, view: null, tabShown: "", trail: [], pointed: null, sr: "", more: { scope: "emulator", n: 20 } };
  let frame = 0;
  root.classList.add("ecl");
  root.innerHTML = skeleton(fixed);
  const state = () => store.get("state"), plot = $(".ecl-plot"), panel = $(".ecl-panel");
  const sloOf = (s) => ({ max_latency_s: s.max_latency_s, max_cost_usd: s.max_cost_usd, min_quality: s.min_quality, prefer: s.prefer });
  const index = new Map(fixed.paths.map((path, i) => [path, i])), { parts } = fixed;
  // New HTML in a part of the screen, unless a pointer is down in it; tells whether the part shows it now. What had the keyboard's
  // focus there has it again: what is called alike, else what is around it.
  const called = (one) => JSON.stringify([one.tagName, one.className, { ...one.dataset }, { ...one.closest("tr")?.dataset }]);
  const setHtml = (node, html) => {
    if (node.cached === html) return true;
    if (screen.pressed && node.contains(screen.pressed)) return false;
    const held = document.activeElement, inside = held !== node && node.contains(held), name = inside && called(held);
    node.innerHTML = node.cached = html;
    if (inside) ([...node.querySelectorAll(held.tagName)].find((one) => called(one) === name && !one.disabled) ?? node.closest("[tabindex]"))?.focus({ preventScroll: true });
    return true;
  };
  // What the parts of the screen share: what stays, what changes, and each other's functions.
  const screen = { root, store, fixed, $, $$, local, state, plot, panel, sloOf, index, parts, setHtml, moment, schedule,
    theme: null, plotly: null, drawn: null, rest: 0, committing: 0, mouse: false, pressed: null };
  for (const part of [problemsOf, stepsOf, plotsOf, tabsOf]) Object.assign(screen, part(screen));
  const deaf = listen(screen);

  // --- what is drawn each time

  function moment() {
    const p = screen.problem(), s = state(), slo = sloOf(s);
    p.decisions ??= new Map();
    const key = JSON.stringify(slo);
    if (!p.decisions.has(key)) { if (p.decisions.size > 500) p.decisions.clear(); p.decisions.set(key, [decide(p, slo), p.other && decide(p.other, p.other.slo ?? slo)]); }
    const [decision, otherDecision] = p.decisions.get(key), other = p.other && { q: p.other, slo: p.other.slo ?? slo, decision: otherDecision };
    return { p, s, slo, decision, other, pins: s.pins.map((path) => index.get(path)).filter((i) => i !== undefined), selected: index.get(s.selected) ?? null };
  }

  function render() {
    frame = 0;
    const now = moment(), { p, s, slo, decision, other, pins, selected } = now, shown = local.lit ?? selected ?? decision.chosen;
    const over = decision.chosen === null ? null : screen.overShare(decision.chosen, slo, "both");
    const waiting = keyOf(s) === p.view ? "" : ` <span class="ecl-warn">${escaped(store.get("answers")[`view|${keyOf(s)}`]?.error ?? store.problem(`view|${keyOf(s)}`) ?? "Computing these queries; until then the picture shows the ones before.")}</span>`;
    const lost = store.get("forgotten") ?? [];
    const versusOther = other ? `<br><span class="ecl-versus">${cut(versus(p, decision, other.q, other.decision), 600)}</span>` : "";
    const without = dropping(p, slo, decision), withoutDropped = without ? `<br><span class="ecl-without">${cut(without, 400)}</span>` : "";
    setHtml($(".ecl-sentence"), sentence(p, slo, decision, over, pins) + withoutDropped + versusOther + waiting + (lost.length ? ` <span class="ecl-warn">No longer fits: ${cut(lost.join("; "))}.</span>` : "")
      + (store.get("linked") ? ` <span class="ecl-warn">${cut(store.get("linked"))}</span>` : ""));
    root.dataset.chosen = decision.chosen === null ? "" : fixed.paths[decision.chosen];
    root.classList.toggle("ecl-infeasible", decision.chosen === null);
    const offers = decision.chosen === null ? nearestFeasible(p, slo).nearest : [];
    const back = decision.chosen === null && Object.values(s.dropped).some((list) => list.length) ? `<button class="ecl-all">→ take all components back</button>` : "";
    if (setHtml($(".ecl-offers"), offers.map((to, k) => `<button data-offer="${k}">→ ${escaped(changes(slo, to))}</button>`).join("") + back)) local.offers = offers;
    renderLimits(now);
    for (const node of $$(".ecl-choice")) renderChoice(now, node, node.dataset);
    for (const node of $$("select[data-key]")) node.value = s[node.dataset.key];
    for (const node of $$("[data-show]")) node.checked = s.show.includes(node.dataset.show);
    const journey = store.get("journey");
    $("[data-act=undo]").disabled = journey.at <= 0 && !local.step;
    $("[data-act=redo]").disabled = journey.at >= journey.steps.length - 1;
    const change = shown === null || shown === decision.chosen ? null : smallestChange(p, slo, shown);
    const share = shown === null ? null : screen.overShare(shown, slo, "latency", false);
    if (setHtml($(".ecl-card"), cardHtml(p, slo, decision, shown, pins, share && share.share, change)
      + (fixed.measure && shown !== null && shown === (selected ?? decision.chosen) && (p.state[shown] === "ambiguous" || p.n[shown] < p.queries) ? `<button data-scope="selected">What would more outcomes of it cost?</button>` : "")
      + (other && !other.q.slo && shown !== null ? `<p class="ecl-dim">${cut(twinWords(p, shown, other.q, other.decision))}</p>` : ""))) local.change = change;
    setHtml($(".ecl-mixes"), mixHtml(p, slo, decision.paths, Boolean($(".ecl-mixes details")?.open)));
    if (screen.plotly) screen.draw(now);
    if (s.tab === "components") markComponents(panel, p, local.group ?? (local.lit === null ? [] : [local.lit]));
    clearTimeout(screen.rest);
    screen.rest = setTimeout(screen.settle, screen.mouse ? 250 : 60);
  }
  function schedule() { frame ||= requestAnimationFrame(render); }

  // A choice is pressed if it is set; it cannot be pressed if it asks for a number that was recorded of no path.
  function renderChoice({ p, s }, node, { key, value }) {
    const tip = CHOICES[key].find(([name]) => name === value)[1];
    node.setAttribute("aria-pressed", String(s[key] === value));
    node.disabled = pointless(p, key, value);
    node.title = node.disabled ? `${value} was not recorded` : tip;
  }

  function renderLimits({ p, slo }) {
    for (const box of $$(".ecl-limit")) {
      const name = box.dataset.limit, range = box.querySelector(".ecl-range-input"), input = box.querySelector(".ecl-typed");
      const [svg, note] = bandHtml(p, slo, name, screen.place(name));
      setHtml(box.querySelector("svg"), svg);
      setHtml(box.querySelector(".ecl-note"), local.error[name] ? `<b class="ecl-warn">${escaped(local.error[name])}</b>` : escaped(note));
      const at = screen.place(name)(slo[name]);
      if (Number(range.value) !== at && !(screen.mouse && document.activeElement === range)) range.value = at;
      range.setAttribute("aria-valuetext", limitWords(name, slo[name]));
      range.disabled = input.disabled = Boolean(screen.scales[name]?.none);
      input.setAttribute("aria-invalid", String(Boolean(local.error[name])));
      if (!local.error[name] && (document.activeElement !== input || !input.dirty)) { input.value = asTyped(name, slo[name]); input.placeholder = "no limit"; }
    }
  }

  // --- beginning and end

  // Single outcomes and the source come anew once a measurement has ended; all else in `fixed` stays.
  let whole = store.get("fixed");
  const freshen = () => { if (store.get("fixed") !== whole) { whole = store.get("fixed"); Object.assign(fixed, { outcomes: decoded(whole.outcomes), source: whole.source }); screen.forget(); screen.drawn = null; } schedule(); };
  const stop = [store.watch(freshen), watchTheme(root, () => { screen.drawn = screen.theme = null; local.tabShown = ""; screen.forget(); schedule(); })];
  const seen = new ResizeObserver(() => { if (plot.wired && plot.offsetWidth) screen.plotly.Plots.resize(plot); });
  seen.observe($(".ecl-centre"));
  store.plotly().then((found) => { screen.plotly = found; schedule(); }, (error) => { plot.textContent = `The plots could not be drawn: ${error.message}. The table below has their numbers.`; });
  schedule();
  const groups = () => {
    const box = plot.getBoundingClientRect();
    return screen.drawn.scene.groups.map((one) => { const { x, y } = groupPlace(screen.drawn.c.places, screen.drawn.c, one, 0); return { ...one, at: [box.left + x, box.top + y] }; });
  };
  root.explorer = { moment, schedule, groups, scene: () => screen.drawn?.scene, journey: () => store.get("journey"), stairs, busy: () => Boolean(frame || screen.rest || screen.committing) };  // to read from outside: tests and measurements do
  return () => {
    stop.forEach((end) => end());
    seen.disconnect();
    deaf();
    if (screen.plotly && plot.wired) screen.plotly.purge(plot);
  };
}
