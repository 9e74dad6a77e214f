"""`sqeval report`: one page to look at runs and their samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqeval.report.html.page import Written


def command(
    paths: Annotated[list[Path], typer.Argument(help="One run folder, several, or a results folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page, replaced if it exists.")] = Path("report.html"),
    baseline: Annotated[str | None, typer.Option(help="Name or folder of the run to compare with.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Data root that has the images.", show_default="the one the run was about")
    ] = None,
    embed_mb: Annotated[
        float, typer.Option(help="Megabytes of thumbnails within the page; more are put in a folder beside it.", min=0)
    ] = 25.0,
    margin: Annotated[float, typer.Option(min=0.0, help="Loss, in points, that a pass must exclude.")] = 1.0,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Rate of false alarms, over all tasks.")] = 0.05,
) -> None:
    """Write a page with scores, breakdowns, and every sample with its image; it opens offline in any browser.

    Of two runs or more, the first is the baseline, unless --baseline names another: flips come first, and differences
    have intervals and verdicts, as in `sqeval compare`. Runs may be stored baselines, which have no responses.

    Example: sqeval report results/try -o report.html

    Two runs, compared: sqeval report results/before results/try -o compared.html
    """
    written = write(paths, out, baseline=baseline, data=data, embed_mb=embed_mb, margin=margin, alpha=alpha)
    print(f"{written.path} ({written.size / 1e6:,.1f} MB)")


def write(
    paths: list[Path],
    out: Path,
    *,
    baseline: str | None,
    data: str | None,
    embed_mb: float,
    margin: float,
    alpha: float,
) -> Written:
    """Write the page, and say on stderr what it lacks."""
    import sys

    from sqeval.comparison import Rules
    from sqeval.matchup import match
    from sqeval.progress import progress_for_stderr
    from sqeval.report.html.page import write_report
    from sqeval.report.text import plain
    from sqeval.runs import is_run, load_run

    single = baseline is None and len(paths) == 1 and is_run(paths[0])
    found = None if single else match(paths, baseline)
    written = write_report(
        found.candidates if found else [load_run(paths[0])],
        out,
        baseline=found.baseline if found else None,
        data=data,
        embed_mb=embed_mb,
        rules=Rules(alpha=alpha, margin=margin),
        progress=progress_for_stderr(),
    )
    left_out = found.notes if found else ()
    for note in (*(f"left out: {plain(note)}" for note in left_out), *written.notes):
        print(note, file=sys.stderr)
    return written
