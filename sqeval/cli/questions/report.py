"""`sqeval questions report`: one page about what was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    scores: Annotated[
        list[Path], typer.Argument(help="Scores: OUT of `questions score`, or some OUT/RUN_ID.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The page, replaced if it exists.")] = Path("questions.html"),
    validation: Annotated[
        Path | None, typer.Option(help="validation.json of `questions validate`, for the heat map.", show_default=False)
    ] = None,
) -> None:
    """Write a page with scores, funnel, types, frontier, validation, galleries and a head to head of two runs.

    Example: sqeval questions report scores -o questions.html
    """
    from sqeval.errors import UserError
    from sqeval.progress import progress_for_stderr
    from sqeval.questions.comparing import load
    from sqeval.questions.page import write
    from sqeval.questions.scoring import SUMMARY

    folders = [
        path for given in scores for path in ([given] if (given / SUMMARY).is_file() else sorted(given.glob("*")))
    ]
    found = [path for path in folders if (path / SUMMARY).is_file()]
    if not found:
        raise UserError(f"{', '.join(map(str, scores))}: no scores here; `sqeval questions score` writes them")
    write([load(path) for path in found], out, validation, progress_for_stderr())
    print(f"{out} ({out.stat().st_size / 1e6:,.1f} MB)")
