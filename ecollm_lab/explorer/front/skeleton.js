// The frame of the screen as HTML, and the names of what can be pressed in it.

const TABS = { paths: "paths", components: "components", queries: "queries behind the path", policy: "policy replay", measure: "measure more", journey: "journey and snapshots", take: "take it with you" };
const tabsIn = (fixed) => Object.keys(TABS).filter((name) => name !== "measure" || fixed.measure);
const CHOICES = { prefer: [["quality", "best quality"], ["cost", "cheapest of those nearly as good"], ["latency", "fastest of those nearly as good"]],
  statistic: [["mean", "limits hold for means"], ["p95", "limits hold for 95th percentiles; only quality is resampled then, cost and latency are taken as they are"]] };
const SHOWN = { dominated: "dominated", beyond: "beyond limits", groups: "one mark per colour" };
const LABELS = { max_latency_s: "Latency limit", max_cost_usd: "Cost limit", min_quality: "Least quality" };
// What a page without a kernel cannot hand out, and why.
const NOT_IN_A_PAGE = { toml: "The file for serving says where the numbers come from, which this page does not hold: call explorer.to_toml(file) in Python.", html: "This is the offline page: keep its file.",
  filter: "This page holds no other queries than these: choosing others needs a kernel. Open the trace in a notebook." };

function skeleton(fixed) {
  const own = Math.random().toString(36).slice(2);  // several explorers may stand on a page, and no two parts of it may have one id
  const limit = (name) => `<div class="ecl-limit" data-limit="${name}"><label><span>${LABELS[name]}</span> <input class="ecl-typed" type="text" inputmode="decimal"
    autocomplete="off" spellcheck="false" aria-label="${LABELS[name]}, type a value${UNITS[name] ? ` in ${UNITS[name]}` : ""}" aria-describedby="ecl-${own}-${name}"><span class="ecl-unit">${{ max_latency_s: "ms", max_cost_usd: "USD/1,000", min_quality: "0 to 1" }[name]}</span></label>
    <input class="ecl-range-input" type="range" min="0" max="1" step="any" aria-label="${LABELS[name]}"><svg class="ecl-strip" viewBox="0 0 100 16" preserveAspectRatio="none" aria-hidden="true"></svg>
    <div class="ecl-note" id="ecl-${own}-${name}"></div></div>`;
  const group = (name, label) => `<div class="ecl-row" role="group" aria-label="${label}"><span>${label}</span>${CHOICES[name].map(([value, tip]) =>
    `<button class="ecl-choice" data-key="${name}" data-value="${value}" title="${tip}" aria-pressed="false">${value}</button>`).join("")}</div>`;
  const select = (name, options) => `<label class="ecl-select"><span>${name}</span><select data-key="${name}">${options.map(([value, text]) =>
    `<option value="${escaped(value)}">${cut(text, 40)}</option>`).join("")}</select></label>`;
  const filters = ["split", "kind", "cluster"].filter((name) => fixed.choices[name].length > 2).map((name) => select(name, fixed.choices[name].map((v) => [v, v])));
  const colours = [["placement", "where it runs"], ...fixed.stages.map((name, k) => [String(k), name])];
  return `<div class="ecl-top" tabindex="-1"><div class="ecl-sentence"></div><div class="ecl-offers"></div></div><div class="ecl-sr" role="status" aria-live="polite"></div>
    <div class="ecl-middle"><div class="ecl-controls">${LIMITS.map(limit).join("")}${group("prefer", "prefer")}${group("statistic", "limits on")}
      <div class="ecl-filters">${filters.join("")}${select("colour", colours)}</div>
      <div class="ecl-row">${Object.entries(SHOWN).map(([value, text]) => `<label><input type="checkbox" data-show="${value}"> ${text}</label>`).join("")}</div>
      <div class="ecl-row">${[["undo", "↶ undo", "undo the last step"], ["redo", "↷ redo", "do it again"], ["reset", "start", "back to the start"], ["pin", "pin", "pin the selected path or the winner, to compare others with it; again to unpin; up to three"]]
    .map(([act, text, tip]) => `<button data-act="${act}" title="${tip}">${text}</button>`).join("")}</div></div>
    <div class="ecl-centre"><div class="ecl-legend"></div><div class="ecl-legend ecl-policies"></div><div class="ecl-plot" role="figure" aria-label="Two plots, quality against cost and quality against latency, one point per path. The same numbers are in the table of paths."></div><div class="ecl-mixes"></div></div>
    <div class="ecl-card" tabindex="-1" aria-label="the path that is pointed at or selected"></div></div>
    <div class="ecl-tabs"><div role="tablist" aria-label="tables">${tabsIn(fixed).map((name) => `<button role="tab" data-tab="${name}" aria-selected="false">${TABS[name]}</button>`).join("")}</div>
    <div class="ecl-panel" role="tabpanel" tabindex="0"></div></div>`;
}
