"""LLaVA's question files: written from a data root, and official files written from them where that is possible.

A line is ``{"question_id", "image", "text", "category"}``; the text is the user's turn, request included (LLaVA
c121f04, docs/Evaluation.md). The files hold no answers, so the way back leads to splits whose answers are hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqeval.data.folders import MANIFEST, added, made
from sqeval.data.layout import dump, dump_lines
from sqeval.errors import DataError
from sqeval.planner import select

if TYPE_CHECKING:
    from sqeval.data.entry import Entry
    from sqeval.data.root import DataRoot
    from sqeval.task import Task


def write_questions(
    tasks: Sequence[Task], root: DataRoot, out: Path, *, limit: int | None, seed: int
) -> dict[str, tuple[int, int]]:
    """Write ``<task>.jsonl`` (ScienceQA: ``.json``) for each task into the folder `out`; (questions, images) of each.

    Raises UserError, DataError.
    """
    sizes = {}
    with made(out) as work:
        for task in tasks:
            everything = task.samples(root.for_task(task.name))
            samples = select(everything, limit, seed)
            position = {sample.id: i for i, sample in enumerate(everything)}
            lines = [task.llava_question(sample, position[sample.id]) for sample in samples]
            content = dump_lines(lines) if task.llava_file == ".jsonl" else dump(lines)
            (work / f"{task.name}{task.llava_file}").write_bytes(content)
            sizes[task.name] = (len(lines), len({sample.image.key for sample in samples if sample.image}))
        (work / MANIFEST).write_bytes(dump({"questions for LLaVA": {name: size for name, (size, _) in sizes.items()}}))
    return sizes


def write_official(task: Task, path: Path, out: Path, split: str | None) -> dict[str, tuple[int, int]]:
    """Write the official files that say what LLaVA's question file `path` does, among others in the folder `out`;
    (questions, images) of the task.

    Raises UserError for a benchmark or split that needs answers, DataError.
    """
    from sqeval.data.files import read_lines
    from sqeval.data.root import DataRoot

    lines = read_lines(path)
    if not lines:
        raise DataError("expected LLaVA's questions, found none", file=path)
    with added(out) as work:
        for name, value in task.from_llava(lines, split).items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_bytes(dump(value))
        samples = task.samples(DataRoot(work, str(out), split=split))
        for line, sample in zip(lines, samples, strict=True):
            if line.get("text", str) != task.prompt(sample):
                raise line.error(f"expected the prompt of {task.name}", "text")
        (work / MANIFEST).write_bytes(dump({"from questions for LLaVA": [task.name]}))
    return {task.name: (len(samples), len({sample.image.key for sample in samples if sample.image}))}


def question_of(line: Entry, request: str) -> str:
    """The question in front of the task's `request`. Raises DataError."""
    text = line.get("text", str)
    if not text.endswith(request):
        raise line.error(f"expected the question followed by {request!r}", "text")
    return text.removesuffix(request)
