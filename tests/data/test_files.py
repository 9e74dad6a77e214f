"""Readers: what they return, and that every fault is one message with file, line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqeval.data.entry import Entry
from sqeval.data.files import read_lines, read_list, read_object, read_table, read_tsv, require_unique
from sqeval.errors import DataError

READERS = [read_object, read_table, read_list, read_lines, read_tsv]


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def message(error: pytest.ExceptionInfo[DataError]) -> str:
    return str(error.value)


def test_values_and_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbf{"a": 1, "b": [{"c": "\xc3\xa9"}], "d": null}')
    record = read_object(path)
    assert record.get("a", int) == 1
    assert record.column("b", "c", str) == ["é"]
    assert record.get("d", str, "none") == record.get("e", str, "none") == "none"
    assert [entry.get("c", str) for entry in record.entries("b")] == ["é"]


LISTED = """{
  "info": {"id": [1, 2, {"x": "}"}]},
  "questions": [
    {"question_id": 1, "answers": [{"answer": "a"}]},

    {"question_id": "2",
     "answers": [{"answer": "a"},
                 {"answer": 3}]},
    4
  ]
}"""


def test_the_line_of_a_bad_record_in_a_big_file(tmp_path: Path) -> None:
    path = write(tmp_path, LISTED)
    record = read_object(path)
    with pytest.raises(DataError) as error:
        record.entries("questions")
    assert message(error) == f"{path}:9: questions[2]: expected an object, found 4"
    bad = Entry(record.value["questions"][1], path, ("questions", 1))
    with pytest.raises(DataError) as error:
        bad.get("question_id", int)
    assert message(error) == f'{path}:6: question_id: expected an integer, found "2"'
    with pytest.raises(DataError) as error:
        bad.column("answers", "answer", str)
    assert message(error) == f"{path}:8: answer: expected a string, found 3"
    with pytest.raises(DataError, match=r":6: image_id: expected an integer, found no such field"):
        bad.get("image_id", int)


def test_records_of_a_table_know_their_line(tmp_path: Path) -> None:
    path = write(tmp_path, '{"7":\n {"answer": "a"},\n "8":\n {"answer": true}}')
    table = read_table(path)
    assert list(table) == ["7", "8"]
    with pytest.raises(DataError) as error:
        table["8"].get("answer", int)
    assert message(error) == f"{path}:4: answer: expected an integer, found true"


def test_lines_are_numbered_from_one_and_blank_ones_skipped(tmp_path: Path) -> None:
    path = write(tmp_path, '{"label": "yes"}\r\n\n{"label": "maybe"}\n')
    first, second = read_lines(path)
    assert first.one_of("label", ("yes", "no")) == "yes"
    with pytest.raises(DataError) as error:
        second.one_of("label", ("yes", "no"))
    assert message(error) == f'{path}:3: label: expected one of "yes", "no", found "maybe"'


def test_tsv_with_quotes_newlines_and_huge_fields(tmp_path: Path) -> None:
    huge = "A" * 300_000
    path = write(tmp_path, f'index\tquestion\timage\n1\t"two\nlines and a ""quote"""\t{huge}\n2\t5\'10"\tx\n')
    first, second = read_tsv(path)
    assert first.get("question", str) == 'two\nlines and a "quote"'
    assert len(first.get("image", str)) == len(huge)
    assert second.get("question", str) == "5'10\""
    assert str(second.error("bad", "image")) == f"{path}:4: image: bad"


@pytest.mark.parametrize(
    ("reader", "text", "expected"),
    [
        (read_object, '{"a": 1,\n "b": }', ":2: expected JSON"),
        (read_object, "", "expected JSON, found nothing"),
        (read_object, "[]", ":1: expected an object { ... }, found []"),
        (read_list, "{}", ":1: expected a list [ ... ], found {}"),
        (read_list, '[{"a": 1},\n\n {"a": NaN}]', ":3: NaN is not a JSON value"),
        (read_list, '[{"a": 1},\n {"a": ' + "9" * 5000 + "}]", ":2: Exceeds the limit"),
        (read_list, '[{"a": 1},\n' + "[" * 100_000 + "]" * 100_000 + "]", ":2: nested too deeply"),
        (read_object, b'{"a":\n"\xff"}', ":2: expected UTF-8 text, found byte 0xff"),
        (read_table, '{"1": {},\n "2": {},\n "1": {}}', ':3: key "1" occurs twice'),
        (read_table, '{"1": {},\n "2": {"a": 1,\n "a": 2}}', ':3: key "a" occurs twice'),
        (read_table, '{"1": {},\n "2": []}', ":2: 2: expected an object, found []"),
        (read_lines, '{"a": 1}\n[1]\n', ":2: expected an object on every line, found [1]"),
        (read_lines, '{"a": 1}\n{"a": \n', ":2: expected JSON"),
        (read_tsv, "a\tb\n1\t2\n1\n", ":3: expected 2 tab-separated fields, found 1"),
        (read_tsv, 'a\tb\n1\t2\n1\t"2\n3\t4\n', ":3: expected tab-separated fields: unexpected end of data"),
        (read_tsv, "a\ta\n", ":1: two columns have the same name"),
        (read_tsv, "", "expected a header line"),
    ],
)
def test_faults_name_file_and_line(tmp_path: Path, reader, text: str | bytes, expected: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as error:
        reader(path)
    assert message(error).startswith(str(path))
    assert expected in message(error)
    assert len(message(error)) < 300


def test_missing_files_and_folders_are_messages(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        for reader in READERS:
            with pytest.raises(DataError, match="cannot be read"):
                reader(path)


def test_half_a_surrogate_pair_is_no_string(tmp_path: Path) -> None:
    record = read_object(write(tmp_path, '{"question": "\\ud83d", "smile": "\\ud83d\\ude00"}'))
    assert record.get("smile", str) == "😀"
    with pytest.raises(DataError, match="question: expected a string"):
        record.get("question", str)


def test_duplicate_ids_are_reported_where_the_second_stands(tmp_path: Path) -> None:
    records = read_list(write(tmp_path, '[{"id": 1},\n{"id": 2},\n{"id": 1}]'))
    with pytest.raises(DataError, match=r":3: id: id 1 occurs twice"):
        require_unique(((r.get("id", int), r) for r in records), "id")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)
    | st.dictionaries(st.text(), inner), max_leaves=8,
)  # fmt: skip


ODD = [
    "0.1",
    "1e22",
    "1E-7",
    "-0",
    "-0.0",
    "1.0",
    "123456789012345678901234567890",
    "5e-324",
    "1e400",
    "01",
    "1.",
    "+1",
    "tru",
]
ODD += [
    "NaN",
    "-Infinity",
    "null",
    "true",
    '"\\ud83d"',
    '"\\ud83d\\ude00"',
    '"\\u00e9 é"',
    '"\x01"',
    '{"b": 1, "b": 2}',
    "",
    "[1,]",
]


def in_a_list(texts: list[str]) -> str:
    return f"[{', '.join(texts)}]"


@settings(max_examples=150, deadline=None)
@given(value=JSON, cut=st.integers(0, 40), junk=st.binary(max_size=4), indent=st.none() | st.just(1))
def test_damaged_files_give_records_or_a_message(tmp_path_factory, value, cut, junk, indent) -> None:
    data = json.dumps(value, indent=indent).encode()
    path = write(tmp_path_factory.mktemp("fuzz", numbered=True), data[:cut] + junk + data[cut:])
    for reader in READERS:
        for entry in entries_or_message(lambda reader=reader: reader(path)):
            for name in [*entry.value, "missing"]:
                for kind in (str, int, list, dict):
                    entries_or_message(lambda entry=entry, name=name, kind=kind: entry.get(name, kind))


@settings(max_examples=150, deadline=None)
@given(text=st.recursive(st.sampled_from(ODD), lambda inner: st.lists(inner, max_size=3).map(in_a_list)))
def test_values_are_those_of_json(tmp_path_factory, text: str) -> None:
    """The fast parser takes nothing that json refuses, and makes the same of it."""
    path = write(tmp_path_factory.mktemp("same", numbered=True), f'{{"a": {text}}}')
    found = entries_or_message(lambda: read_object(path))
    try:
        expected = repr(json.loads(path.read_text("utf-8"), parse_constant=str.upper))
    except ValueError:
        expected = None
    refused = expected is None or "NAN" in expected or "INFINITY" in expected
    assert [repr(entry.value) for entry in found] == ([] if refused else [expected])


def entries_or_message(read) -> list[Entry]:
    """Records that `read` returns; nothing if it raises the one error it may raise. Others pass through."""
    try:
        found = read()
    except DataError:
        return []
    values = found.values() if isinstance(found, dict) else found if isinstance(found, list) else [found]
    return [entry for entry in values if isinstance(entry, Entry)]
