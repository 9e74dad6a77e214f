"""What `sqeval.compare` and `sqeval.leaderboard` give: objects that hold everything, and print as their tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqeval.boards import Board
from sqeval.comparison import Rules, RunComparison, worst
from sqeval.published import Published
from sqeval.report.shown import Shown
from sqeval.stats.gate import Verdict

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """One or more runs against a baseline."""

    comparisons: tuple[RunComparison, ...]
    """One a run: differences, flips, cells, what else changed."""
    rules: Rules
    exit_code: int
    """What `sqeval compare` would return: 0 pass, 3 regression, 4 inconclusive if strict, 5 not comparable."""
    left_out: tuple[str, ...] = ()
    """Runs that were not compared, and why."""

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of any task."""
        return worst(task.verdict for comparison in self.comparisons for task in comparison.tasks)

    @property
    def table(self) -> pd.DataFrame:
        """A row a metric of each task and run, `primary` or not: difference, interval, p, flips and verdict.

        Values are in the metrics' own units (0..1); `p` is adjusted by Holm's method.
        """
        from sqeval import frames

        return frames.compared(self.comparisons)

    def to_json(self) -> dict[str, Any]:
        """What ``sqeval compare --json`` prints."""
        from sqeval.report.comparison_json import as_json

        return as_json(self.comparisons, self.rules, self.left_out, exit_code=self.exit_code)

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        from sqeval.report.comparison import legend, screen, tally
        from sqeval.report.text import plain

        tables = [part for comparison in self.comparisons for part in (screen(comparison, self.rules), Text())]
        notes = [Text(f"left out: {plain(note)}", style="dim") for note in self.left_out]
        return Group(
            *tables,
            *notes,
            Text(legend(self.rules), style="dim"),
            Text(f"In all: {tally(self.comparisons)}.", style="bold"),
        )

    def __repr__(self) -> str:
        from sqeval.report.comparison import short, title

        told = [f"{title(comparison)}: {', '.join(short(comparison)) or 'nothing'}" for comparison in self.comparisons]
        return f"<Comparison {self.verdict}: {'; '.join(told)}>"


@dataclass(frozen=True, repr=False)
class Leaderboard(Shown):
    """Runs by tasks, a board for each set of runs that answered the same data."""

    boards: Sequence[Board]
    published: Sequence[Published] = ()
    left_out: tuple[str, ...] = ()
    """Runs that could not be used, and why."""

    @property
    def table(self) -> pd.DataFrame:
        """A row a run and task: value, interval, standing, rank; values are in 0..1 (CIDEr: 0..10)."""
        import pandas as pd

        from sqeval.report.rows import FIELDS, as_rows, published_rows

        return pd.DataFrame([*as_rows(self.boards), *published_rows(self.published)], columns=list(FIELDS))

    def to_json(self) -> dict[str, Any]:
        """What ``sqeval leaderboard --json`` prints."""
        from sqeval.report.rows import as_json

        return as_json(self.boards, self.published, self.left_out)

    def __rich__(self) -> RenderableType:
        from sqeval.report.leaderboard import page
        from sqeval.report.sheet.screen import render

        return render(page(self.boards, self.published))

    def __repr__(self) -> str:
        runs = [entry.run.name for board in self.boards for entry in board.entries]
        return f"<Leaderboard {', '.join(runs) or 'without runs'}>"
