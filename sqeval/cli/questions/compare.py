"""`sqeval questions compare`: which of two askers is better, and is that real?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqeval.cli.output import STDOUT, JsonTo


def command(
    first: Annotated[Path, typer.Argument(help="Scores of one run: OUT/RUN_ID.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="Scores of another.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Even if they were asked or judged differently.")] = False,
    json: JsonTo = None,
) -> None:
    """Second minus first, paired by image; the headline and one metric of each group, p-values by Holm's method.

    Example: sqeval questions compare scores/mini scores/people --force
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sqeval.questions.comparing import compare, load, require_comparable, robustness, to_json
    from sqeval.report.files import write_text
    from sqeval.report.numbers import NONE, pvalue
    from sqeval.report.text import plain

    before, after = load(first), load(second)
    if not force:
        require_comparable(before, after)
    found, robust = compare(before, after), robustness(before, after)
    if json == STDOUT:
        print(to_json(found, robust), end="")
        return
    table = Table("metric", box=None, header_style="bold")
    for heading in (plain(before.run_id, 24), plain(after.run_id, 24), "difference", "95 % interval", "p", "images"):
        table.add_column(Text(heading), justify="right")
    for each in found:
        bounds = NONE if each.low is None or each.high is None else f"{each.low:+.3f} to {each.high:+.3f}"
        values = [NONE if value is None else f"{value:.3f}" for value in (each.first, each.second)]
        table.add_row(each.metric, *values, f"{each.change:+.3f}", bounds, pvalue(each.p), str(each.images))
    console = Console()
    console.print(table)
    if robust is not None:
        line = (
            f"{plain(after.run_id)} is ahead under {robust:.0%} of thresholds drawn within 20 % of the calibrated ones"
        )
        console.print(Text(line, style="dim"))
    if json is not None:
        write_text(Path(json), to_json(found, robust))
