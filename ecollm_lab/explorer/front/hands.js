// What hands do: keys, mouse and typing change the state.

function listen(screen) {
  const { root, fixed, $, $$, local, state, panel, parts } = screen;
  root.addEventListener("input", (event) => {
    const box = event.target.closest(".ecl-limit"), name = box?.dataset.limit;
    if (event.target.matches(".ecl-range-input")) {
      local.error[name] = undefined;
      screen.change({ [name]: screen.valueAt(name, Number(event.target.value)) });
      local.step = limitWords(name, state()[name]);
    } else if (event.target.matches(".ecl-typed")) event.target.dirty = true;
    else if (event.target.matches(".ecl-more")) local.more.n = event.target.value;
    else if (event.target.matches(".ecl-search")) { local.search = event.target.value; screen.settle(); }
    else if (event.target.matches("[data-shown]")) screen.change({ columns: fixed.columns.filter((name) => panel.querySelector(`[data-shown="${name}"]`).checked) });
  });
  root.addEventListener("change", (event) => {
    const { target } = event, name = target.closest(".ecl-limit")?.dataset.limit, s = state();
    if (target.matches(".ecl-range-input")) screen.finish();
    else if (target.matches(".ecl-typed")) {
      target.dirty = false;
      const same = target.value.trim() === asTyped(name, s[name]), value = same ? s[name] : typed(name, target.value);
      local.error[name] = typeof value === "string" ? value : undefined;
      if (typeof value === "string") target.dirty = true; else if (!same) screen.change({ [name]: value }, limitWords(name, value));
      screen.schedule();
    } else if (target.matches("select[data-key]")) screen.change({ [target.dataset.key]: target.value, ...(target.dataset.key === "colour" ? {} : { query_page: 0 }) }, `${target.dataset.key}: ${target.selectedOptions[0].textContent}`);
    else if (target.matches("[data-show]")) {
      const show = $$("[data-show]").filter((node) => node.checked).map((node) => node.dataset.show);
      screen.change({ show }, `show ${show.join(", ") || "neither dominated paths nor those beyond a limit"}`);
    }
  });
  root.addEventListener("click", (event) => {
    const node = event.target.closest("button"), row = event.target.closest("tr[data-path]"), s = state();
    const again = event.detail > 1;  // the second press of a double click would take the first one back
    if (!node && row) return again || screen.select(Number(row.dataset.path));
    if (!node) return;
    const { act, offer, tab, turn, step, key, value, column, snap, restore, forget } = node.dataset;
    if (act) screen.acts[act]();
    else if (offer !== undefined) screen.applySlo(local.offers[offer]);
    else if (node.matches(".ecl-all")) screen.change({ dropped: {} }, "all components back");
    else if (node.matches(".ecl-win")) screen.applySlo(local.change);
    else if (node.matches(".ecl-choice")) screen.change({ [key]: value }, key === "prefer" ? `prefer ${value}` : `limits on ${STATISTIC_WORDS[value]}`);
    else if (tab) screen.change({ tab });
    else if (turn) screen.change({ query_page: turned(s.query_page, Number(turn), local.lastPage) });
    else if (step !== undefined) screen.go(Number(step));
    else if (column !== undefined) { local.down = local.sorted && local.sort === column ? !local.down : column === "quality"; local.sort = column; local.sorted = true; screen.settle(); }
    else if (node.dataset.take) screen.take(node.dataset.take);
    else if (snap) screen.keep();
    else if (restore !== undefined) { screen.forgive(); screen.change({ ...s.snapshots[restore], query_page: 0 }, `snapshot ${restore}`); }
    else if (forget !== undefined) screen.change({ snapshots: withoutSnapshot(s, forget) });
    else if (node.dataset.scope) { local.more.scope = node.dataset.scope; if (s.tab !== "measure") screen.change({ tab: "measure" }); screen.measure("offer"); }
    else if (node.dataset.measure) screen.measure(node.dataset.measure);
    else if (node.matches(".ecl-keep")) screen.drop(node.closest("tr").dataset);
    else if (node.matches(".ecl-only")) screen.insist(node.closest("tr").dataset);
    else if (node.matches(".ecl-brush")) {
      const { stage, slug } = node.closest("tr").dataset;
      screen.brush(parts.flatMap((part, i) => (part[stage] === slug ? [i] : [])), `with ${slug} at ${fixed.stages[stage]}`);
    }
    else if (row && !again) screen.select(Number(row.dataset.path));
  });
  root.addEventListener("keydown", (event) => {
    const range = event.target.closest(".ecl-range-input");
    const by = { ArrowRight: 1, ArrowUp: 1, PageUp: 1, End: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -1, Home: -1 }[event.key];
    if (event.target.matches("[role=tab]")) {
      const names = $$("[role=tab]").map((node) => node.dataset.tab), at = names.indexOf(event.target.dataset.tab);
      const to = { ArrowRight: names[(at + 1) % names.length], ArrowLeft: names.at(at - 1), Home: names[0], End: names.at(-1) }[event.key];
      if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      screen.change({ tab: to });
      $(`[data-tab=${to}]`).focus();
    }
    if (event.key === "Enter" && event.target.matches(".ecl-name")) screen.keep();
    if (event.key === "Enter" && event.target.matches(".ecl-more")) { event.target.blur(); screen.measure("offer"); }
    if (event.key === "Enter" && event.target.matches(".ecl-typed")) event.target.dispatchEvent(new Event("change", { bubbles: true }));
    if (!range || !by || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const name = range.closest(".ecl-limit").dataset.limit, { p, slo } = screen.moment(), wider = name === "min_quality" ? -by : by;
    const ends = { Home: name === "min_quality" ? null : Number(Math.exp(screen.scales[name]?.low ?? 0).toPrecision(3)), End: name === "min_quality" ? 1 : null };
    const value = event.key in ends ? ends[event.key] : nextStep(p, slo, name, wider, event.key.startsWith("Page"));
    if (value === slo[name]) return;
    local.error[name] = undefined;
    screen.change({ [name]: value });
    screen.commitSoon(limitWords(name, value));
  });
  // Keys are the explorer's own: a letter must not edit the notebook around it. Only "save" passes.
  const saves = (event) => (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
  for (const kind of ["keydown", "keyup", "keypress"]) root.addEventListener(kind, (event) => { if (!saves(event)) event.stopPropagation(); });
  // While a pointer is down on something that can be pressed, the part it is in is not drawn anew: it would be gone before the
  // pointer is let go, and the press lost. A slider is nothing of the kind, so a drag is drawn as ever.
  root.addEventListener("pointerdown", (event) => { screen.mouse = event.target.matches(".ecl-range-input"); screen.pressed = screen.mouse || event.button ? null : event.target.closest("button, tr[data-path], summary, label"); });
  const lift = () => {
    if (screen.mouse) screen.finish();
    if (screen.mouse || screen.pressed) screen.schedule();
    [screen.mouse, screen.pressed] = [false, null];
  };
  for (const kind of ["pointerup", "pointercancel"]) window.addEventListener(kind, lift);
  panel.addEventListener("pointerover", (event) => {
    const row = event.target.closest("tr[data-path]"), component = event.target.closest("tr[data-slug]");
    local.lit = row ? Number(row.dataset.path) : null;
    local.group = component ? screen.moment().p.parts.flatMap((part, i) => (part[component.dataset.stage] === component.dataset.slug ? [i] : [])) : null;
    screen.schedule();
  });
  panel.addEventListener("pointerleave", () => { local.lit = local.group = null; screen.schedule(); });

  return () => { for (const kind of ["pointerup", "pointercancel"]) window.removeEventListener(kind, lift); };
}
