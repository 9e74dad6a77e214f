"""Foreign text does nothing but be read; numbers read as the papers print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.report.numbers import half_width, interval, percent, pvalue, signed, signed_interval
from sqeval.report.text import markdown, markdown_table, plain, spreadsheet


@given(st.text(st.characters(codec=None)))
def test_plain_text_is_one_printable_line(text: str) -> None:
    line = plain(text)
    assert "\n" not in line
    assert "\r" not in line
    assert "\x1b" not in line
    assert line.isprintable()
    assert plain(line) == line
    line.encode()


def test_direction_marks_and_escape_sequences_are_removed() -> None:
    assert plain("a\u202eb\x1b[31mc\nd\te") == "ab[31mc d e"
    assert plain("a very long name", 6) == "a ver…"


@given(st.text(max_size=40))
def test_a_markdown_cell_cannot_leave_its_cell(text: str) -> None:
    cell = markdown(text)
    bare = cell.replace("\\\\", "")
    assert all(bare[i - 1] == "\\" for i, char in enumerate(bare) if char in "|<>`*_[]#")


def test_markdown_by_example() -> None:
    assert markdown("a|b <img src=x> *c* [d](e)") == r"a\|b \<img src=x\> \*c\* \[d\](e)"
    assert markdown_table(["a", "b"], [["x", "1"]]) == "| a | b |\n| :-- | --: |\n| x | 1 |\n"


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@sum", "\t=1", "＝1＋1"])
def test_spreadsheets_see_no_formula(formula: str) -> None:
    assert spreadsheet(formula).startswith("'")


def test_numbers() -> None:
    assert percent(0.81249) == "81.2"
    assert percent(1.1341) == "113.4"
    assert percent(None) == "–"
    assert (signed(-0.0123), signed(0.0123), signed(-0.0001), signed(0)) == ("−1.2", "+1.2", "0.0", "0.0")
    assert interval([-0.01, 0.5]) == "−1.0 to 50.0"
    assert signed_interval(-0.021, 0.003) == "−2.1 to +0.3"
    assert half_width([0.5, 0.6]) == "5.0"
    assert (pvalue(0.0001), pvalue(0.0314), pvalue(1.0), pvalue(None)) == ("<.001", ".031", "1", "–")
