"""Records of big JSON files as typed objects, made by the parser itself, with no dictionaries in between.

What the parser refuses is read again, record by record (`sqeval.data.entry`): it is rare, and has to be complained
about exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from sqeval.data.collection import paused
from sqeval.data.entry import Entry
from sqeval.data.files import read_object, require_unique
from sqeval.data.text import BOM, read_bytes
from sqeval.errors import DataError


class Row(msgspec.Struct, gc=False):
    """Base of a record's type: the fields that are wanted of it, each a str, an int, or a list of another Row.

    Every field must be there and of its kind exactly; what else the record holds is passed over.
    """


R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Rows(Generic[R]):
    """The records of the list `name` in a JSON file, in its order."""

    file: Path
    name: str
    values: Sequence[R]

    def keyed(self, field: str) -> dict[Any, R]:
        """The records by a field that tells them apart. Raises DataError about the second with the same value."""
        keys = [*map(attrgetter(field), self.values)]
        found = dict(zip(keys, self.values, strict=True))
        if len(found) < len(keys):
            require_unique(((key, self._entry(number)) for number, key in enumerate(keys)), field)
        return found

    def error(self, value: R, problem: str, field: str | None = None) -> DataError:
        """The error to raise about a record, which says where that stands."""
        number = next(n for n, other in enumerate(self.values) if other is value)
        return self._entry(number).error(problem, field)

    def _entry(self, number: int) -> Entry:
        """A record's place, for messages."""
        return Entry({}, self.file, (self.name, number))


@paused()
def read_rows(path: Path, name: str, kind: type[R]) -> Rows[R]:
    """The list `name` of the JSON object in `path`. Raises DataError."""
    whole: Any = msgspec.defstruct("File", [(name, list[kind])])  # type: ignore[valid-type]
    try:
        values = getattr(msgspec.json.decode(read_bytes(path).removeprefix(BOM), type=whole), name)
    except (ValueError, RecursionError):
        values = [_checked(entry, kind) for entry in read_object(path).entries(name)]
    return Rows(path, name, values)


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
