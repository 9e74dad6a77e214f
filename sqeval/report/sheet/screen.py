"""Tables for the terminal: as many columns side by side as its width holds, the rest below."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqeval.report.sheet import TIE, Cell, Page, Sheet
from sqeval.report.text import plain

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

LONG_NAME = 24
"""Characters of a name that are not broken, if there is not room enough for all columns."""


def render(page: Page) -> RenderableType:
    """All tables with their notes, the legend below those that it is about."""
    from rich.console import Group
    from rich.text import Text

    legend = [Text(plain(page.legend), style="dim")] if page.legend else []
    sheets, apart = ([part for sheet in sheets for part in _sheet(sheet)] for sheets in (page.sheets, page.apart))
    return Group(*sheets, *legend, *apart)


def _sheet(sheet: Sheet) -> list[RenderableType]:
    from rich.text import Text

    return [_Fitted(sheet), *(Text(plain(note), style="dim") for note in sheet.notes)]


def text(page: Page, width: int = 80) -> str:
    """The same for a file: without colours and type faces."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(render(page))
    return captured.get()


class _Fitted:
    """A sheet that divides itself by the width it is given."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        parts, gap = divided(self.sheet, options.max_width)
        for number, columns in enumerate(parts):
            yield _table(self.sheet, columns, gap, first=number == 0)


def divided(sheet: Sheet, width: int) -> tuple[list[list[int]], str]:
    """Columns that stand side by side, part by part, and what stands between a value and its spread.

    Spreads go to a line of their own before the table is divided.
    """
    rows = [row for section in sheet.sections for row in section.rows]
    names = [plain(row.name) for row in rows] + [plain(section.heading) for section in sheet.sections]
    left = _width(["model", *names])
    rank = 1 + _width(["rank", *(row.rank for row in rows)]) if sheet.ranks else 0
    for gap in (" ", "\n"):
        widths = [_column(sheet, column, gap) for column in range(len(sheet.columns))]
        if _total(left + rank, widths) <= width:
            return [list(range(len(widths)))], gap
    left, parts = min(left, LONG_NAME), [[0]]
    for column in range(1, len(widths)):
        if _total(left + rank, [widths[other] for other in (*parts[-1], column)]) <= width:
            parts[-1].append(column)
        else:
            parts.append([column])
    return parts, gap


def _total(left: int, widths: Sequence[int]) -> int:
    """Characters of a line: columns are one apart, and the edges are as wide."""
    return left + sum(widths) + len(widths) + 2


def _column(sheet: Sheet, column: int, gap: str) -> int:
    cells = [_text(row.cells[column], gap) for section in sheet.sections for row in section.rows]
    return _width([*map(plain, sheet.columns[column]), *(line for cell in cells for line in cell.split("\n"))])


def _width(texts: Sequence[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, texts))


def _text(cell: Cell, gap: str) -> str:
    value = cell.value + (TIE if cell.tied else "")
    return plain(value) + (gap + plain(cell.spread) if cell.spread else "")


def _table(sheet: Sheet, columns: Sequence[int], gap: str, *, first: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.HORIZONTALS, header_style="bold", padding=(0, 0), title_justify="left")
    table.title = Text(plain(sheet.title) + ("" if first else " (continued)"), style="bold")
    longest = _width([plain(row.name) for section in sheet.sections for row in section.rows] or [""])
    table.add_column("model", overflow="fold", min_width=min(longest, LONG_NAME))
    if sheet.ranks:
        table.add_column("rank", no_wrap=True)
    for column in columns:
        task, metric = map(plain, sheet.columns[column])
        table.add_column(Text(f"{task}\n").append(metric, style="dim"), justify="right", overflow="fold")
    for section in sheet.sections:
        if section.heading:
            table.add_section()
            table.add_row(Text(plain(section.heading), style="dim italic"))
        for row in section.rows:
            left = [Text(plain(row.name)), *([Text(plain(row.rank))] if sheet.ranks else [])]
            cells = [_styled(row.cells[column], gap) for column in columns]
            table.add_row(*left, *cells, style="dim" if section.heading else "")
    return table


def _styled(cell: Cell, gap: str) -> Text:
    from rich.text import Text

    text = Text(_text(cell, gap))
    if cell.best or cell.second:
        text.stylize("bold" if cell.best else "underline", 0, len(plain(cell.value)))
    return text
