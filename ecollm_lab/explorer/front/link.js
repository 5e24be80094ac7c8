// The state that a link carries. Links are cut short, edited by hand, or made for another page: nothing in one is believed unchecked.

const MOST_PINS = 3;

// What each key of a state may hold on a page with this `fixed`; states.py says the same of what Python is given.
function rulesOf(fixed) {
  const among = (list) => (v) => list.includes(v), each = (rule) => (v) => Array.isArray(v) && v.every(rule), none = (rule) => (v) => v === null || rule(v);
  const within = (low, high) => (v) => Number.isFinite(v) && v >= low && v <= high, first = (pairs) => among(pairs.map(([name]) => name));
  const limit = none(within(Number.MIN_VALUE, LARGEST)), stage = among(fixed.stages.map((_, k) => String(k))), path = among(fixed.paths);
  const filters = Object.entries(fixed.choices).map(([name, values]) => [name, among(values)]);
  const decided = { max_latency_s: limit, max_cost_usd: limit, min_quality: none(within(0, 1)), prefer: first(CHOICES.prefer), statistic: first(CHOICES.statistic),
    ...Object.fromEntries(filters), show: each(among(Object.keys(SHOWN))), colour: (v) => v === "placement" || stage(v), selected: none(path), pins: (v) => each(path)(v) && v.length <= MOST_PINS,
    dropped: (v) => isTable(v) && Object.entries(v).every(([k, slugs]) => stage(k) && each(among(fixed.parts.map((part) => part[k])))(slugs)) };
  const whole = (v) => isTable(v) && !faultsOf(v, decided).length && Object.keys(decided).every((key) => Object.hasOwn(v, key));
  return { ...decided, version: among([1]), query_page: (v) => Number.isInteger(v) && v >= 0, tab: among(tabsIn(fixed)), columns: each(among(fixed.columns)),
    snapshots: (v) => isTable(v) && Object.values(v).every(whole) };
}

const isTable = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const faultsOf = (said, rules) => Object.keys(said).filter((key) => !Object.hasOwn(rules, key) || !rules[key](said[key]));

// What a link says of the state and null, or null and why it cannot be used.
function fromLink(text, fixed) {
  let said = null;
  try { said = JSON.parse(decodeURIComponent(text)); } catch { /* said below */ }
  if (!isTable(said)) return [null, "it is cut short or damaged"];
  const [fault] = faultsOf(said, rulesOf(fixed));
  return fault === undefined ? [said, null] : [null, `its ${fault.slice(0, 40)} does not fit this page (${JSON.stringify(said[fault]).slice(0, 60)})`];
}
