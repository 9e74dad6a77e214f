// The page: views, filters, keyboard, theme.

const at = (id) => document.getElementById(id);
const [taskBox, tagBox, runBox, sortBox, query] = ["task", "tag", "run", "sort", "query"].map(at);
const narrow = matchMedia("(max-width: 760px)");

function fill(box, options) {
  box.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
}

function fillTags() {
  const tasks = state.task ? data.tasks.filter((task) => task.name === state.task) : [];
  const options = tasks.flatMap((task) =>
    task.tags.flatMap((tag) => tag.values.map((value) => `${tag.name}=${value}`).sort((a, b) => a.localeCompare(b, "en", { numeric: true }))),
  );
  fill(tagBox, [["", state.task ? "every part" : "choose a task first"], ...options.map((name) => [name, name])]);
  if (state.tag && !options.includes(state.tag)) tagBox.add(new Option(state.tag, state.tag));
  tagBox.disabled = options.length === 0 && !state.tag;
  tagBox.value = state.tag;
}

function fillShows(counts) {
  const buttons = [...counts].filter(([name, n]) => n > 0 || name === "all" || name === state.show);
  at("shows").replaceChildren(
    ...buttons.map(([name, n]) => {
      const made = element("button", `show ${name}`, `${SHOWS[name].label} `, element("span", "count", n.toLocaleString("en")));
      made.type = "button";
      made.setAttribute("aria-pressed", String(name === state.show));
      made.addEventListener("click", () => update({ show: name, s: "" }));
      return made;
    }),
  );
}

function showView() {
  for (const name of VIEWS) at(name).hidden = name !== state.view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#view=${state.view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.view = state.view;
  for (const image of at(state.view).querySelectorAll("img[data-image]:not([src])")) {
    const address = imageAddress(Number(image.dataset.image));
    if (address) image.src = address;
    else image.remove();
  }
}

function showSamples() {
  taskBox.value = state.task;
  runBox.value = state.run;
  sortBox.value = sortName();
  if (query.value !== state.q) query.value = state.q;
  fillTags();
  const { shown: found, counts, within } = select();
  fillShows(counts);
  resetList(found);
  const total = rows.length.toLocaleString("en");
  const filtered = found.length === rows.length ? `${total} samples` : `${found.length.toLocaleString("en")} of ${total} samples`;
  at("status").textContent = within ? filtered : `No sample fits; ${total} in all`;
  const place = state.s ? found.findIndex((row) => keyOf(row) === state.s) : -1;
  selected = -1;
  if (place < 0) list.scrollTop = 0;
  else list.scrollTop = Math.max(0, (place - 2) * HEIGHT);
  drawList();
  const beside = state.s && place < 0 ? rows.find((row) => keyOf(row) === state.s) : undefined; // not in the list
  const opened = beside || narrow.matches ? place : Math.max(place, found.length ? 0 : -1);
  markSelected(opened);
  drawDetail(beside ?? found[opened]);
  document.body.classList.toggle("open", Boolean(state.s) && narrow.matches);
}

function show() {
  showView();
  if (state.view === "samples") showSamples();
}

function update(change) {
  state = { ...state, ...change };
  writeAddress();
  show();
}

function choose(place, open) {
  if (!shown.length) return;
  const next = Math.min(shown.length - 1, Math.max(0, place));
  markSelected(next);
  state.s = keyOf(shown[next]);
  writeAddress();
  drawDetail(shown[next]);
  if (open && narrow.matches) document.body.classList.add("open");
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("sqeval-theme", theme);
  } catch {
    // pages opened from a file may have no storage; the theme then lasts as long as the page
  }
}

function switchTheme() {
  const now = document.documentElement.dataset.theme;
  const dark = now ? now === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  setTheme(dark ? "light" : "dark");
}

function restoreTheme() {
  try {
    const theme = localStorage.getItem("sqeval-theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // as above
  }
}

const page = () => Math.max(1, Math.floor(list.clientHeight / HEIGHT) - 1);
const MOVES = {
  j: () => selected + 1,
  ArrowDown: () => selected + 1,
  k: () => selected - 1,
  ArrowUp: () => selected - 1,
  PageDown: () => selected + page(),
  PageUp: () => selected - page(),
  Home: () => 0,
  End: () => shown.length - 1,
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || at("help").open) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    closeDetail();
    return;
  }
  if (typing) return;
  const move = MOVES[event.key];
  const inside = event.target.closest(".detail pre"); // long texts scroll by themselves
  if (move && (state.view === "samples" || event.key === "j" || event.key === "k") && !(inside && event.key.length > 1)) {
    if (state.view !== "samples") update({ view: "samples" });
    choose(move(), false);
  } else if (event.key === "/") {
    if (state.view !== "samples") update({ view: "samples" });
    document.body.classList.remove("open");
    query.focus();
    query.select();
  } else if (event.key === "Enter" && event.target === list && narrow.matches) {
    document.body.classList.add("open");
  } else if (event.key === "?") {
    at("help").showModal();
  } else if (event.key === "t") {
    switchTheme();
  } else if (/^[1-5]$/.test(event.key)) {
    update({ view: VIEWS[Number(event.key) - 1] });
    scrollTo(0, 0);
  } else {
    return;
  }
  event.preventDefault();
}

function start() {
  document.documentElement.classList.add("scripted");
  restoreTheme();
  fill(taskBox, [["", "every task"], ...data.tasks.map((task) => [task.name, task.name])]);
  fill(runBox, data.runs.map((run, place) => [String(place), run.name]));
  fill(sortBox, offered(SORTS).map(([name, sort]) => [name, sort.label]));
  at("run-label").hidden = data.runs.length < 2;
  taskBox.addEventListener("change", () => update({ task: taskBox.value, tag: "", s: "" }));
  tagBox.addEventListener("change", () => update({ tag: tagBox.value, s: "" }));
  runBox.addEventListener("change", () => update({ run: runBox.value }));
  sortBox.addEventListener("change", () => update({ sort: sortBox.value }));
  let typed = 0;
  query.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => update({ q: query.value, s: "" }), 120);
  });
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  at("reset").addEventListener("click", () => update({ ...DEFAULTS, view: "samples" }));
  at("theme").addEventListener("click", switchTheme);
  at("help-open").addEventListener("click", () => at("help").showModal());
  at("help-close").addEventListener("click", () => at("help").close());
  for (const link of document.querySelectorAll("nav a")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      update({ view: link.getAttribute("href").slice("#view=".length) }); // filters stay
      scrollTo(0, 0);
    });
  }
  document.addEventListener("keydown", onKey);
  addEventListener("resize", drawList);
  addEventListener("hashchange", () => {
    state = readAddress();
    show();
    scrollTo(0, 0);
  });
  state = readAddress();
  show();
}

start();
