"""Tables in LaTeX, to be pasted into a paper as they are."""

from __future__ import annotations

from collections.abc import Iterator

from sqeval.report.sheet import TIE, Cell, Page, Row, Sheet
from sqeval.report.text import latex, plain

WIDE = 4
"""More columns of scores than this go over both columns of a two-column paper."""


def render(page: Page) -> str:
    """One table environment a sheet, with notes and legend in its caption."""
    head = f"% {plain(page.title)}. The preamble needs \\usepackage{{booktabs}}.\n"
    sheets = [_table(sheet, page.legend) for sheet in page.sheets]
    return "\n".join([head, *sheets, *(_table(sheet, "") for sheet in page.apart)])


def _table(sheet: Sheet, legend: str) -> str:
    name = "table*" if len(sheet.columns) > WIDE else "table"
    lines = [
        rf"\begin{{{name}}}",
        r"  \centering\small\setlength{\tabcolsep}{4pt}",
        rf"  \caption{{{latex(' '.join([f'{sheet.title}.', *sheet.notes, legend]).rstrip())}}}",
        rf"  \begin{{tabular}}{{{'l' * sheet.left}{'r' * len(sheet.columns)}}}",
        r"    \toprule",
        *(f"    {line}" for line in _heading(sheet)),
    ]
    for section in sheet.sections:
        lines.append(r"    \midrule")
        if section.heading:
            lines.append(rf"    \multicolumn{{{len(sheet.headings)}}}{{l}}{{\textit{{{latex(section.heading)}}}}} \\")
        lines += [f"    {_row(row, sheet)}" for row in section.rows]
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", rf"\end{{{name}}}", ""])


def _heading(sheet: Sheet) -> Iterator[str]:
    tasks, metrics = zip(*sheet.headings, strict=True)
    yield rf"{' & '.join(map(latex, tasks))} \\"
    yield rf"{' & '.join(_small(metric) for metric in metrics)} \\"


def _row(row: Row, sheet: Sheet) -> str:
    left = [latex(row.name), latex(row.rank)][: sheet.left]
    return rf"{' & '.join([*left, *map(_cell, row.cells)])} \\"


def _cell(cell: Cell) -> str:
    value = latex(cell.value)
    if cell.best:
        value = rf"\textbf{{{value}}}"
    elif cell.second:
        value = rf"\underline{{{value}}}"
    return f"{value}{latex(TIE) if cell.tied else ''} {_small(cell.spread)}".rstrip()


def _small(text: str) -> str:
    return rf"{{\scriptsize {latex(text)}}}" if text else ""
