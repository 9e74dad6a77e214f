// The list: only the rows in sight exist.

const HEIGHT = 68; // of a row, as report.css has it
const BEYOND = 6; // rows kept ready above and below
const list = document.getElementById("list");
const filler = document.getElementById("filler");
const drawn = new Map();
let shown = [];
let selected = -1;

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Characters that turn or hide text, made visible; what models and data say is never more than text.
// Joiners, which emoji and some scripts need, stay as they are.
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

function visible(text) {
  const parts = element("bdi", "");
  let end = 0;
  for (const found of text.matchAll(HIDDEN)) {
    const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    parts.append(text.slice(end, found.index), element("span", "control", `U+${code}`));
    end = found.index + found[0].length;
  }
  parts.append(text.slice(end));
  return parts;
}

function picture(number, alt) {
  const address = imageAddress(number);
  if (!address) return null;
  const image = element("img", "");
  image.alt = alt;
  image.decoding = "async";
  image.src = address;
  return image;
}

function kindOf(row, run) {
  const found = stateOf(row, run);
  const score = scoreOf(row, run);
  if (found & ABSENT) return "absent";
  if (found & ERRORED) return "errored";
  if (score === null) return "unscored";
  if (!row.task.bounded) return score <= 0 ? "wrong" : "unscored";
  return score <= 0 ? "wrong" : score < 1 ? "partly" : "right";
}

const MARKS = { right: "✓", wrong: "✗", partly: "◐", errored: "!", absent: "–", unscored: "•" };

function mark(row, run) {
  const kind = kindOf(row, run);
  const made = element("span", `mark ${kind}`, MARKS[kind]);
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", kind);
  return made;
}

function shortAnswer(row, run) {
  const found = stateOf(row, run);
  if (found & ABSENT) return element("span", "quiet", "not asked");
  if (found & ERRORED) return element("span", "quiet", "error");
  const parsed = parsedOf(row, run);
  if (parsed !== null) return parsed.trim() === "" ? element("span", "quiet", "empty") : visible(parsed.slice(0, 120));
  return element("span", "quiet", "unparsed: ", visible((answersOf(row, run).responses[row.i] ?? "").slice(0, 100)));
}

function drawRow(place) {
  const row = shown[place];
  const { task, i } = row;
  const answers = element("span", "answers");
  for (const run of FLIPS && focusRun() ? [0, focusRun()] : [focusRun()]) {
    if (answers.childElementCount) answers.append(element("span", "arrow", "→"));
    answers.append(mark(row, run), element("span", "answer", shortAnswer(row, run)));
  }
  const id = element("span", "where", `${task.name} `, visible(task.ids[i]));
  const question = element("span", "question", visible(task.questions[i].slice(0, 200) || task.ids[i]));
  const text = element("span", "texts", id, question, answers);
  const made = element("div", "row", element("span", "thumb", picture(task.images[i], "")), text);
  const change = changeOf(row, focusRun());
  if (change) made.classList.add(change < 0 ? "worse" : "better");
  made.id = `row-${place}`;
  made.setAttribute("role", "option");
  made.setAttribute("aria-setsize", String(shown.length));
  made.setAttribute("aria-posinset", String(place + 1));
  made.setAttribute("aria-selected", String(place === selected));
  made.style.transform = `translateY(${place * HEIGHT}px)`;
  made.addEventListener("click", () => choose(place, true));
  return made;
}

function drawList() {
  const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - BEYOND);
  const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + BEYOND);
  for (const [place, made] of drawn) {
    if (place < first || place >= last) {
      made.remove();
      drawn.delete(place);
    }
  }
  for (let place = first; place < last; place++) {
    if (!drawn.has(place)) {
      const made = drawRow(place);
      drawn.set(place, made);
      filler.append(made);
    }
  }
}

function resetList(rowsToShow) {
  shown = rowsToShow;
  for (const made of drawn.values()) made.remove();
  drawn.clear();
  filler.style.height = `${shown.length * HEIGHT}px`;
}

function scrollToRow(place) {
  const top = place * HEIGHT;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top + HEIGHT - list.clientHeight;
}

function markSelected(place) {
  drawn.get(selected)?.setAttribute("aria-selected", "false");
  selected = place;
  if (place >= 0) {
    scrollToRow(place);
    drawList();
    drawn.get(place)?.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", `row-${place}`);
  } else {
    list.removeAttribute("aria-activedescendant");
  }
}

let waiting = false;
list.addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    drawList();
  });
});
