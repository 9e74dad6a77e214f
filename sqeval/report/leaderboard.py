"""The leaderboard: for the screen, as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqeval.leaderboard import Board, Entry, Standing
from sqeval.report.numbers import NONE, half_width, percent
from sqeval.report.text import markdown, markdown_table, plain, spreadsheet

if TYPE_CHECKING:
    from rich.console import RenderableType

SECTIONS = {Standing.PARTIAL: "not ranked", Standing.FLOOR: "floors"}
LEGEND = (
    "Primary metric of each task in percent (CIDEr times 100) ± half its 95 % interval, clustered by image. "
    "Bold: the best of the ranked runs. Runs with --limit or with errors are not ranked. Floors never see the image."
)
SYNTHETIC = "Synthetic scenes: they test the harness and the training loop, and rank no real model."
IN_ONE_LINE, LONG_NAME = 6, 16
"""Tasks whose values and intervals fit into one line of 80 characters; characters of a name that are not broken."""
FIELDS = (
    "data", "run", "standing", "flags", "task", "version", "metric", "value", "low", "high", "n", "clusters", "best",
)  # fmt: skip


def screen(boards: Sequence[Board]) -> RenderableType:
    """A table for each board; ranked runs, a rule, runs that are not ranked, a rule, floors."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for board in boards:
        parts.append(_table(board, title(board, boards)))
        parts += [Text(SYNTHETIC, style="dim")] if board.data == "mini" else []
    return Group(*parts, Text(LEGEND, style="dim"))


def as_markdown(boards: Sequence[Board]) -> str:
    """A table for each board that GitHub and GitLab render; names are escaped."""
    parts = ["# Leaderboard\n"]
    for board in boards:
        rows = []
        for standing, entries in _sections(board):
            if standing in SECTIONS:
                rows.append([f"*{SECTIONS[standing]}*", *[""] * len(board.tasks)])
            rows += [_markdown_row(entry, board) for entry in entries]
        headings = ["model", *(f"{markdown(task)}<br>{markdown(metric(board, task))}" for task in board.tasks)]
        parts += [f"## Data: {markdown(title(board, boards))}\n", markdown_table(headings, rows)]
        parts += [f"{SYNTHETIC}\n"] if board.data == "mini" else []
    return "\n".join([*parts, f"{markdown(LEGEND)}\n"])


def as_csv(boards: Sequence[Board]) -> str:
    """One line a run and task; values in the metric's own units (0..1)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for row in as_rows(boards):
        writer.writerow([spreadsheet(value) if isinstance(value, str) else value for value in row.values()])
    return text.getvalue()


def as_rows(boards: Sequence[Board]) -> list[dict[str, Any]]:
    """One object a run and task, with the fields `FIELDS`; JSON-able."""
    rows = []
    for board in boards:
        for entry in board.entries:
            for task in board.tasks:
                if task in entry.run.tasks:
                    values = (title(board, boards), entry.run.name, entry.standing.value, "; ".join(entry.flags))
                    rows.append(dict(zip(FIELDS, (*values, *_facts(entry, task)), strict=True)))
    return rows


def title(board: Board, boards: Sequence[Board]) -> str:
    """The data's name, with the beginning of a hash if two tables share the name."""
    if sum(other.data == board.data for other in boards) < 2:
        return plain(board.data)
    known = []
    for task in board.tasks:
        data, _, *judge = board.hashes[task]
        known += [task, data[:8], *judge]
    return f"{plain(board.data)} ({plain(' '.join(known))})"


def name(entry: Entry, board: Board) -> str:
    """The run's name with what has to be known about it."""
    twins = [other for other in board.entries if other.run.name == entry.run.name]
    notes = [*(["baseline"] if entry.run.is_baseline and len(twins) > 1 else []), *entry.flags]
    return plain(entry.run.name) + (f" ({', '.join(notes)})" if notes else "")


def metric(board: Board, task: str) -> str:
    """Name of the task's primary metric."""
    return next(str(entry.run.tasks[task].result["primary"]) for entry in board.entries if task in entry.run.tasks)


def _table(board: Board, title: str) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.HORIZONTALS, header_style="bold", padding=(0, 0), title_justify="left")
    table.title = Text(f"Data: {title}", style="bold")
    longest = max(len(name(entry, board)) for entry in board.entries)
    table.add_column("model", overflow="fold", min_width=min(longest, LONG_NAME))
    gap = " " if len(board.tasks) <= IN_ONE_LINE else "\n"
    for task in board.tasks:
        heading = Text(f"{plain(task)}\n").append(plain(metric(board, task)), style="dim")
        table.add_column(heading, justify="right", overflow="fold")
    for standing, entries in _sections(board):
        if standing in SECTIONS:
            table.add_section()
            table.add_row(Text(SECTIONS[standing], style="dim italic"))
        for entry in entries:
            cells = [
                Text(_cell(entry, task).replace(" ", gap), style="bold" if task in entry.best else "")
                for task in board.tasks
            ]
            table.add_row(Text(name(entry, board)), *cells, style="" if standing is Standing.FULL else "dim")
    return table


def _sections(board: Board) -> Iterator[tuple[Standing, list[Entry]]]:
    for standing in Standing:
        entries = [entry for entry in board.entries if entry.standing is standing]
        if entries:
            yield standing, entries


def _cell(entry: Entry, task: str) -> str:
    primary = entry.run.tasks[task].primary if task in entry.run.tasks else {"value": None}
    if primary["value"] is None:
        return NONE
    return f"{percent(primary['value'])} ±{half_width(primary['ci95'])}"


def _markdown_row(entry: Entry, board: Board) -> list[str]:
    return [markdown(name(entry, board)), *(_markdown_cell(entry, task) for task in board.tasks)]


def _markdown_cell(entry: Entry, task: str) -> str:
    value, _, width = _cell(entry, task).partition(" ")
    return f"**{value}** {width}" if task in entry.best else f"{value} {width}".rstrip()


def _facts(entry: Entry, task: str) -> tuple[Any, ...]:
    found = entry.run.tasks[task]
    primary, result = found.primary, found.result
    low, high = primary["ci95"] or (None, None)
    place = (task, result["version"], result["primary"])
    return (*place, primary["value"], low, high, primary["n"], primary["clusters"], task in entry.best)
