"""A finished run against the newest comparable one beside it, in a line a task."""

from __future__ import annotations

from pathlib import Path

from sqeval.comparing import compare_runs
from sqeval.comparison import Rules
from sqeval.errors import SqevalError
from sqeval.matchup import newest_comparable
from sqeval.report.comparison import short
from sqeval.runs import load_run


def beside(folder: Path) -> list[str]:
    """How the run in `folder` compares with the newest earlier one in the same results folder.

    Primary metrics of the tasks that can be compared; empty if there is no such run, if this one is not complete, or if
    either is damaged: a run that went well does not end with a complaint about another one.
    """
    try:
        run = load_run(folder)
        other = newest_comparable(run)
        return [] if other is None else short(compare_runs(other, run, Rules(), brief=True))
    except SqevalError:
        return []
