"""Every benchmark under every protocol, from the task plugins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from docs.generate.markdown import block, code, document, table
from sqeval.judged import JudgedTask
from sqeval.model import Settings
from sqeval.protocol import ASPECTS, OFFICIAL
from sqeval.registry import get_task, protocols, task_names
from sqeval.task import Sample, Task

BASELINES = Path(__file__).resolve().parents[2] / "results" / "baselines" / "mini"
OURS = "sqeval_tasks."
BLANK = Sample(
    "",
    None,
    "{question}",
    None,
    "",
    metadata={
        "hint": "{hint}",
        "options": {"A": "{option}", "B": "{option}"},
        "choices": ["{choice}", "{choice}"],
        "ocr": ["{token}", "{token}"],
    },
)
"""A sample whose parts are their names; hints, options and tokens stand in a prompt only where the data have them."""
INTRODUCTION = """\
What `sqeval tasks show NAME` says, of every benchmark and [protocol](../protocols.md); how answers are scored is
explained in [scores](../scoring.md), where the files come from in [data](../data.md). In prompts, what stands in braces
is the data's; a line with a hint is there if the sample has one, and there are as many options as it has."""


def page() -> str:
    """Every task of this repository, with all protocols."""
    every = [get_task(name) for name in task_names()]
    ours = [task for task in every if type(task).__module__.startswith(OURS)]
    rows = [(f"[`{task.name}`](#{task.name})", task.description, code(task.primary), task.version) for task in ours]
    overview = table(["task", "what it measures", "primary metric", "version"], rows)
    return document("Tasks", INTRODUCTION, overview, *map(_section, ours))


def _section(task: Task) -> str:
    names, tags = _metrics(task)
    cells = f"; broken down by {', '.join(map(code, tags))}" if tags else ""
    facts = [
        ("primary metric", f"{code(task.primary)}, {task.measure}" if task.measure else code(task.primary)),
        ("metrics", ", ".join(map(code, names)) + cells),
        *(_judging(task) if isinstance(task, JudgedTask) else ()),
        *((f"split {code(split)}", size) for split, size in task.splits.items()),
        ("`--split` takes", ", ".join(map(code, task.selectable))),
        *(("hub" + (f", {split}" if split else ""), _copy(mirror)) for split, mirror in task.mirrors().items()),
        ("scores files with", _fields(task)),
    ]
    files = [(code(one.path), "yes" if one.required else "", one.source) for one in task.files]
    return "\n\n".join(
        [
            f"## {task.name}",
            f"{task.description[0].upper()}{task.description[1:]}. Version {task.version}. {task.citation}.",
            table(["", ""], [fact for fact in facts if fact[1]]),
            table(["file under the data root", "required", "where it comes from"], files),
            *_protocols(task),
        ]
    )


def _protocols(task: Task) -> Iterator[str]:
    asked = task.prompt(BLANK)
    yield f"Protocol `official`: {_generation(task.settings)}."
    yield block(asked, "text")
    for name in protocols(task.name):
        if name == OFFICIAL or not type(get_task(task.name, name)).__module__.startswith(OURS):
            continue
        variant = get_task(task.name, name)
        words = [f"- {what}: {variant.differs[what]}" for what in sorted(variant.differs, key=ASPECTS.index)]
        yield f"Protocol `{name}`: {_generation(variant.settings)}" + (
            ". What differs from official:" if words else ". The same as official."
        )
        yield "\n".join(words)
        theirs = variant.prompt(BLANK)
        if theirs not in (asked, BLANK.question):  # a question alone: the words above say which
            yield block(theirs, "text")


def _metrics(task: Task) -> tuple[list[str], list[str]]:
    """Names of the task's metrics, and the tags that break them down where the mini suite has the task."""
    stored = BASELINES / task.name / "metrics.json"
    if stored.is_file():
        every = list(json.loads(stored.read_text("utf-8"))["metrics"])
    else:
        every = [metric.name for metric in task.metrics([])]
    tags = [tag for name in every for tag in re.findall(r"[/,](\w[\w-]*)=", name)]
    return list(dict.fromkeys(name.split("/")[0] for name in every)), list(dict.fromkeys(tags))


def _judging(task: JudgedTask) -> list[tuple[str, str]]:
    return [("official judge", code(task.judge)), ("judged by", task.judging)]


def _copy(mirror: object) -> str:
    return mirror if isinstance(mirror, str) else code(str(getattr(mirror, "dataset", mirror)))


def _fields(task: Task) -> str:
    final = [f"`{key}`, `{text}` (final answers)" for key, text in task.results]
    judged = [f"judged already: {task.published}"] if isinstance(task, JudgedTask) and task.published else []
    return "; ".join([*final, *(f"`{key}`, `{text}`" for key, text in task.predictions), *judged])


def _generation(settings: Settings) -> str:
    how = "greedy" if settings.temperature == 0 else f"temperature {settings.temperature:g}"
    stop = "" if not settings.stop else ", ends at " + ", ".join(code(repr(text)) for text in settings.stop)
    return f"{how}, at most {settings.max_new_tokens:,} new tokens{stop}"
