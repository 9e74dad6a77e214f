"""Records of big JSON files as typed objects, made by the parser itself, with no dictionaries in between.

What the parser refuses is read again, record by record (`sqeval.data.entry`): it is rare, and has to be complained
about exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from sqeval.data.entry import Entry
from sqeval.data.files import read_object, require_unique
from sqeval.data.text import BOM, read_bytes
from sqeval.errors import DataError


class Row(msgspec.Struct, gc=False):
    """Base of a record's type: the fields that are wanted of it, each a str, an int, or a list of another Row.

    Every field must be there and of its kind exactly; what else the record holds is passed over.
    """


R = TypeVar("R", bound=Row)


class Rows(Generic[R]):
    """The records of the list `name` in a JSON file, in its order, each parsed when its turn comes: two million
    answers are never all in memory."""

    def __init__(self, file: Path, name: str, kind: type[R], parts: Sequence[msgspec.Raw]) -> None:
        """`parts` are the records' texts."""
        self.file, self.name = file, name
        self._kind, self._parts = kind, parts

    def __iter__(self) -> Iterator[R]:
        """Raises DataError about a record that is of another kind."""
        decode = msgspec.json.Decoder(self._kind).decode
        for number, part in enumerate(self._parts):
            try:
                yield decode(part)
            except (ValueError, RecursionError):
                yield _checked(self._entries[number], self._kind)

    def keyed(self, field: str) -> dict[Any, R]:
        """The records by a field that tells them apart. Raises DataError about the second with the same value."""
        value_of = attrgetter(field)
        found = {value_of(row): row for row in self}
        if len(found) < len(self._parts):
            require_unique(((value_of(row), self._place(number)) for number, row in enumerate(self)), field)
        return found

    def error(self, number: int, problem: str, field: str | None = None) -> DataError:
        """The error to raise about the record of this number, from 0, which says where that stands."""
        return self._place(number).error(problem, field)

    def _place(self, number: int) -> Entry:
        """Where a record stands, for messages."""
        return Entry({}, self.file, (self.name, number))

    @cached_property
    def _entries(self) -> list[Entry]:
        """The records as dictionaries."""
        return read_object(self.file).entries(self.name)


def read_rows(path: Path, name: str, kind: type[R]) -> Rows[R]:
    """The list `name` of the JSON object in `path`. Raises DataError."""
    whole: Any = msgspec.defstruct("File", [(name, list[msgspec.Raw])])
    try:
        parts = getattr(msgspec.json.decode(read_bytes(path).removeprefix(BOM), type=whole), name)
    except (ValueError, RecursionError):
        parts = [msgspec.Raw(json.dumps(entry.value).encode()) for entry in read_object(path).entries(name)]
    return Rows(path, name, kind, parts)


def _checked(entry: Entry, kind: type[R]) -> R:
    """The same of one record, by the rules of `Entry`."""
    values: dict[str, Any] = {}
    for field, wanted in get_type_hints(kind).items():
        if get_origin(wanted) is list:
            (inner,) = get_args(wanted)
            values[field] = [_checked(item, inner) for item in entry.entries(field)]
        else:
            values[field] = entry.get(field, wanted)
    return kind(**values)
