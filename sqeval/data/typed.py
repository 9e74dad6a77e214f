"""Records of big JSON files as typed objects, made by the parser itself, with no dictionaries in between.

What the parser refuses is read again, record by record (`sqeval.data.entry`): it is rare, and has to be complained
about exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    """The records of the list `name` of the JSON object in `file`, in its order."""

    def __init__(self, file: Path, name: str, kind: type[R]) -> None:
        """Raises DataError, about a record that is of another kind as well."""
        self.file, self.name = file, name
        whole: Any = msgspec.defstruct("File", [(name, list[kind])])  # type: ignore[valid-type]
        try:
            self._rows: list[R] = getattr(msgspec.json.decode(read_bytes(file).removeprefix(BOM), type=whole), name)
        except (ValueError, RecursionError):
            self._rows = [_checked(entry, kind) for entry in read_object(file).entries(name)]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows)

    def keyed(self, field: str) -> dict[Any, R]:
        """The records by a field that tells them apart. Raises DataError about the second with the same value."""
        value_of = attrgetter(field)
        found = {value_of(row): row for row in self}
        if len(found) < len(self):
            require_unique(((value_of(row), self._place(number)) for number, row in enumerate(self)), field)
        return found

    def error(self, number: int, problem: str, field: str | None = None) -> DataError:
        """The error to raise about the record of this number, from 0, which says where that stands."""
        return self._place(number).error(problem, field)

    def _place(self, number: int) -> Entry:
        """Where a record stands, for messages."""
        return Entry({}, self.file, (self.name, number))


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
