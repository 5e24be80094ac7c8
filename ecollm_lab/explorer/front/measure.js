// Measuring further outcomes where the picture is unsure: where to ask, what it will cost, how far it is.

const SCOPES = { emulator: "where the Emulator expects most", unsure: "open rings", tied: "the winner and its ties", selected: "the selected path" };

const NOT_HERE = "Measuring needs a running kernel: open the notebook and run the cell again.";

// How many paths each place is about; null: it is not a number of paths.
function scopeSizes(p, decision, selected) {
  const unsure = Array.from(p.n.keys()).filter((i) => p.state[i] === "ambiguous" || p.state[i] === "unknown").length;
  const tied = (decision.chosen === null ? 0 : 1) + decision.tied.reduce((sum, one) => sum + one, 0);
  return { emulator: null, unsure, tied, selected: selected === null && decision.chosen === null ? 0 : 1 };
}

// What the next outcomes will cost, in a sentence; it names the paths where they are few.
function offerWords({ pairs, paths, names = [], asked, cost_usd: cost, seconds: time }) {
  const fewer = pairs < asked ? ` (only so many are left or due; ${grouped(asked)} were asked for)` : "";
  const price = cost === null ? "their cost is not known" : cost === 0 ? "free" : `about ${number(cost)} USD at declared prices`;
  const on = names.length && names.length === paths ? joinedWords(names) : plural(paths, "path");
  return `${plural(pairs, "outcome")} on ${on}${fewer}: ${price}, ${time === null ? "for an unknown time" : `about ${seconds(time)} of model time`}, as these paths cost and took so far.`;
}

const JOB_WORDS = { running: "Measuring", stopping: "Stopping after what is in flight", stopped: "Stopped; what was measured is kept", done: "Done", failed: "Ended by an error; what was measured is kept" };

function jobWords({ state, done, failed, total, cost_usd: cost, left_s: left, why = "" }) {
  if (total === undefined) return `${JOB_WORDS[state]}.`;
  const parts = [`${grouped(done)} of ${plural(total, "outcome")}`, `${number(cost)} USD`];
  if (failed) parts.push(`${grouped(failed)} failed`);
  if (state === "running" && left !== null) parts.push(`about ${seconds(left)} left`);
  const ended = why && state === "done" ? "Ended early" : JOB_WORDS[state];
  return `${ended}: ${parts.join(", ")}${why ? `; ${why}` : ""}.`;
}

// Whether an offer is still for what is set: `meant` are the parts of the state that it was made for.
const standing = ({ meant = {} }, state) => Object.entries(meant).every(([key, value]) => sameValue(value, state[key]));

function measureHtml(told, wanted, sizes, problem, state = {}) {
  const { offer, job, error } = told, busy = Boolean(problem) || Boolean(job && (job.state === "running" || job.state === "stopping"));
  const places = Object.entries(SCOPES).map(([name, words]) => `<button class="ecl-scope" data-scope="${name}" aria-pressed="${wanted.scope === name}" ${busy || sizes[name] === 0 ? "disabled" : ""}>${words}${sizes[name] === null || name === "selected" ? "" : ` (${sizes[name]})`}</button>`);
  const bar = job ? `<div class="ecl-row"><progress class="ecl-progress" max="${Math.max(job.total ?? 1, 1)}" value="${job.total === undefined ? 0 : job.done + job.failed}" aria-label="outcomes measured"></progress>
    <span class="ecl-count">${escaped(jobWords(job))}</span>${job.state === "running" || job.state === "stopping" ? `<button data-measure="stop" ${job.state === "running" && !problem ? "" : "disabled"}>stop</button>` : ""}</div>` : "";
  const offered = !offer ? "" : standing(offer, state) ? `<span class="ecl-count">${escaped(offerWords(offer))}</span> <button data-measure="start">measure these ${grouped(offer.pairs)}</button>`
    : `<span class="ecl-count"><span class="ecl-warn">The limits or the selection have changed since the last offer.</span></span> <button data-measure="offer">ask again</button>`;
  return `<div class="ecl-row" role="group" aria-label="where to measure"><span>measure</span>${places.join("")}</div>
    <div class="ecl-row"><label>outcomes <input class="ecl-more" type="text" inputmode="numeric" value="${escaped(wanted.n)}" aria-label="how many outcomes" ${busy ? "disabled" : ""}></label>
    <button data-measure="offer" ${busy ? "disabled" : ""}>what would they cost?</button>${offer && !busy ? offered : ""}</div>${bar}
    ${error ? `<p><span class="ecl-warn">${cut(error)}</span></p>` : ""}${problem ? `<p><span class="ecl-warn">${escaped(problem)}</span></p>` : ""}
    <p class="ecl-dim">Only training queries are asked; held-out ones stay unseen. Each outcome is added to the picture as it comes.</p>`;
}
