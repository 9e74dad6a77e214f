"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Judge = Annotated[
    str | None,
    typer.Option(
        help="Model that judges where a task needs one, at $OPENAI_BASE_URL with $OPENAI_API_KEY.",
        metavar="MODEL",
        show_default=False,
    ),
]
JudgeRounds = Annotated[int | None, typer.Option(help="How often each response is judged.", show_default="1", min=1)]
Protocol = Annotated[
    str | None,
    typer.Option(
        help="Whose evaluation to reproduce: official, llava or lmms. `sqeval tasks show TASK` tells them apart.",
        show_default="official",
    ),
]
MaxErrors = Annotated[
    int | None, typer.Option(help="Errored samples that are tolerated for exit code 0.", show_default="0", min=0)
]
Images = Annotated[
    str | None,
    typer.Option(
        help="Folder that the image folders lie under, or the only one itself.", show_default="the data folder"
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        help="Split to read, of one task or as TASK=SPLIT,...; `sqeval tasks show TASK` lists them.",
        metavar="[TASK=]SPLIT",
        show_default="the first that is there",
    ),
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Discard what the run folder holds and start over.")]
