"""`sqeval compare`: which differences between runs are real."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqeval.cli.output import STDOUT, JsonCommand, JsonTo, json_alone


def command(
    paths: Annotated[list[Path], typer.Argument(help="A results folder, one run folder, or several.")],
    baseline: Annotated[
        str | None, typer.Option(help="Name or folder of the run to compare with.", show_default="see above")
    ] = None,
    margin: Annotated[float, typer.Option(min=0.0, help="Loss, in points, that a pass must exclude.")] = 1.0,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Rate of false alarms, over all tasks.")] = 0.05,
    min_effect: Annotated[
        float, typer.Option(min=0.0, help="Differences below this, in points, are no regression, however certain.")
    ] = 0.0,
    max_rise: Annotated[
        float, typer.Option(min=0.0, help="Points by which unparsed or truncated answers may rise.")
    ] = 5.0,
    max_errors: Annotated[int, typer.Option(min=0, help="Errored samples a task that are tolerated.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 4 if anything is inconclusive.")] = False,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Compare runs on the samples that both have, and tell how many.")
    ] = False,
    aa: Annotated[
        bool, typer.Option("--aa", help="Both runs are of one checkpoint: measure the noise floor, and keep it.")
    ] = False,
    json: JsonTo = None,
    markdown: Annotated[
        Path | None,
        typer.Option(help="Write the tables to this file.", show_default="append to $GITHUB_STEP_SUMMARY, if set"),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write a JUnit report, a test case a task.")] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page to look at the samples, as `sqeval report` does.")
    ] = None,
) -> None:
    """Compare runs with a baseline: paired by sample, clustered by image.

    The baseline is the one named; of several run folders the first; of a results folder the newest stored baseline
    that sees images, else the oldest run that does.

    Exit code 0: no regression; 3: regression; 4: inconclusive, with --strict; 5: not comparable, or a hard gate failed.

    Example: sqeval compare results/ --margin 1.0 --junit compare.xml
    """
    from rich.console import Console
    from rich.text import Text

    from sqeval.comparing import compare_runs
    from sqeval.comparison import Rules, exit_code
    from sqeval.data.collection import paused
    from sqeval.matchup import match
    from sqeval.noise import keep, require_same_weights
    from sqeval.report.comparison_files import write
    from sqeval.shown import Comparison

    rules = Rules(alpha, margin, min_effect, max_errors, max_rise, allow_partial)
    found = match(paths, baseline)
    for candidate in found.candidates if aa else ():
        require_same_weights(found.baseline, candidate)
    with paused(lasting=True):
        comparisons = [compare_runs(found.baseline, candidate, rules) for candidate in found.candidates]
    code = exit_code(comparisons, explicit=found.explicit, strict=strict)
    file = None if json is None or json == STDOUT else Path(json)
    write(comparisons, rules, found.notes, code, strict, json=file, markdown=markdown, junit=junit)
    if html:
        from sqeval.report.html.page import write_report

        write_report(found.candidates, html, baseline=found.baseline, rules=rules)
    shown = Comparison(tuple(comparisons), rules, code, found.notes)
    with json_alone(json == STDOUT) as emit:
        emit(shown.to_json())
        console = Console()
        console.print(shown)
        for comparison in comparisons if aa else ():
            console.print(Text(keep(comparison), style="bold"))
    raise typer.Exit(code)


app = typer.Typer(add_completion=False)
app.command("compare", cls=JsonCommand)(command)
