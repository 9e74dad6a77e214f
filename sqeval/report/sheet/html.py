"""Tables as one page of HTML that needs nothing else: no script, no font, no network; light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from sqeval.report.sheet import TIE, Cell, Page, Row, Sheet
from sqeval.report.text import plain

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --pale: #59636e; --line: #d1d9e0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --pale: #9198a1; --line: #3d444d; } }
body { margin: 2rem auto; max-width: 80rem; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; }
body { color: var(--ink); background: var(--paper); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; border-block: 2px solid var(--line); font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap; }
th { font-weight: 600; }
tbody th { font-weight: inherit; }
th.text, td.text { text-align: left; }
tbody { border-top: 1px solid var(--line); }
tr.section th { color: var(--pale); font-style: italic; }
small, p, .unranked { color: var(--pale); }
small { font-weight: 400; }
sup { line-height: 0; }
""".strip()


def render(page: Page) -> str:
    """The whole page; what lies within <main> can be pasted into another one."""
    head = '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">'
    legend = [f"<p>{_text(page.legend)}</p>"] if page.legend else []
    body = "\n".join([f"<h1>{_text(page.title)}</h1>", *map(_sheet, page.sheets), *legend, *map(_sheet, page.apart)])
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n<title>{_text(page.title)}</title>\n'
        f"<style>\n{STYLE}\n</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    return escape(plain(text))


def _sheet(sheet: Sheet) -> str:
    left = ' class="text"'
    headings = "".join(
        f'<th scope="col"{left if i < sheet.left else ""}>{_text(task)}{_small(metric, "<br>")}</th>'
        for i, (task, metric) in enumerate(sheet.headings)
    )
    notes = "".join(f"\n<p>{_text(note)}</p>" for note in sheet.notes)
    table = f"<table>\n<thead>\n<tr>{headings}</tr>\n</thead>\n{''.join(_sections(sheet))}</table>"
    return f'<section>\n<h2>{_text(sheet.title)}</h2>\n<div class="wide">\n{table}\n</div>{notes}\n</section>'


def _sections(sheet: Sheet) -> Iterator[str]:
    for section in sheet.sections:
        heading, kind = "", ""
        if section.heading:
            kind = ' class="unranked"'
            span = f'<th scope="rowgroup" class="text" colspan="{len(sheet.headings)}">'
            heading = f'<tr class="section">{span}{_text(section.heading)}</th></tr>\n'
        yield f"<tbody{kind}>\n{heading}{''.join(_row(row, sheet) for row in section.rows)}</tbody>\n"


def _row(row: Row, sheet: Sheet) -> str:
    name = f'<th scope="row" class="text">{_text(row.name)}</th>'
    rank = f'<td class="text">{_text(row.rank)}</td>' if sheet.ranks else ""
    return f"<tr>{name}{rank}{''.join(f'<td>{_cell(cell)}</td>' for cell in row.cells)}</tr>\n"


def _cell(cell: Cell) -> str:
    value = _text(cell.value)
    if cell.best:
        value = f"<strong>{value}</strong>"
    elif cell.second:
        value = f"<u>{value}</u>"
    return value + (f"<sup>{TIE}</sup>" if cell.tied else "") + _small(cell.spread, " ")


def _small(text: str, before: str) -> str:
    return f"{before}<small>{_text(text)}</small>" if text else ""
