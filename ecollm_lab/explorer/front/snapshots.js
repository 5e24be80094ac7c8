// Snapshots: states that bear a name, kept in the state itself. And a state as a line of Python, its queries as a key.

const LONGEST_NAME = 60;

// What a snapshot keeps of a state: all that is decided, not where one looks.
const decided = (state) => Object.fromEntries(Object.entries(state).filter(([key]) => !APART.includes(key) && key !== "version"));

// The key of the queries that a state selects; Python writes the same.
const keyOf = (s) => [s.split, s.kind, s.cluster].map((value) => value.replace(/[%|]/g, (c) => (c === "|" ? "%7C" : "%25"))).join("|");

function withSnapshot(state, name) {
  return { ...state.snapshots, [name.trim().slice(0, LONGEST_NAME)]: decided(state) };
}

function withoutSnapshot(state, name) {
  return Object.fromEntries(Object.entries(state.snapshots).filter(([other]) => other !== name));
}

function snapshotsHtml(snapshots) {
  const rows = Object.entries(snapshots).map(([name, s]) => `<li><button data-restore="${escaped(name)}">${escaped(name)}</button>
    <span class="ecl-dim">${escaped(spell(s))}, prefer ${escaped(s.prefer)}</span> <button data-forget="${escaped(name)}" aria-label="delete the snapshot ${escaped(name)}">✕ delete</button></li>`).join("");
  return `<div class="ecl-row"><input class="ecl-name" type="text" maxlength="${LONGEST_NAME}" placeholder="a name" aria-label="name of the snapshot"><button data-snap="yes">keep as a snapshot</button></div>
    ${rows ? `<ul class="ecl-snapshots">${rows}</ul>` : `<p class="ecl-dim">A snapshot keeps limits, filters, dropped components, pins and selection under a name, to come back to.</p>`}`;
}

// JSON as Python writes it.
function pythonic(value) {
  if (value === null) return "None";
  if (value === true || value === false) return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(pythonic).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${pythonic(one)}`).join(", ")}}`;
  return JSON.stringify(value);
}

// Lines of Python that give the same SLO, choice and explorer again; Python writes the same.
function codeOf(slo, state, chosen) {
  const limits = LIMITS.filter((name) => slo[name] !== null).map((name) => `${name}=${pythonic(slo[name])}`);
  return ["from ecollm_lab import SLO, explore", `slo = SLO(${[...limits, `prefer=${pythonic(slo.prefer)}`].join(", ")})`, `explorer = explore(trace, state=${pythonic(state)})`,
    `assert explorer.slo == slo and explorer.chosen == ${pythonic(chosen)}`, "selection = explorer.selection  # the feasible paths, as a DataFrame"].join("\n");
}
