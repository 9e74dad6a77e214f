"""Typed records: read by the parser itself, or by hand where it refuses, with the same outcome."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqeval.data.files import read_object
from sqeval.data.typed import Row, Rows, _checked
from sqeval.errors import DataError


class Part(Row):
    """An inner record."""

    name: str
    number: int


class Whole(Row):
    """A record with others in it."""

    key: int
    text: str
    parts: list[Part]


def outcome(read: Any) -> tuple[str, Any]:
    """What a reader gives, or the message of its refusal."""
    try:
        return "read", read()
    except DataError as error:
        return "refused", str(error)


right = st.fixed_dictionaries(
    {
        "key": st.integers(),
        "text": st.text(st.characters(exclude_categories=("Cs",))),
        "parts": st.lists(
            st.fixed_dictionaries({"name": st.text(st.characters(codec="utf-8")), "number": st.integers()}), max_size=3
        ),
        "more": st.just({"nobody": ["asked"]}),
    }
)
odd = st.sampled_from([None, True, 1, 1.0, 1e3, "1", "", [], {}, "\ud800", [None], [{"name": "x"}], 2**70])


@given(
    st.lists(right, max_size=4), st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["key", "text", "parts"]), odd))
)
def test_records_are_what_reading_one_by_one_makes_of_them(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, Any]], changes: list[tuple[int, str, Any]]
) -> None:
    for number, field, value in changes:
        if number < len(records):
            records[number][field] = value
    path = tmp_path_factory.mktemp("typed") / "file.json"
    path.write_text(json.dumps({"info": 1, "records": records}, indent=0))
    quick = outcome(lambda: list(Rows(path, "records", Whole)))
    slow = outcome(lambda: [_checked(entry, Whole) for entry in read_object(path).entries("records")])
    assert quick == slow


def rows(path: Path, text: str) -> Rows[Whole]:
    path.write_text(text)
    return Rows(path, "records", Whole)


GOOD = '{"key": 1, "text": "a", "parts": [{"name": "b", "number": 2, "more": 0}], "more": []}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", r"file.json:1: expected an object"),
        ("{}", r"records: expected a list, found no such field"),
        ('{"records": 3}', r"records: expected a list, found 3"),
        (f'{{"records": [{GOOD},\n7]}}', r"file.json:2: records\[1\]: expected an object, found 7"),
        (f'{{"records": [{GOOD},\n{{"key": "1"}}]}}', r'file.json:2: key: expected an integer, found "1"'),
        (f'{{"records": [{GOOD},\n\n{{"key": 1, "text": "a"}}]}}', r"file.json:3: parts: expected a list"),
        (GOOD.join(['{"records": [', ""]), r"file.json:1: expected JSON"),
        (
            '{"records": [{"key": 1, "text": "",\n"parts": [\n{"name": "b", "number": true}]}]}',
            r"file.json:3: number: expected an integer, found true",
        ),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(rows(tmp_path / "file.json", text))


def test_a_file_may_be_gzipped_and_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "file.json.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + f'{{"records": [{GOOD}]}}'.encode()))
    assert list(Rows(path, "records", Whole)) == [Whole(1, "a", [Part("b", 2)])]


def test_records_are_keyed_by_a_field_that_tells_them_apart(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    other = GOOD.replace('"key": 1', '"key": 2')
    assert list(rows(path, f'{{"records": [{other}, {GOOD}]}}').keyed("key")) == [2, 1]
    found = rows(path, f'{{"records": [{GOOD},\n{other},\n{GOOD}]}}')
    with pytest.raises(DataError, match=r"file.json:3: key: id 1 occurs twice"):
        found.keyed("key")


def test_an_error_about_a_record_says_where_it_stands(tmp_path: Path) -> None:
    found = rows(tmp_path / "file.json", f'{{"records": [{GOOD},\n{GOOD}]}}')
    assert "file.json:2: text: too short" in str(found.error(1, "too short", "text"))
