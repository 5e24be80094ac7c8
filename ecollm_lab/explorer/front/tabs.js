// The tables under the plots, written once things are at rest; and what can be taken along.

function tabsOf(screen) {
  const { store, fixed, $, $$, local, state, plot, panel, sloOf, index, setHtml } = screen;
  const replayKey = () => `replay|${JSON.stringify(sloOf(state()))}|${keyOf(state())}`;
  function settle() {
    screen.rest = 0;
    const now = screen.moment(), { p, s, decision } = now, plain = $(".ecl-sentence").textContent.trim();
    if (local.sr !== plain) { local.sr = plain; $("[role=status]").textContent = plain; }
    for (const node of $$("[role=tab]")) {
      node.setAttribute("aria-selected", String(node.dataset.tab === s.tab));
      node.tabIndex = node.dataset.tab === s.tab ? 0 : -1;
    }
    countOptions(s);
    if (!(screen.pressed && panel.contains(screen.pressed))) {  // not under a pointer that is down: the press would be lost
      tabs[s.tab](now);
      if (s.tab === "paths") markRows(now);
    }
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
      setHtml(panel.querySelector(".ecl-count"), escaped(count) + part + first);
      for (const node of panel.querySelectorAll("[data-shown]")) node.checked = s.columns.includes(node.dataset.shown);
      setHtml(panel.querySelector(".ecl-rows"), html);
      panel.cached = undefined;
    },
    components({ p, s, slo, decision }) {
      local.tabShown = "";
      const by = local.brushed ? `<p>${plural(local.brushed.size, "path")} selected, ${escaped(local.brushedBy)}. <button data-take="unbrush">all paths</button></p>` : "";
      setHtml(panel, by + componentsHtml(p, slo, decision, screen.colouring(s, p).slug, local.brushed));
      markComponents(panel, p, local.group ?? (local.lit === null ? [] : [local.lit]));
    },
    queries({ p, s, decision }) {
      local.tabShown = "";
      const i = index.get(s.selected) ?? decision.chosen;
      if (i === null || i === undefined) return setHtml(panel, `<p class="ecl-dim">No path is selected and none is feasible.</p>`);
      const kinds = keyOf(s) === p.view ? kindsHtml(p, i) : "";
      setHtml(panel, kinds + answered(`queries|${fixed.paths[i]}|${keyOf(s)}`, (answer) => {
        const pages = Math.max(Math.ceil((answer.rows ?? []).length / PER_PAGE), 1), page = Math.min(s.query_page, pages - 1);
        local.lastPage = pages - 1;
        return `<div class="ecl-row"><button data-turn="-1" ${page ? "" : "disabled"}>◀ previous</button><button data-turn="1" ${page < pages - 1 ? "" : "disabled"}>next ▶</button>
          <span><b>${cut(fixed.paths[i], 90)}</b> · ${worstWords(answer)} · page ${page + 1} of ${pages}</span></div>${queriesHtml(answer, page)}`;
      }));
    },
    policy({ p, slo }) {
      local.tabShown = "";
      setHtml(panel, fixed.policy ? answered(replayKey(), (answer) => replayHtml(p, answer, slo))
        : `<p class="ecl-dim">No policy was given. <code>explore(trace, fit_policy(trace.split("train")))</code> shows here, and in the plots, what it would choose for each kind of query under this SLO.</p>`);
    },
    measure({ p, s, decision, selected }) {
      local.tabShown = "";
      if (document.activeElement?.matches(".ecl-more") && panel.contains(document.activeElement)) return;  // somebody is typing
      setHtml(panel, fixed.measure ? measureHtml(store.get("measuring"), local.more, scopeSizes(p, decision, selected), store.alive() ? null : NOT_HERE, s)
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
      setHtml(panel, `<div class="ecl-row">${buttons.map(([what, text]) => `<button data-take="${what}" ${store.offline && NOT_IN_A_PAGE[what] ? `disabled title="${NOT_IN_A_PAGE[what]}"` : ""}>${text}</button>`).join("")}</div><pre class="ecl-said">${escaped(local.saidOf === saidOf() ? local.said ?? "" : "")}</pre>`);
    },
  };

  // What was said of a file holds for the state it was written from: once another is set, it is gone.
  const saidOf = () => JSON.stringify(decided(state()));
  const say = (text, of = saidOf()) => { [local.said, local.saidOf] = [text, of]; settle(); };
  // Outcomes on demand: the offer is for the place and number that are set, so changing them asks for another; a limit or
  // a selection that was changed since makes it old, and then it must be asked for again.
  function measure(what) {
    const { scope, n } = local.more;
    store.tell({ measure: what === "offer" ? { do: what, scope, n: Number(n) || 0 } : { do: what } });
    settle();
  }

  // What the page can write by itself, for the queries that the picture shows; null: nothing.
  function made(what) {
    const { p, s, slo, decision } = screen.moment();
    if (keyOf(s) !== p.view) return null;
    if (what === "code") return codeOf(slo, s, p.paths[decision.chosen] ?? null);
    return what === "csv" ? selectionCsv(p, decision) : null;
  }

  async function take(what) {
    if (what === "unbrush") { screen.plotly.relayout(plot, { selections: [] }); return screen.brush([]); }
    if (what === "png") return screen.toPng();
    if (what === "link") return copy(store.link ? store.link(state()) : `explore(trace, state=${pythonic(state())})`);
    if (what === "table") return download(tableCsv(screen.problem(), ordered(screen.moment().decision), state().columns), "paths.csv");
    const own = made(what), of = saidOf();
    if (store.alive()) say("Asking the kernel: the file follows once it answers.");
    const found = await store.file(what, own === null ? null : 15000), text = found === null ? own : found.text;
    if (found?.error) return say(found.error, of);
    if (text === null) return say(store.offline ? "The queries that are chosen are not in this page: take the filters back first." : "This needs a running kernel: run the cell again, then press the button.", of);
    if (what === "code") return copy(text, of);
    download(text, `explorer.${what}`);
    say(`Written: explorer.${what}.`, of);
  }
  async function copy(text, of = saidOf()) {
    let done = true;
    try { await navigator.clipboard.writeText(text); } catch { done = false; }
    say(`${done ? "Copied:" : "Copy these lines:"}\n${text}`, of);
  }

  return { settle, measure, take };
}
