"""Spreadsheets: what is written can be read, here and by the rules of the format; files of other programs too."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.data.xlsx import read_xlsx, write_xlsx
from sqeval.errors import DataError

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
LEGAL = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
TEXTS = st.text(LEGAL | st.sampled_from("\n\t\r<&>\"' ="), max_size=8)
SHARED = (
    "<sst xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><si><t>index</t></si><si><t>prediction</t></si>"
    "<si><r><t>B</t></r><r><t xml:space='preserve'>. dog</t></r><rPh sb='0' eb='1'><t>guide</t></rPh></si></sst>"
)
SHEET = (
    "<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><sheetData>"
    "<row r='1'><c r='A1' t='s'><v>0</v></c><c r='C1' t='s'><v>1</v></c></row><row r='2'/>"
    "<row r='3'><c r='A3'><v>12</v></c><c r='C3' t='s'><v>2</v></c><c r='D3'><v>9</v></c></row></sheetData></worksheet>"
)


def rows(path: Path) -> list[dict[str, str]]:
    return [entry.value for entry in read_xlsx(path)]


def zipped(path: Path, **parts: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr({"sheet": "xl/worksheets/sheet1.xml", "shared": "xl/sharedStrings.xml"}[name], text)
    return path


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=4))
def test_texts_come_back_to_the_letter(tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("x") / "x.xlsx"
    path.write_bytes(write_xlsx(["index", "a", "b"], [[i, *pair] for i, pair in enumerate(texts)]))
    assert rows(path) == [{"index": str(i), "a": a, "b": b} for i, (a, b) in enumerate(texts)]


def test_the_parts_are_those_of_the_format_and_the_same_every_time() -> None:
    content = write_xlsx(["index", "text"], [[7, "=1+1"], [8, None]])
    assert content == write_xlsx(["index", "text"], [[7, "=1+1"], [8, None]])
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.namelist()[0] == "[Content_Types].xml"
    workbook = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    assert [sheet.get("name") for sheet in workbook.iter(f"{MAIN}sheet")] == ["Sheet1"]
    sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    cells = {cell.get("r"): cell for cell in sheet.iter(f"{MAIN}c")}
    assert list(cells) == ["A1", "B1", "A2", "B2", "A3"]
    assert cells["A2"].findtext(f"{MAIN}v") == "7"
    assert cells["B2"].get("t") == "inlineStr"  # no formula
    assert not list(sheet.iter(f"{MAIN}f"))


def test_what_a_cell_cannot_hold_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(write_xlsx(["a"], [["a\0b\x1f\ud800c"], ["x" * 40_000]]))
    assert [len(row["a"]) for row in rows(path)] == [3, 32_767]


def test_columns_beyond_z(tmp_path: Path) -> None:
    header = [f"c{i}" for i in range(60)]
    path = tmp_path / "x.xlsx"
    path.write_bytes(write_xlsx(header, [header]))
    assert rows(path) == [{name: name for name in header}]


def test_shared_strings_runs_gaps_and_guides_of_other_programs(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.xlsx", sheet=SHEET, shared=SHARED)
    (entry,) = read_xlsx(path)
    assert entry.value == {"index": "12", "prediction": "B. dog"}
    assert "x.xlsx:3: index: bad" in str(entry.error("bad", "index"))


def test_the_first_sheet_is_the_workbook_s_first(tmp_path: Path) -> None:
    """Sheets that were moved keep their parts' names; charts are no sheets of rows; places may go without saying."""
    path, office = tmp_path / "x.xlsx", "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    sheets = "".join(f"<sheet name='{i}' sheetId='{i}' r:id='rId{i}'/>" for i in (3, 2, 1))
    kinds = {1: "worksheets/sheet1", 2: "/xl/worksheets/sheet2", 3: "chartsheets/sheet3"}
    links = "".join(
        f"<Relationship Id='rId{i}' Type='{office}/{'chartsheet' if i == 3 else 'worksheet'}' Target='{name}.xml'/>"
        for i, name in kinds.items()
    )
    texts = ["".join(f"<c t='inlineStr'><is><t>{t}</t></is></c>" for t in row) for row in (["index", "b"], ["7", "x"])]
    cells = [f"<row>{row}</row>" for row in texts]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "xl/workbook.xml", f"<workbook xmlns='{MAIN[1:-1]}' xmlns:r='{office}'><sheets>{sheets}</sheets></workbook>"
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f"<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>{links}</Relationships>",
        )
        archive.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")
        archive.writestr(
            "xl/worksheets/sheet2.xml",
            f"<worksheet xmlns='{MAIN[1:-1]}'><sheetData>{''.join(cells)}</sheetData></worksheet>",
        )
    assert rows(path) == [{"index": "7", "b": "x"}]


def test_a_packed_result_file_is_to_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "captions_test2014_results.zip", "w") as archive:
        archive.writestr("captions_test2014_results.json", "[]")
    with pytest.raises(DataError, match=r"results.zip: is a zip archive, and no spreadsheet; unpack it"):
        read_xlsx(tmp_path / "captions_test2014_results.zip")


@pytest.mark.parametrize(
    "parts",
    [{"sheet": "<worksheet"}, {"sheet": SHEET}, {"sheet": SHEET, "shared": "<sst/>"}, {"sheet": "<worksheet/>"}],
)
def test_other_files_are_one_message(tmp_path: Path, parts: dict[str, str]) -> None:
    with pytest.raises(DataError, match=r"x.xlsx: expected a (spreadsheet|header line)"):
        read_xlsx(zipped(tmp_path / "x.xlsx", **parts))
    (tmp_path / "x.xlsx").write_text("index,prediction")
    with pytest.raises(DataError, match=r"x.xlsx: expected a spreadsheet \(.xlsx\): File is not a zip file"):
        read_xlsx(tmp_path / "x.xlsx")
    with pytest.raises(DataError, match="No such file"):
        read_xlsx(tmp_path / "y.xlsx")
