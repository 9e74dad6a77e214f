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
MaxErrors = Annotated[
    int | None, typer.Option(help="Errored samples that are tolerated for exit code 0.", show_default="0", min=0)
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Discard what the run folder holds and start over.")]
