"""`sqeval questions score`: how many distinct usable questions, and what became of the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sqeval.cli.output import AsJson, json_alone
from sqeval.cli.questions import options
from sqeval.cli.questions.options import (
    Answers,
    Captions,
    Clip,
    ContextFile,
    Files,
    K,
    Objects,
    ReferenceQuestions,
    Refs,
    Tier,
    TrainingQuestions,
    VlmCheckpoint,
)

if TYPE_CHECKING:
    from sqeval.questions.scoring import Scored

SHOWN = {
    "valid": "wf.valid", "fluent": "wf.fluent", "complete": "wf.complete", "rAUC": "gr.rauc",
    "false premises": "gr.premise_fpr", "RD-2": "dv.rd_2",
}  # fmt: skip
"""Columns of the table."""


def command(
    files: Files,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write to.")] = Path("question-scores"),
    captions: Captions = None,
    objects: Objects = None,
    context: ContextFile = None,
    tier: Tier = 1,
    k: K = 5,
    answers: Answers = None,
    clip: Clip = None,
    vlm: VlmCheckpoint = None,
    refs: Refs = None,
    reference_questions: ReferenceQuestions = None,
    training_questions: TrainingQuestions = None,
    as_json: AsJson = False,
) -> None:
    """Score one or more runs of questions, each with its floor: the same questions about shuffled images.

    Example: sqeval questions score mini.questions.jsonl people.questions.jsonl --captions captions.json -o scores
    """
    from sqeval.questions.scoring import score, to_json, write

    conditions = options.read(files, captions, objects, context)
    given = (reference_questions, training_questions, answers, clip)
    with json_alone(as_json) as emit:
        setup = options.setup(tier, k, *given, references=refs is not None, vlm=vlm)
        if refs is not None:
            conditions = [options.with_references(images, refs) for images in conditions]
        scored = score(conditions, setup)
        ceiling = next((each for each in scored if each.human), None)
        for each in scored:
            write(each, ceiling, out / each.run_id)
        emit({"folder": out, "runs": [to_json(each, ceiling) for each in scored]})
        show(scored, ceiling)
        print(out)


def show(scored: list[Scored], ceiling: Scored | None) -> None:
    """The table of runs, with a funnel a run."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sqeval.questions.scoring import EXPLORATORY, headline_name
    from sqeval.questions.text import notes, placed, share, with_interval
    from sqeval.report.numbers import NONE
    from sqeval.report.text import plain

    console = Console()
    name = headline_name(scored[0].table.setup)
    table = Table("asker", box=None, header_style="bold")
    for heading in (name, "shuffled", *SHOWN):
        table.add_column(heading, justify="right")
    for each in scored:
        floor = share(each.floor["uq.at_k"], 2, keep_zero=True) if each.floor else NONE
        shares = [share(each.summary.values.get(metric)) for metric in SHOWN.values()]
        table.add_row(Text(plain(each.run_id, 40)), with_interval(each.headline), floor, *shares)
    console.print(table)
    for each in scored:
        steps = "  ".join(f"{step.gate} {step.share:.0%}" for step in each.summary.funnel)
        console.print(Text(plain(f"{each.run_id}: {steps}"), style="dim"))
    for line in notes(scored, ceiling):
        console.print(Text(plain(line), style="dim"))
    if any(len(each.table.images) < EXPLORATORY for each in scored):
        console.print(Text(f"fewer than {EXPLORATORY} images: exploratory", style="yellow"))
    if ceiling is not None:
        for each in scored:
            if each is not ceiling and (text := placed(each, ceiling)):
                console.print(Text(plain(text)))
