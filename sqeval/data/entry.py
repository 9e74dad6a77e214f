"""A record of a data file: typed access to its fields, and errors that say where it stands."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from sqeval.data.images import ImageRef
from sqeval.data.locate import Step, line_of
from sqeval.data.root import DataRoot
from sqeval.data.text import is_text, read_text, show
from sqeval.errors import DataError, UserError

T = TypeVar("T")

_KINDS = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


class Entry:
    """One JSON object or TSV row. Nothing is checked before it is asked for; every method raises DataError."""

    __slots__ = ("file", "value", "where")

    def __init__(self, value: dict[str, Any], file: Path, where: int | tuple[Step, ...]) -> None:
        """`where` is the record's line, or the keys and positions that lead to it inside a JSON file."""
        self.value, self.file, self.where = value, file, where

    def get(self, name: str, kind: type[T], default: T | None = None) -> T:
        """Field `name`, which must be a `kind` exactly (true and false are no integers).

        With a `default`, a missing or null field is the default.
        """
        value: Any = self.value.get(name)
        right = type(value) is kind
        if right and (kind is not str or is_text(value)):
            return value  # type: ignore[no-any-return]
        if value is None and default is not None:
            return default
        found = show(value) if name in self.value else "no such field"
        raise self.error(f"expected {_KINDS[kind]}, found {found}", name)

    def one_of(self, name: str, allowed: Iterable[str]) -> str:
        """A string field that must be one of `allowed`."""
        value = self.get(name, str)
        if value not in allowed:
            raise self.error(f"expected one of {', '.join(map(show, allowed))}, found {show(value)}", name)
        return value

    def strings(self, name: str, default: list[str] | None = None) -> list[str]:
        """A list field whose every item must be a string."""
        items: list[Any] = self.get(name, list, default)
        for i, item in enumerate(items):
            if type(item) is not str or not is_text(item):
                raise self.error(f"expected a string, found {show(item)}", f"{name}[{i}]")
        return items

    def numbers(self, name: str) -> list[float]:
        """A list field whose every item must be a finite number."""
        items: list[Any] = self.get(name, list)
        for i, item in enumerate(items):
            if type(item) not in (int, float) or not abs(item) <= sys.float_info.max:
                raise self.error(f"expected a number, found {show(item)}", f"{name}[{i}]")
        return [float(item) for item in items]

    def entry(self, name: str) -> Entry:
        """A field that must be an object."""
        return self._inner(self.get(name, dict), name)

    def entries(self, name: str) -> list[Entry]:
        """A list field whose every item must be an object."""
        return [self._inner(item, name, i) for i, item in enumerate(self.get(name, list))]

    def column(self, name: str, inner: str, kind: type[T]) -> list[T]:
        """Field `inner` of every object in the list `name`: ``entry.column("answers", "answer", str)``."""
        items = self.get(name, list)
        try:
            values: list[Any] = [*map(itemgetter(inner), items)]
        except (TypeError, KeyError):
            values = []
        if {*map(type, values)} == {kind} and (kind is not str or is_text("".join(values))):
            return values
        return [self._inner(item, name, i).get(inner, kind) for i, item in enumerate(items)]

    def error(self, problem: str, field: str | None = None) -> DataError:
        """The error to raise about this record."""
        if isinstance(self.where, int):
            return DataError(problem, file=self.file, line=self.where, field=field)
        line = line_of(read_text(self.file), self.where)
        if line == 1:  # as a rule all of the file is on it
            steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.where]
            field = "".join([*steps, *([f".{field}"] if field else [])]).lstrip(".")
        return DataError(problem, file=self.file, line=line, field=field)

    def _inner(self, value: Any, *steps: Step) -> Entry:
        where = self.where if isinstance(self.where, int) else (*self.where, *steps)
        entry = Entry(value, self.file, where)
        if type(value) is not dict:
            field = "".join(f"[{s}]" if isinstance(s, int) else s for s in steps)
            raise entry.error(f"expected an object, found {show(value)}", field)
        return entry


def image_named(root: DataRoot, folder: str, entry: Entry, field: str, suffix: str = "") -> ImageRef:
    """The image in `folder` whose name, without `suffix`, is the string in `field`. Raises DataError."""
    name = entry.get(field, str)
    try:
        return root.image(f"{folder}/{name}{suffix}")
    except UserError as error:  # a name that leaves the root
        raise entry.error(str(error), field) from None
