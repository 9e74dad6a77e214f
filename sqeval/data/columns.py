"""A field of many records at once: checked together at full speed; one by one only if something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from sqeval.data.entry import Entry
from sqeval.data.text import is_text

T = TypeVar("T")


def field(entries: Sequence[Entry], name: str, kind: type[T]) -> list[T]:
    """What ``entry.get(name, kind)`` gives of every record. Raises DataError about the first that it refuses."""
    values: list[Any] = [entry.value.get(name) for entry in entries]
    if {*map(type, values)} == {kind} and (kind is not str or is_text("".join(values))):
        return values
    return [entry.get(name, kind) for entry in entries]


def inner_field(entries: Sequence[Entry], name: str, inner: str, kind: type[T]) -> list[list[T]]:
    """What ``entry.column(name, inner, kind)`` gives of every record. Raises DataError about the first refused."""
    inside = itemgetter(inner)
    try:
        columns: list[list[Any]] = [[*map(inside, entry.value[name])] for entry in entries]
    except (TypeError, KeyError):
        columns = []
    if {*map(type, chain.from_iterable(columns))} == {kind} and (
        kind is not str or all(is_text("".join(column)) for column in columns)
    ):
        return columns
    return [entry.column(name, inner, kind) for entry in entries]
