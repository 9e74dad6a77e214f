"""`sqeval questions validate`: does each metric react to what it claims to measure, on these very questions?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sqeval.cli.output import AsJson, print_json
from sqeval.cli.questions import options
from sqeval.cli.questions.options import Captions, Clip, ContextFile, Files, K, Objects, ReferenceQuestions, Tier

if TYPE_CHECKING:
    from sqeval.questions.validation import Check


def command(
    files: Files,
    captions: Captions = None,
    objects: Objects = None,
    context: ContextFile = None,
    tier: Tier = 1,
    k: K = 5,
    clip: Clip = None,
    reference_questions: ReferenceQuestions = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="validation.json to write.", show_default=False)
    ] = None,
    strict: Annotated[bool, typer.Option(help="Exit with 5 if any metric fails.")] = False,
    seed: Annotated[int, typer.Option(help="Of the corruptions.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Spoil the questions in thirteen ways, change them in five that must not matter, and print what each metric did.

    Example: sqeval questions validate mini.questions.jsonl --captions captions.json
    """
    from rich.console import Console

    from sqeval.errors import IncompleteError
    from sqeval.progress import progress_for_stderr
    from sqeval.questions.validation import steps, validate
    from sqeval.report.files import write_text

    conditions = options.read(files, captions, objects, context)
    setup = options.setup(tier, k, reference_questions, clip=clip)
    console, progress = Console(), progress_for_stderr()
    failed = 0
    report = {}
    for images in conditions:
        checks = []
        with progress.tasks({"corruptions": (steps(), 0)}) as bars:
            for found in validate(images, setup, seed):
                checks += found
                bars["corruptions"].advance()
        report[images[0].run_id] = [check.to_json() for check in checks]
        failed += sum(check.passed is False for check in checks)
        if not as_json:
            show(console, images[0].run_id, checks)
    if as_json:
        print_json(report)
    if out is not None:
        write_text(out, json.dumps(report, ensure_ascii=False, indent=1).replace("Infinity", "1e999") + "\n")
    if failed and strict:
        raise IncompleteError(f"{failed} checks failed (--strict): those metrics are not to be trusted on this data")


def show(console: object, run_id: str, checks: list[Check]) -> None:
    """The matrix: corruptions down, metrics across, ticks where the register names a sign."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sqeval.report.text import plain

    assert isinstance(console, Console)
    claimed = [check for check in checks if check.passed is not None and check.expected]
    table = Table("corruption", "metric", box=None, header_style="bold", title=plain(run_id))
    for heading in ("clean", "spoilt", "z", "dose", "verdict"):
        table.add_column(heading, justify="right")
    for check in claimed:
        z = "" if check.z is None else f"{check.z:.1f}"
        rho = "" if check.dose_rho is None else f"{check.dose_rho:.2f}"
        verdict = Text("pass", style="green") if check.passed else Text("FAIL", style="bold red")
        table.add_row(check.corruption, check.metric, f"{check.clean:.3f}", f"{check.value:.3f}", z, rho, verdict)
    console.print(table)
    moved = [check for check in checks if not check.expected and check.passed is False]
    for check in moved:
        text = f"FAIL {check.metric} moved under {check.corruption}, which must not matter: "
        console.print(Text(f"{text}{check.clean:.3f} to {check.value:.3f}", style="red"))
    unmoved = sum(check.passed is True and not check.expected for check in checks)
    console.print(
        f"{sum(check.passed is True for check in claimed)} of {len(claimed)} reactions as claimed; "
        f"{unmoved} of {unmoved + len(moved)} invariances hold"
    )
