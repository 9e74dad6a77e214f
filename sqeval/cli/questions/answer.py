"""`sqeval questions answer`: put the questions to an answerer, with the image, without it, and with others."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Annotated

import typer

from sqeval.cli.questions import options
from sqeval.cli.questions.options import Files

MANY = 10_000
"""So many calls are not begun without --yes."""


def command(
    files: Files,
    answerer: Annotated[
        str,
        typer.Option(
            help="Checkpoint that answers: folder, packaged name or hub id; `oracle` knows the mini suite's scenes.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="*.answers.jsonl to write.", show_default=False)],
    model: Annotated[str | None, typer.Option(help="Adapter.", show_default="sqllava")] = None,
    conditions: Annotated[str, typer.Option(help="img, blind, cf, separated by commas.")] = "img,blind,cf",
    samples: Annotated[int, typer.Option("-K", "--samples", help="Answers a question and condition.", min=1)] = 1,
    others: Annotated[int, typer.Option("-J", "--others", help="Other images a question under cf.", min=1)] = 8,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the other images and of sampling.", min=0)] = 0,
    yes: Annotated[bool, typer.Option("--yes", help=f"Begin even with more than {MANY:,} calls.")] = False,
) -> None:
    """Answer every question; the same command again continues where it stopped.

    Example: sqeval questions answer mini.questions.jsonl --answerer mini -o mini.answers.jsonl
    """
    from rich.console import Console

    from sqeval.config import resolve
    from sqeval.errors import EXIT_INCOMPLETE, UserError
    from sqeval.model import Model
    from sqeval.models.loading import load_model
    from sqeval.progress import progress_for_stderr
    from sqeval.questions.answers import CONDITIONS
    from sqeval.questions.interview import Interview, interview
    from sqeval.report.text import plain

    wanted = tuple(dict.fromkeys(part.strip() for part in conditions.split(",")))
    if not set(wanted) <= set(CONDITIONS):
        raise UserError(f"--conditions {conditions}: expected some of {', '.join(CONDITIONS)}")
    what = Interview(wanted, samples, others, seed)  # type: ignore[arg-type]  # checked above
    images = [image for condition in options.read(files, None, None, None) for image in condition]
    calls = what.calls(sum(len(image.questions) for image in images))
    console = Console(stderr=True)
    console.print(f"{calls:,} calls of {answerer}", markup=False)
    if calls > MANY and not yes:
        raise UserError(
            f"{calls:,} calls are more than {MANY:,}; add --yes to begin, or ask less (-K, -J, --conditions)"
        )
    who: Model
    if answerer == "oracle":
        from sqeval.questions.mini_truth import MiniWorld, Oracle

        world = MiniWorld(names={PurePath(image.image_id).name for image in images})
        if not world.scenes:
            raise UserError(
                "--answerer oracle knows the COCO pictures of the mini suite, not these images; name a checkpoint"
            )
        who = Oracle(world)
    else:
        flags = {"ckpt": answerer, "model": model, "device": device, "dtype": dtype, "seed": seed}
        who = load_model(resolve({**flags, "tasks": "answer", "data": "-"}))
    answers, errors = interview(images, who, what, out, progress=progress_for_stderr())
    for message in errors[:5]:
        console.print(plain(message, 300), markup=False)
    print(f"{out}: {len(answers):,} answers")
    if errors:
        console.print(f"{len(errors):,} calls failed; repeat the command", markup=False)
        raise typer.Exit(EXIT_INCOMPLETE)
