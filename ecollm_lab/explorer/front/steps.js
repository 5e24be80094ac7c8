// Changing the state: each change that is named becomes a step of the journey.

function stepsOf(screen) {
  const { store, fixed, $$, local, state, panel, sloOf, index, parts } = screen;
  function change(patch, name) {
    if (name !== undefined) finish();  // what came before is a step of its own
    store.set({ state: { ...state(), ...patch } });
    if (name !== undefined) commit(name);
  }
  function commit(name) {
    clearTimeout(screen.committing);
    screen.committing = 0;
    local.step = null;
    store.set({ journey: addStep(store.get("journey"), state(), name) });
  }
  const commitSoon = (name) => { clearTimeout(screen.committing); local.step = name; screen.committing = setTimeout(() => commit(name), 500); };
  const finish = () => { if (local.step) commit(local.step); };
  // What was typed and could not be read is forgotten once limits are set in another way.
  function forgive() {
    local.error = {};
    for (const input of $$(".ecl-typed")) input.dirty = false;
    screen.schedule();
  }
  const applySlo = (slo) => { forgive(); change(sloOf(slo), spell(slo)); };
  function go(at) {
    finish();
    forgive();
    const journey = store.get("journey");
    if (at < 0 || at >= journey.steps.length) return;
    store.set({ state: back(state(), stateAt(journey, at)), journey: { ...journey, at } });
  }
  // Select a path; the one that is selected: nothing is any more.
  function select(i) {
    const path = i === null || fixed.paths[i] === state().selected ? null : fixed.paths[i];
    change({ selected: path, query_page: 0 }, path === null ? "nothing selected" : `selected ${path}`);
  }
  const acts = {
    undo: () => { finish(); go(store.get("journey").at - 1); }, redo: () => go(store.get("journey").at + 1),
    reset: () => { finish(); forgive(); change(back(state(), stateAt(store.get("journey"), 0)), "back to the start"); },
    pin: () => {
      const i = index.get(state().selected) ?? screen.moment().decision.chosen, path = fixed.paths[i], pins = state().pins;
      if (path === undefined) return;
      change(pins.includes(path) ? { pins: pins.filter((one) => one !== path) } : { pins: [...pins, path].slice(-MOST_PINS) }, `${pins.includes(path) ? "unpinned" : "pinned"} ${path}`);
    },
  };
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

  return { change, commitSoon, finish, forgive, applySlo, go, select, acts, drop, keep, insist };
}
