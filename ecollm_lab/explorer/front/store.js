// Where the state lives: in a widget's model beside a kernel, or in a page by itself. And what bytes, themes and files need.

const TYPES = { source: Uint8Array, replicates: Int16Array, raw: Int16Array, split: Uint16Array, kind: Uint16Array, cluster: Uint16Array };

// Arrays arrive as bytes: buffers from a kernel, base64 in a page. Everything else stays as it is.
function decoded(value, name = "") {
  if (value instanceof DataView || (value && value.bytes !== undefined)) {
    let bytes = value instanceof DataView ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : Uint8Array.from(atob(value.bytes), (c) => c.charCodeAt(0));
    if (bytes.byteOffset % 8 || bytes.buffer.byteLength !== bytes.byteLength) bytes = bytes.slice();
    return new (TYPES[name] ?? (name.endsWith("32") ? Float32Array : Float64Array))(bytes.buffer);
  }
  if (Array.isArray(value)) return value.map((one) => decoded(one, name));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, one]) => [key.replace(/32$/, ""), decoded(one, key)]));
  return value;
}

// Plotly, once for all explorers of a page; where it could not be read, the next one tries again.
async function loadPlotly(bytes) {
  const loading = globalThis.ecollPlotly ??= (async () => {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const module = { exports: {} };
    new Function("module", "exports", await new Response(stream).text())(module, module.exports);
    return module.exports;
  })();
  try { return await loading; } catch (error) {
    if (globalThis.ecollPlotly === loading) delete globalThis.ecollPlotly;
    throw error;
  }
}

const NO_KERNEL = "These were not computed before, and no kernel is running to compute them. Run the cell again; everything else works.";

function widgetStore(model) {
  const asked = new Map(), watchers = new Set(), files = new Map();
  let own = null, number = 0, dead = false;
  const tell = () => watchers.forEach((watcher) => watcher());
  const find = (reference) => model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));
  find(model.get("own")).then((found) => { own = found; tell(); }, () => {});
  const alive = () => !dead && (own === null || own.comm_live);
  const send = (message) => { try { if (alive()) model.send(message); } catch { dead = true; } };
  model.on("change", () => {
    for (const key of Object.keys(model.get("answers"))) asked.delete(key);
    for (const key of Object.keys(model.get("views"))) asked.delete(`view|${key}`);
    for (const key of [...asked.keys()]) if (key.startsWith("marks|")) asked.delete(key);
    tell();
  });
  const end = (key, found) => { files.get(key)?.(found); files.delete(key); };
  model.on("comm_live_update", () => { if (!alive()) [...files.keys()].forEach((key) => end(key, null)); tell(); });
  model.on("msg:custom", ({ file, ...found }) => end(file, found));
  return {
    get: (name) => model.get(name),
    set(values) {
      for (const [name, value] of Object.entries(values)) model.set(name, value);
      if (alive()) model.save_changes();
    },
    ask(key) {
      if (asked.has(key)) return;
      asked.set(key, Date.now());
      send({ ask: key });
      setTimeout(tell, 5100);
    },
    alive,
    tell: send,
    problem: (key) => (alive() && Date.now() - (asked.get(key) ?? Date.now()) < 5000 ? null
      : alive() ? "The kernel has not answered yet: it is busy with another cell, or gone. The picture follows once it answers." : NO_KERNEL),
    // The text of a file, or why there is none; null where no kernel runs, or none has answered in so many milliseconds.
    file(what, patience = null) {
      if (!alive()) return Promise.resolve(null);
      const key = `${what}#${number++}`;
      return new Promise((resolve) => {
        files.set(key, resolve);
        send({ file: key });
        if (!alive()) end(key, null);
        if (patience !== null) setTimeout(() => end(key, null), patience);
      });
    },
    watch(watcher) { watchers.add(watcher); return () => watchers.delete(watcher); },
    plotly: async () => loadPlotly((await find(model.get("library"))).get("source")),
  };
}

function pageStore(data) {
  const watchers = new Set(), own = data.state;
  const follow = () => {
    if (location.hash.length < 2) return;
    const [said, fault] = fromLink(location.hash.slice(1), data.fixed);
    data.state = { ...own, ...said };
    data.linked = fault && `This link cannot be used: ${fault}. The page shows the state it was written with.`;
    data.journey = addStep(data.journey, data.state, fault ? "as the page was written" : "from the link");
    watchers.forEach((watcher) => watcher());
  };
  follow();
  window.addEventListener("hashchange", follow);
  return {
    get: (name) => data[name],
    set(values) { Object.assign(data, values, { linked: null }); watchers.forEach((watcher) => watcher()); },
    ask: () => {},
    alive: () => false,
    tell: () => {},
    problem: () => "This page holds the queries and answers it was written with, and no kernel runs to compute others. The filters it knows work; so does everything else.",
    file: () => Promise.resolve(null),
    offline: true,
    link: (state) => `${location.href.split("#")[0]}#${encodeURIComponent(JSON.stringify(state))}`,
    watch(watcher) { watchers.add(watcher); return () => watchers.delete(watcher); },
    plotly: () => loadPlotly(decoded({ source: data.library }).source),
  };
}

// --- light and dark: by the ground the explorer stands on, whatever drew it

function groundOf(node) {
  for (let one = node; one; one = one.parentElement) {
    const found = getComputedStyle(one).backgroundColor.match(/[\d.]+/g)?.map(Number);
    if (found && (found.length < 4 || found[3] > 0.5)) return found.slice(0, 3);
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? [17, 17, 17] : [255, 255, 255];
}

function themeOf(root) {
  const ground = groundOf(root.parentElement ?? root), dark = luminance(ground) < 0.3, paper = `rgb(${ground.join(",")})`;
  const seen = (colour) => readable(colour, ground, 3.1);
  return { dark, paper, ink: dark ? "#eeeeee" : "#222222", dim: dark ? "#b5b5b5" : "#5c5c5c", faint: dark ? "#8a8a8a" : "#8a8a8a",
    grid: dark ? "rgba(255,255,255,0.10)" : "rgba(0,0,0,0.08)", pale: dark ? "rgba(190,190,190,0.35)" : "rgba(130,130,130,0.35)",
    veil: `rgba(${ground.join(",")},0.62)`, thin: dark ? "#333333" : "#e5e5e5", thick: dark ? "#999999" : "#8c8c8c",
    halo: seen("#CC79A7"), ghost: seen("#882255"), lit: seen("#E69F00"), seen };
}

const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
function luminance(rgb) {
  const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(one, other) {
  const [a, b] = [luminance(one), luminance(other)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}
const inkOn = (colour) => (contrast(channels(colour), [0, 0, 0]) > contrast(channels(colour), [255, 255, 255]) ? "#000000" : "#ffffff");
// The colour of a component by its number: those of the palette, then the same but for greys, two steps away from the ground.
function colourAt(palette, at, dark) {
  if (at < palette.length) return palette[at];
  const hues = palette.map(channels).filter((rgb) => new Set(rgb).size > 1), k = at - palette.length;
  const share = [0.35, 0.6][Math.floor(k / hues.length) % 2];
  return hexOf(hues[k % hues.length].map((v) => Math.round(v + share * ((dark ? 255 : 0) - v))));
}
const hexOf = (rgb) => `#${rgb.map((v) => v.toString(16).padStart(2, "0")).join("")}`;
// A colour moved towards black or white until it stands out from a ground.
function readable(colour, ground, least) {
  const to = luminance(ground) < 0.3 ? 255 : 0;
  let rgb = channels(colour);
  for (let k = 0; k < 20 && contrast(rgb, ground) < least; k++) rgb = rgb.map((v) => Math.round(v + 0.1 * (to - v)));
  return hexOf(rgb);
}

function watchTheme(root, act) {
  const observer = new MutationObserver(act), media = matchMedia("(prefers-color-scheme: dark)");
  for (const node of [document.documentElement, document.body]) observer.observe(node, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class", "data-theme"] });
  media.addEventListener("change", act);
  return () => { observer.disconnect(); media.removeEventListener("change", act); };
}

function download(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(text instanceof Blob ? text : new Blob([text]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
