"""Tables in Markdown that GitHub and GitLab render."""

from __future__ import annotations

from collections.abc import Iterator

from sqeval.report.sheet import TIE, Cell, Page, Row, Sheet
from sqeval.report.text import markdown, markdown_table


def render(page: Page) -> str:
    """All tables under the page's title, the legend below those that it is about."""
    legend = [f"{markdown(page.legend)}\n"] if page.legend else []
    sheets, apart = ([part for sheet in sheets for part in _sheet(sheet)] for sheets in (page.sheets, page.apart))
    return "\n".join([f"# {markdown(page.title)}\n", *sheets, *legend, *apart])


def _sheet(sheet: Sheet) -> Iterator[str]:
    headings = ["<br>".join(markdown(line) for line in lines if line) for lines in sheet.headings]
    yield f"## {markdown(sheet.title)}\n"
    yield markdown_table(headings, _rows(sheet), range(sheet.left))
    yield from (f"{markdown(note)}\n" for note in sheet.notes)


def _rows(sheet: Sheet) -> Iterator[list[str]]:
    for section in sheet.sections:
        if section.heading:
            yield [f"*{markdown(section.heading)}*", *[""] * (len(sheet.headings) - 1)]
        for row in section.rows:
            yield [*_left(row, sheet), *map(_cell, row.cells)]


def _left(row: Row, sheet: Sheet) -> list[str]:
    return [markdown(row.name), markdown(row.rank)][: sheet.left]


def _cell(cell: Cell) -> str:
    value = markdown(cell.value)
    if cell.best:
        value = f"**{value}**"
    elif cell.second:
        value = f"<ins>{value}</ins>"
    return f"{value}{TIE if cell.tied else ''} {markdown(cell.spread)}".rstrip()
