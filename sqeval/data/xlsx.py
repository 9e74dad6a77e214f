"""Spreadsheets of one sheet (Office Open XML), as much of them as result files need: text, numbers, nothing else.

Written with the same bytes every time. Texts stay texts, also those that begin with an equals sign.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from sqeval.data.entry import Entry
from sqeval.data.text import UNPACKED
from sqeval.errors import DataError

Cell = str | int | None

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SHEET = "xl/worksheets/sheet1.xml"
_STRINGS = "xl/sharedStrings.xml"
_BOOK = "xl/workbook.xml"
_LINKS = "xl/_rels/workbook.xml.rels"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/{_SHEET}" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    _BOOK: f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
    _LINKS: f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
_LONGEST = 32_767
"""Characters that a cell can hold."""
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold at all."""
_FAULTS = (
    OSError, zipfile.BadZipFile, zlib.error, KeyError, IndexError, ValueError, ElementTree.ParseError, StopIteration,
    NotImplementedError, RuntimeError,  # another compression, a password
)  # fmt: skip
_DATE = (1980, 1, 1, 0, 0, 0)


def write_xlsx(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    """A file with one sheet, ``Sheet1``. None is an empty cell; what a cell cannot hold is left out of its text."""
    lines = [_row(number, row) for number, row in enumerate([header, *rows], 1)]
    sheet = f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**_PARTS, _SHEET: sheet}.items():
            part = zipfile.ZipInfo(name, _DATE)
            part.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(part, _HEAD + text)
    return file.getvalue()


def read_xlsx(path: Path) -> list[Entry]:
    """The rows of the first sheet below its header, every cell as text, an empty one as "". Raises DataError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if not any(name.startswith("xl/") for name in archive.namelist()):
                raise DataError("is a zip archive, and no spreadsheet; unpack it and give the file in it", file=path)
            shared = _shared(_part(archive, _STRINGS)) if _STRINGS in archive.namelist() else []
            rows = list(_rows(ElementTree.fromstring(_part(archive, _first_sheet(archive))), shared))
    except _FAULTS as error:
        raise DataError(f"expected a spreadsheet (.xlsx): {error}", file=path) from None
    if not rows:
        raise DataError("expected a header line, found an empty sheet", file=path)
    names = rows[0][1]
    return [Entry({name: cells.get(at, "") for at, name in names.items()}, path, line) for line, cells in rows[1:]]


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as stream:
        content = stream.read(UNPACKED + 1)
    if len(content) > UNPACKED:
        raise ValueError(f"{name} unpacks to more than {UNPACKED >> 30} GiB")
    return content


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """Name of the part that the workbook lists as its first worksheet: sheets can be moved, and parts are not."""
    if _BOOK not in archive.namelist():
        return _SHEET
    links = ElementTree.fromstring(_part(archive, _LINKS)).iter(f"{{{_PACKAGE}/relationships}}Relationship")
    targets = {link.get("Id"): link.get("Target", "") for link in links if link.get("Type", "").endswith("/worksheet")}
    sheets = ElementTree.fromstring(_part(archive, _BOOK)).iter(f"{{{_MAIN}}}sheet")
    named = [sheet.get(f"{{{_OFFICE}}}id") for sheet in sheets]
    target = next(targets[name] for name in named if name in targets)
    return posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")


def _row(number: int, cells: Sequence[Cell]) -> str:
    return f'<row r="{number}">{"".join(_cell(f"{_letters(i)}{number}", cell) for i, cell in enumerate(cells))}</row>'


def _cell(place: str, cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, int):
        return f'<c r="{place}"><v>{cell}</v></c>'
    text = escape(_ILLEGAL.sub("", cell)[:_LONGEST], {"\r": "&#13;"})
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _letters(column: int) -> str:
    """0 is A, 25 is Z, 26 is AA."""
    return (_letters(column // 26 - 1) if column > 25 else "") + chr(ord("A") + column % 26)


def _after(letters: str) -> str:
    """The next column: A after none, AA after Z."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return _letters(number)


def _shared(content: bytes) -> list[str]:
    return [_text(item) for item in ElementTree.fromstring(content).iter(f"{{{_MAIN}}}si")]


def _rows(sheet: ElementTree.Element, shared: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(number, text by the column's letters) of every row that has cells. One that does not say where it stands comes
    after the one before it."""
    number = 0
    for row in sheet.iter(f"{{{_MAIN}}}row"):
        number = int(row.get("r", number + 1))
        cells, column = {}, ""
        for cell in row.iter(f"{{{_MAIN}}}c"):
            column = cell.get("r", _after(column)).rstrip("0123456789")
            value = cell.findtext(f"{{{_MAIN}}}v") or ""
            inline = cell.get("t") == "inlineStr"
            text = _text(cell) if inline else shared[int(value)] if cell.get("t") == "s" else value
            if text:
                cells[column] = text
        if cells:
            yield number, cells


def _text(element: ElementTree.Element) -> str:
    """The text runs of an element, phonetic guides left out."""
    runs = [*element.iterfind(f".//{{{_MAIN}}}t")]
    guides = {id(t) for guide in element.iter(f"{{{_MAIN}}}rPh") for t in guide.iter(f"{{{_MAIN}}}t")}
    return "".join(run.text or "" for run in runs if id(run) not in guides)
