"""Where in a JSON text something stands: used only when an error is raised, so that reading stays fast."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

Step = str | int
"""A key of an object, or a position in a list."""

_SPACE = re.compile(r"[ \t\n\r]*")
_DEPTH = 3  # a field of a record of a named list: deeper than that, the record's line says enough


def line_of(text: str, steps: tuple[Step, ...]) -> int:
    """Line (from 1) of the value that `steps` lead to in a text that parses; the last one if a key repeats."""
    at = _skip(text, 0)
    decoder = json.JSONDecoder()
    for step in steps:
        for key, start in _members(text, at, decoder):
            if key == step:
                found = start
                if isinstance(step, int):
                    break
        at = found
    return _line(text, at)


def line_at_fault(text: str, decoder: json.JSONDecoder) -> int:
    """Line of the innermost value (three levels at most) that `decoder` refuses, in a well-formed text."""
    at = _skip(text, 0)
    for _ in range(_DEPTH):
        inner = _refused_member(text, at, decoder)
        if inner is None:
            break
        at = inner
    return _line(text, at)


def _refused_member(text: str, at: int, decoder: json.JSONDecoder) -> int | None:
    """Start of the first member that repeats a key or that `decoder` refuses; None if there is none."""
    seen: set[Step] = set()
    start = at
    try:
        for key, start in _members(text, at, decoder):
            if key in seen:
                return start
            seen.add(key)
    except (ValueError, RecursionError):
        return None if start == at else start
    return None


def _members(text: str, at: int, decoder: json.JSONDecoder) -> Iterator[tuple[Step, int]]:
    """(key or position, start of the value) of the object or list that starts at `at`; nothing for other values."""
    opening = text[at : at + 1]
    if opening not in ("{", "["):
        return
    at = _skip(text, at + 1)
    position = 0
    while text[at : at + 1] not in ("}", "]", ""):
        key: Step = position
        if opening == "{":
            key, at = decoder.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        yield key, at
        _, at = decoder.raw_decode(text, at)
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        position += 1


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
