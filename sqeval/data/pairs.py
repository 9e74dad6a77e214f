"""Ids and texts of a file of predictions, made by the parser itself, with no dictionaries in between."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sqeval.data.text import BOM, read_bytes

_HEAD = 1 << 16
"""Bytes that hold the first record of the files that are read so."""
Format = tuple[str, str]
"""(id field, text field)"""
RESPONSES = frozenset(["text", "prediction", "response"])
"""Fields of what a model said, beside which ``answer`` may be the true answer."""


def read_pairs(path: Path, formats: Sequence[Format]) -> tuple[Format, list[str], list[str]] | None:
    """The format of a JSON list or JSON Lines file, its ids, which are all different, and their texts.

    The format is the first of `formats` that the first record has the fields of. None for whatever has to be read a
    record at a time (`sqeval.data.predictions`), another kind of file or a faulty one: that tells what is wrong with
    it. Raises DataError if the file cannot be read.
    """
    content = read_bytes(path).removeprefix(BOM)
    try:
        start = content[:_HEAD].decode(errors="ignore")
        first, _ = json.JSONDecoder().raw_decode(start, start.index("{"))
        found = next(fields for fields in formats if set(fields) <= first.keys())
        if not is_clear(first.keys(), found[1]):
            return None
        pairs = _records(content, _pair(*found))
    except (ValueError, RecursionError, StopIteration):
        return None
    keys, texts = [str(pair.key) for pair in pairs], [pair.text for pair in pairs]
    return (found, keys, texts) if all(keys) and len(set(keys)) == len(keys) else None


def is_clear(fields: Collection[str], text_field: str) -> bool:
    """Whether `text_field`, one of `fields`, holds what the model said."""
    return text_field != "answer" or RESPONSES.isdisjoint(fields)


def _records(content: bytes, kind: Any) -> list[Any]:
    if content[:64].lstrip().startswith(b"["):
        return msgspec.json.decode(content, type=list[kind])
    return msgspec.json.Decoder(kind).decode_lines(content)


def _pair(key: str, text: str) -> Any:
    """The type of a record of which two fields are wanted."""
    return msgspec.defstruct("Pair", [("key", int | str), ("text", str)], rename={"key": key, "text": text}, gc=False)
