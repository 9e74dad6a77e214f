// One sample: image, question, prompt, references, and what each run answered.

const detail = document.getElementById("detail");

function field(label, ...children) {
  return element("div", "field", element("h4", "", label), ...children);
}

function longText(text) {
  const made = element("pre", "", visible(text));
  made.tabIndex = 0; // scrolls by keyboard
  return made;
}

const points = (score) => String(Number((100 * score).toFixed(1)));

function scoreBadge(row, run) {
  const score = scoreOf(row, run);
  const kind = kindOf(row, run);
  const name = { absent: "not asked", errored: "errored" }[kind];
  if (name) return element("span", `badge ${kind}`, name);
  if (score === null) return element("span", "badge unscored", "no score");
  return element("span", `badge ${kind}`, `${MARKS[kind]} ${points(score)}`);
}

function answerCard(row, run) {
  const { task, i } = row;
  const answers = answersOf(row, run);
  const found = stateOf(row, run);
  const head = element("h3", "", element("span", `run${run}`, data.runs[run].name), scoreBadge(row, run));
  const card = element("section", "answer-card", head);
  if (found & ABSENT) return card;
  const flags = [];
  if (found & UNPARSED) flags.push("unparsed: no answer could be read");
  if (found & TRUNCATED) flags.push("truncated: cut off at the token limit");
  for (const flag of flags) card.append(element("p", "flag", flag));
  if (answers.errors[i] !== undefined) card.append(field("Error", longText(answers.errors[i])));
  const [response, parsed] = [answers.responses[i], parsedOf(row, run)];
  if (parsed !== null) {
    const text = parsed.trim() === "" ? element("p", "parsed quiet", "empty") : element("p", "parsed", visible(parsed));
    card.append(field("Answer", text));
  }
  if (response !== null && response !== parsed) card.append(field("Response", longText(response)));
  if (!answers.full) card.append(element("p", "quiet", "Stored baseline: the response was not kept."));
  const others = Object.entries(answers.others).filter(([, values]) => values[i] !== null);
  if (others.length > 1) {
    card.append(element("p", "quiet scores", others.map(([name, values]) => `${name} ${points(values[i])}`).join(" · ")));
  }
  for (const [round, reply] of (answers.judged[i] ?? []).entries()) {
    card.append(element("details", "", element("summary", "", `Judge, round ${round + 1}`), longText(reply)));
  }
  return card;
}

function changeLine(row) {
  const run = focusRun();
  const change = changeOf(row, run);
  if (!change) return null;
  const text = `${change < 0 ? "Got worse" : "Got better"}: ${points(scoreOf(row, 0))} → ${points(scoreOf(row, run))}`;
  return element("p", `change ${change < 0 ? "loss" : "gain"}`, text);
}

function tagLinks(row) {
  const made = element("ul", "tags");
  for (const tag of row.task.tags) {
    if (tag.codes[row.i] < 0) continue;
    const value = tag.values[tag.codes[row.i]];
    const link = element("a", "", `${tag.name}: `, visible(value));
    link.href = addressOf({ ...state, view: "samples", task: row.task.name, tag: `${tag.name}=${value}` });
    made.append(element("li", "", link));
  }
  return made.childElementCount ? made : null;
}

function drawDetail(row) {
  detail.replaceChildren();
  if (!row) {
    detail.append(element("p", "quiet hint", "Choose a sample: j and k, the arrows, or a click."));
    return;
  }
  const { task, i } = row;
  const back = element("button", "back", "← list");
  back.type = "button";
  back.addEventListener("click", closeDetail);
  const link = element("a", "permalink", "link to this sample");
  link.href = addressOf({ ...DEFAULTS, view: "samples", s: keyOf(row) });
  const where = element("p", "where", back, element("b", "", task.name), " ", visible(task.ids[i]), " ", link);
  const image = picture(task.images[i], "The image that was asked about");
  const stage = image ? element("figure", "", image) : null;
  const prompt = promptOf(row);
  const question = task.questions[i];
  const references = element("ul", "references", ...task.references[i].map((text) => element("li", "", visible(text))));
  const text = element(
    "div",
    "asked",
    element("h2", "", visible(question || "(the question is not stored)")),
    prompt && prompt !== question ? element("details", "", element("summary", "", "Prompt"), longText(prompt)) : null,
    task.references[i].length ? field("Reference", references) : field("Reference", element("p", "quiet", "not public")),
    tagLinks(row),
  );
  const answers = element("div", "answer-cards", ...task.runs.map((_, run) => answerCard(row, run)));
  detail.append(where, element("div", "top", stage, text), changeLine(row) ?? "", answers);
  detail.scrollTop = 0;
}

function closeDetail() {
  document.body.classList.remove("open");
  list.focus();
}
