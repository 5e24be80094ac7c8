// The two plots: what Plotly draws, what is painted above it, and what pointing and marking there do.

function plotsOf(screen) {
  const { root, store, fixed, $, local, state, plot, panel, sloOf, parts, setHtml } = screen;
  const MOST_TRAIL = 20;

  function colouring(s, p) {
    if (s.colour === "placement") return { of: (i) => p.looks[p.placement[i]], key: (i) => p.placement[i], list: Object.entries(p.looks).filter(([place]) => p.placement.includes(place)).map(([place, look]) => [place, look.colour, look.mark]), slug: () => null };
    const k = Number(s.colour), slugs = [...new Set(parts.map((part) => part[k]))], places = new Map(slugs.map((slug, at) => [slug, at])), { seen, dark } = screen.themed();
    const hues = new Map(), hue = (slug) => { if (!hues.has(slug)) hues.set(slug, seen(colourAt(fixed.palette, places.get(slug), dark))); return hues.get(slug); };
    return { of: (i) => ({ ...p.looks[p.placement[i]], colour: hue(parts[i][k]) }), key: (i) => parts[i][k], get list() { return slugs.map((slug) => [slug, hue(slug), "■"]); }, slug: (stage, slug) => (stage === k ? hue(slug) : null) };
  }

  // Plotly draws only when the selection, the colours or the hidden outlines change; a moved limit is painted above.
  function draw(now) {
    const { p, s, decision, pins, selected } = now, theme = screen.themed(), look = colouring(s, p), show = s.show;
    root.classList.toggle("ecl-dark", theme.dark);
    const key = JSON.stringify([p.view, p.outcomes, p.statistic, s.colour, theme.paper]);
    if (screen.drawn?.key !== key) {
      screen.drawn = { key, c: canvasOf(p), marks: p.paths.map((_, i) => ({ ...look.of(i), colour: theme.seen(look.of(i).colour) })), theme };
      setHtml($(".ecl-legend"), legendHtml(p, look.list) + (p.other ? othersLegend(p.other, theme.ghost) : ""));
    }
    const { c } = screen.drawn, whole = show.includes("dominated") && show.includes("beyond") && !p.allowed.includes(0);
    const hidden = whole ? "" : c.drawn.map((i) => ((p.state[i] !== "dominated" || show.includes("dominated")) && (decision.within[i] || show.includes("beyond")) && p.allowed[i] ? 1 : 0)).join("");
    if (screen.drawn.hidden !== hidden) {
      screen.drawn.hidden = hidden;
      const figure = figureOf(p, c, (i) => screen.drawn.marks[i], theme, c.drawn.map((i, k) => (hidden[k] === "0" ? null : c.y[i])));
      for (const axis of AXES) {  // a part that was zoomed into stays
        const range = plot._fullLayout?.[axis].range;
        if (range && plot.ranges && !sameValue(range, plot.ranges[axis])) figure.layout[axis].range = [...range];
        else (plot.ranges ??= {})[axis] = [...figure.layout[axis].range];
      }
      for (const [axis, ticks] of Object.entries(ticksOf(c, figure.layout))) Object.assign(figure.layout[axis], ticks);
      screen.plotly.react(plot, figure.data, figure.layout, { ...fixed.config, responsive: false });
      if (!plot.wired) wire();
    }
    const groups = show.includes("groups") ? groupsOf(p, c, decision, look.key, (i) => screen.drawn.marks[i].colour) : [];
    screen.drawn.scene = { ...now, c, marks: screen.drawn.marks, hidden, pins, lit: pointedAt(selected), groups, theme, policies: policiesAt(now) };
    paintOver();
    if (local.pointed !== null) showTip(spotPointedAt());
  }

  // Paths that are ringed: those pointed at, else those brushed and the selected one.
  function pointedAt(selected) {
    if (local.group) return local.group;
    if (local.lit !== null) return [local.lit];
    return [...new Set([...(selected === null ? [] : [selected]), ...(local.brushed ?? [])])];
  }

  function paintOver() {
    if (!screen.drawn?.scene || !plot._fullLayout) return;
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
    paint(context, plot._fullLayout, screen.drawn.scene);
    plot.dispatchEvent(new Event("painted"));
  }

  async function toPng() {
    const { width, height } = plot._fullLayout, scale = 2, canvas = Object.assign(document.createElement("canvas"), { width: scale * width, height: scale * height });
    const context = canvas.getContext("2d"), ground = new Image();
    ground.src = await screen.plotly.toImage(plot, { format: "png", width, height, scale });
    await ground.decode();
    context.fillStyle = screen.drawn.theme.paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(ground, 0, 0);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    paint(context, plot._fullLayout, screen.drawn.scene);
    canvas.toBlob((blob) => download(blob, "explorer.png"));
  }

  // The policy and what it is compared with, under the SLO or under the nearest one that was replayed; the policy leaves a trail.
  const askMarks = asker(store.ask);
  function policiesAt({ p, s, slo }) {
    if (!fixed.policies) return { marks: [], trail: [] };
    const where = keyOf(s), tables = store.get("marks"), found = nearestMarks(tables[where], slo);
    const keyAt = (one, on = where) => `marks|${JSON.stringify(sloOf(one))}|${on}`, problem = (key) => store.get("answers")[key]?.error;
    askMarks(keyAt(slo), (key) => Boolean(problem(key)) || Object.entries(tables).some(([on, { table }]) => table.some(([asked]) => keyAt(asked, on) === key)));
    const looks = Object.fromEntries(Object.entries(fixed.policies).map(([name, look]) => [name, { ...look, colour: screen.themed().seen(look.colour) }]));
    const marks = marksOf(found, looks, p.statistic), own = marks.find((mark) => mark.name === fixed.policy), at = JSON.stringify([where, p.statistic]);
    if (local.trailAt !== at) { local.trailAt = at; local.trail = []; }
    if (own && !sameValue(own, local.trail.at(-1))) local.trail = [...local.trail, own].slice(-MOST_TRAIL);
    setHtml($(".ecl-policies"), marksHtml(found, marks, slo, p.statistic, problem(keyAt(slo)) ?? (found ? null : store.problem(keyAt(slo)))));
    return { marks, trail: local.trail, pointed: local.pointed, found, statistic: p.statistic, slo };
  }

  // What is painted above the plots has no hover of Plotly's: a box with its numbers beside the mark under the mouse.
  function pointAtSpot(event) {
    const box = plot.getBoundingClientRect(), [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const spots = screen.drawn?.c.places?.spots ?? [], near = ({ at: [a, b] }) => Math.hypot(a - x, b - y) < 9, panel = spots.findIndex((list) => list.some(near)), spot = spots[panel]?.find(near);
    if ((spot?.name ?? null) === local.pointed) return;
    [local.pointed, local.pointedPanel] = [spot?.name ?? null, panel];
    showTip(spot);
    screen.schedule();
  }

  // The mark that is pointed at, as it is drawn now; a limit may have moved it, or taken it away.
  const spotPointedAt = () => screen.drawn.c.places?.spots?.[local.pointedPanel]?.find(({ name }) => name === local.pointed);

  function showTip(spot) {
    plot.querySelector(".ecl-tip")?.remove();
    if (spot) {
      const box = plot.getBoundingClientRect(), [a, b] = spot.at, tip = Object.assign(document.createElement("div"), { className: "ecl-tip", textContent: spot.card().join("\n") });
      Object.assign(tip.style, { top: `${b + 12}px`, ...(a > box.width / 2 ? { right: `${box.width - a + 12}px` } : { left: `${a + 12}px` }) });
      plot.append(tip);
    }
  }

  function wire() {
    plot.wired = true;
    const at = (event) => event.points.find((point) => point.customdata !== undefined && point.data.name === "cloud")?.customdata ?? null;
    plot.on("plotly_hover", (event) => { const i = at(event); if (i !== null) { local.lit = i; screen.schedule(); } });
    plot.addEventListener("mousemove", pointAtSpot);
    plot.addEventListener("mouseleave", pointAtSpot);
    plot.on("plotly_unhover", () => { local.lit = null; screen.schedule(); });
    plot.on("plotly_click", (event) => { const i = at(event); if (i !== null && !(event.event?.detail > 1)) screen.select(i); });
    plot.on("plotly_selected", (event) => {
      const found = (event?.points ?? []).filter((point) => point.data.name === "cloud").map((point) => point.customdata);
      brush(found, "inside the marked part of the plot");
    });
    for (const event of ["plotly_afterplot", "plotly_relayouting"]) plot.on(event, paintOver);
    plot.on("plotly_relayout", (event) => {
      if (Object.keys(event).some((key) => /^[xy]axis2?\.(auto)?range/.test(key))) freshTicks();
    });
    plot.on("plotly_deselect", () => brush([]));
    plot.addEventListener("mousemove", (event) => {  // marks of groups are painted above the plot, which does not know them
      const box = plot.getBoundingClientRect(), found = screen.drawn?.scene?.groups.length ? groupUnder(screen.drawn.scene, event.clientX - box.left, event.clientY - box.top) : null;
      if ((found?.paths ?? null) !== local.group) { local.group = found?.paths ?? null; screen.schedule(); }
    });
    plot.addEventListener("mouseleave", () => { if (local.group) { local.group = null; screen.schedule(); } });
  }

  // Select some paths: ringed in the plots, counted in the components, listed in the table. The same again, or none: all paths.
  function brush(paths, by = "") {
    const same = paths.length && by === local.brushedBy && paths.length === local.brushed?.size && paths.every((i) => local.brushed.has(i));
    [local.brushed, local.brushedBy, local.tabShown] = paths.length && !same ? [new Set(paths), by, ""] : [null, "", ""];
    if (local.brushed && state().tab !== "components") screen.change({ tab: "paths" });
    screen.schedule();
  }

  // Labels along the axes for the part that is zoomed into.
  function freshTicks() {
    const update = Object.entries(ticksOf(screen.drawn.c, plot._fullLayout)).flatMap(([axis, ticks]) => Object.entries(ticks).map(([name, value]) => [`${axis}.${name}`, value]));
    screen.plotly.relayout(plot, Object.fromEntries(update));
  }

  return { colouring, draw, toPng, brush };
}
