"""Readers for the benchmarks' files: JSON, JSON Lines, TSV and CSV, read at full speed, complained about exactly.

A file is parsed in one go by the C parser.  Every record is handed out as an `Entry`, which knows where it stands;
only when something is wrong with it is the file read again to find the line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from sqeval.data.collection import paused
from sqeval.data.entry import Entry
from sqeval.data.locate import line_at_fault
from sqeval.data.text import BOM, decoded, read_bytes, read_text, show
from sqeval.errors import DataError

_LARGEST_FIELD = 2**31 - 1  # a base64 image in one field passes csv's own limit of 128 KiB

_NOTHING = object()


def read_object(path: Path, *, unique_keys: bool = False) -> Entry:
    """A JSON file that holds one object. `unique_keys` refuses a key that occurs twice, at any depth."""
    return Entry(_parse(path, dict, unique_keys=unique_keys), path, ())


def read_table(path: Path) -> dict[str, Entry]:
    """A JSON file that holds one object of objects: record by key, in the file's order.

    A key that occurs twice, at any depth, is an error: such files are keyed by id, and JSON would drop the first.
    """
    records = {key: Entry(value, path, (key,)) for key, value in _parse(path, dict, unique_keys=True).items()}
    for key, record in records.items():
        if type(record.value) is not dict:
            raise record.error(f"expected an object, found {show(record.value)}", key)
    return records


def read_list(path: Path) -> list[Entry]:
    """A JSON file that holds a list of objects."""
    records = [Entry(value, path, (i,)) for i, value in enumerate(_parse(path, list))]
    for record in records:
        if type(record.value) is not dict:
            raise record.error(f"expected an object, found {show(record.value)}")
    return records


def read_lines(path: Path, *, commas: bool = False) -> list[Entry]:
    """A JSON Lines file, an object a line; blank lines are skipped. `commas`: each may end in one."""
    records = []
    decoder = _decoder()
    for number, line in enumerate(read_bytes(path).removeprefix(BOM).split(b"\n"), 1):
        if not line or line.isspace():
            continue
        if commas:
            line = line.rstrip().removesuffix(b",")
        value = _quickly(line)
        if value is _NOTHING:
            value = _decode(decoded(line, path, number), decoder, path, number)
        if type(value) is not dict:
            raise DataError(f"expected an object on every line, found {show(value)}", file=path, line=number)
        records.append(Entry(value, path, number))
    return records


def read_tsv(path: Path) -> list[Entry]:
    """A tab-separated file with a header line; every field of its records is a string.

    A field that holds a tab, a double quote or a newline stands in double quotes, as in CSV.
    """
    limit = csv.field_size_limit(_LARGEST_FIELD)
    try:
        return _delimited(path, "\t", "tab-separated fields")
    finally:
        csv.field_size_limit(limit)


def read_csv(path: Path) -> list[Entry]:
    """A comma-separated file with a header line; every field of its records is a string."""
    return _delimited(path, ",", "comma-separated fields")


def require_unique(keyed: Iterable[tuple[Any, Entry]], field: str) -> None:
    """Raise DataError about the second record with the same id; `keyed` yields (id, record)."""
    seen = set()
    for key, entry in keyed:
        if key in seen:
            raise entry.error(f"id {show(key)} occurs twice", field)
        seen.add(key)


def _delimited(path: Path, delimiter: str, kind: str) -> list[Entry]:
    rows = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
    records: list[Entry] = []
    header: list[str] = []
    line = 1
    try:
        for row in rows:
            if not header:
                header = row
                if len(set(header)) < len(header):
                    raise DataError("two columns have the same name", file=path, line=line)
            elif row:
                if len(row) != len(header):
                    problem = f"expected {len(header)} {kind}, found {len(row)}"
                    raise DataError(problem, file=path, line=line)
                records.append(Entry(dict(zip(header, row, strict=True)), path, line))
            line = rows.line_num + 1
    except csv.Error as error:
        raise DataError(f"expected {kind}: {error}", file=path, line=line) from None
    if not header:
        raise DataError("expected a header line, found an empty file", file=path)
    return records


@paused()
def _parse(path: Path, kind: type[Any], *, unique_keys: bool = False) -> Any:
    value = _NOTHING if unique_keys else _quickly(read_bytes(path).removeprefix(BOM))
    if value is _NOTHING:
        value = _decode(read_text(path), _decoder(unique_keys), path, None)
    if type(value) is not kind:
        expected = "an object { ... }" if kind is dict else "a list [ ... ]"
        raise DataError(f"expected {expected}, found {show(value)}", file=path, line=1)
    return value


def _quickly(data: bytes) -> Any:
    """The value by pydantic's parser, which is faster than json's; `_NOTHING` for what it refuses, bad or rare."""
    try:
        return from_json(data, allow_inf_nan=False, cache_strings="all")
    except ValueError:
        return _NOTHING


def _decode(text: str, decoder: json.JSONDecoder, path: Path, line: int | None) -> Any:
    """`line` is the number of the only line in `text`, or None if `text` is the whole file."""
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        what = f"expected JSON: {error.msg} at column {error.colno}" if text.strip() else "expected JSON, found nothing"
        raise DataError(what, file=path, line=line or error.lineno) from None
    except RecursionError:
        problem = "nested too deeply"
    except ValueError as error:  # numbers of thousands of digits, and what the hooks of `_decoder` refuse
        problem = str(error)
    raise DataError(problem, file=path, line=line or line_at_fault(text, decoder))


def _decoder(unique_keys: bool = False) -> json.JSONDecoder:
    return json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_unique if unique_keys else None)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON value")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise ValueError(f"key {show(repeated)} occurs twice")
    return value
