"""`sqeval questions import`: questions that others wrote down, in our own form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    file: Annotated[Path, typer.Argument(help="The file to read.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="*.questions.jsonl to write.", show_default=False)],
    format: Annotated[str, typer.Option(help="sqllava-sq, sqllava-qa, seeq, vqa-v2 or csv.")] = "csv",
    model: Annotated[str | None, typer.Option(help="Who asked.", show_default="the file's name")] = None,
    family: Annotated[
        str | None, typer.Option(help="Family of the asker; `human` makes it the ceiling.", show_default=False)
    ] = None,
) -> None:
    """Read the release's answer files, VQA's questions, or a table of image and question.

    Example: sqeval questions import people.csv --family human -o people.questions.jsonl
    """
    from sqeval.errors import UserError
    from sqeval.questions.files import write_questions
    from sqeval.questions.importers import FORMATS, as_questions

    if format not in FORMATS:
        raise UserError(f"--format {format}: expected one of {', '.join(FORMATS)}")
    read, gen = FORMATS[format]
    name = model or out.name.split(".")[0]
    images = as_questions(read(file), name, name, family, gen)
    write_questions(out, images)
    print(f"{out}: {sum(len(i.questions) for i in images):,} questions about {len(images):,} images")
