"use strict";
// The samples, the filters, and the address that names them.

const parsedJson = (id) => JSON.parse(document.getElementById(id).textContent);
const data = parsedJson("samples-json");
const [ERRORED, UNPARSED, TRUNCATED, ABSENT] = [1, 2, 4, 8];
const LAST = data.runs.length - 1;
const DEFAULTS = { view: "summary", task: "", show: "all", tag: "", q: "", run: String(LAST), sort: "", s: "" };
const VIEWS = ["summary", "breakdown", "answers", "samples", "record"];
const FLIPS = data.compared && LAST > 0;

let addresses = null; // megabytes: read when the first image is shown
const imageAddress = (number) => (number < 0 ? null : (addresses ??= parsedJson("images-json"))[number]);

const rows = data.tasks.flatMap((task, t) => task.ids.map((id, i) => ({ task, t, i })));
const byName = new Map(data.tasks.map((task) => [task.name, task]));
let state = { ...DEFAULTS };

const answersOf = (row, run) => row.task.runs[run];
const stateOf = (row, run) => answersOf(row, run)?.states[row.i] ?? ABSENT;
const scoreOf = (row, run) => answersOf(row, run)?.scores[row.i] ?? null;
const keyOf = (row) => `${row.task.name}/${row.task.ids[row.i]}`;

function changeOf(row, run) {
  if (!FLIPS || run === 0) return null;
  const before = scoreOf(row, 0);
  const after = scoreOf(row, run);
  return before === null || after === null ? null : after - before;
}

function parsedOf(row, run) {
  const answers = answersOf(row, run);
  const parsed = answers?.parsed[row.i] ?? null;
  return parsed === 0 ? answers.responses[row.i] : parsed;
}

function promptOf(row) {
  const around = row.task.templates[row.task.prompts[row.i]];
  return around.length === 1 ? around[0] : around[0] + row.task.questions[row.i] + around[1];
}

// What can be shown, in the order of the buttons; of one run, but for flips, which are against the first.
const SHOWS = {
  all: { label: "all", test: () => true },
  worse: { label: "got worse", flip: true, test: (row, run) => changeOf(row, run) < 0 },
  better: { label: "got better", flip: true, test: (row, run) => changeOf(row, run) > 0 },
  wrong: {
    label: "wrong",
    test: (row, run) => scoreOf(row, run) !== null && scoreOf(row, run) <= 0 && !(stateOf(row, run) & ERRORED),
  },
  partly: {
    label: "partly right",
    test: (row, run) => row.task.bounded && scoreOf(row, run) > 0 && scoreOf(row, run) < 1,
  },
  right: { label: "right", test: (row, run) => row.task.bounded && scoreOf(row, run) >= 1 },
  unparsed: { label: "unparsed", test: (row, run) => (stateOf(row, run) & UNPARSED) !== 0 },
  truncated: { label: "truncated", test: (row, run) => (stateOf(row, run) & TRUNCATED) !== 0 },
  errored: { label: "errored", test: (row, run) => (stateOf(row, run) & ERRORED) !== 0 },
};

const lengthOf = (row, run) => (answersOf(row, run)?.responses[row.i] ?? "").length;
const orLast = (value) => value ?? Infinity;
const SORTS = {
  change: { label: "largest loss first", flip: true, by: (row, run) => orLast(changeOf(row, run)) },
  data: { label: "as in the data", by: null },
  score: { label: "lowest score first", by: (row, run) => orLast(scoreOf(row, run)) },
  long: { label: "longest response first", by: (row, run) => -lengthOf(row, run) },
};
const offered = (table) => Object.entries(table).filter(([, entry]) => FLIPS || !entry.flip);
const sortName = () => (offered(SORTS).some(([name]) => name === state.sort) ? state.sort : FLIPS ? "change" : "data");
const focusRun = () => Math.min(LAST, Math.max(0, Number.parseInt(state.run, 10) || 0));

function textOf(row) {
  if (row.text === undefined) {
    const task = row.task;
    const parts = [task.ids[row.i], promptOf(row), task.questions[row.i], ...task.references[row.i]];
    task.runs.forEach((answers, run) => answers && parts.push(answers.responses[row.i], parsedOf(row, run), answers.errors[row.i]));
    row.text = parts.filter(Boolean).join("\n").toLowerCase();
  }
  return row.text;
}

function tagTest(tag) {
  const cut = tag.indexOf("=");
  const [name, value] = [tag.slice(0, cut), tag.slice(cut + 1)];
  const codes = new Map();
  for (const task of data.tasks) {
    const found = task.tags.find((entry) => entry.name === name);
    const code = found ? found.values.indexOf(value) : -1;
    if (code >= 0) codes.set(task, [found.codes, code]);
  }
  return (row) => {
    const found = codes.get(row.task);
    return found !== undefined && found[0][row.i] === found[1];
  };
}

// Rows within task, part and search; those of them to show, sorted; and how many each button would show.
function select() {
  const run = focusRun();
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const inTag = state.tag ? tagTest(state.tag) : () => true;
  const within = rows.filter(
    (row) => (!state.task || row.task.name === state.task) && inTag(row) && words.every((word) => textOf(row).includes(word)),
  );
  const counts = new Map();
  for (const [name, show] of offered(SHOWS)) counts.set(name, within.reduce((n, row) => n + show.test(row, run), 0));
  const show = FLIPS || !SHOWS[state.show]?.flip ? SHOWS[state.show] ?? SHOWS.all : SHOWS.all;
  const shown = within.filter((row) => show.test(row, run));
  const { by } = SORTS[sortName()];
  if (by) {
    const values = new Map(shown.map((row) => [row, by(row, run)]));
    const compare = (a, b) => (a === b ? 0 : a < b ? -1 : 1); // two infinities have no difference
    shown.sort((a, b) => compare(values.get(a), values.get(b)) || a.t - b.t || a.i - b.i);
  }
  return { shown, counts, within: within.length };
}

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const found = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) if (given.has(name)) found[name] = given.get(name);
  if (!VIEWS.includes(found.view)) found.view = found.s ? "samples" : "summary";
  return found;
}

function writeAddress() {
  history.replaceState(null, "", addressOf(state));
}

function addressOf(wanted) {
  const told = Object.entries(wanted).filter(([name, value]) => value !== DEFAULTS[name]);
  const pairs = told.map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `#${pairs.join("&") || "view=summary"}`;
}
