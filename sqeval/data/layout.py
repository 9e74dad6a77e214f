"""Where the records of an official file are: enough to keep some of them, word for word, and leave out the others."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from sqeval.data.files import read_lines, read_list, read_object, read_table, read_tsv

LIST, TABLE, LINES, TSV, ALL = "[]", "{}", "lines", "tsv", "*"
"""Layouts of whole files: a list of objects, an object of objects by id, JSON Lines, TSV, an object of lists of ids.
Every other word is the name of a list in an object: ``questions``."""


class Records(NamedTuple):
    """Records of one kind in a file."""

    within: str
    """One of the layouts of whole files, or the name of the list that the records are in."""
    key: str = ""
    """Field with the id; empty where records are listed by it."""
    of: Literal["sample", "image"] = "sample"
    """Whether the id is a sample's, or the name of an image, with suffix or without."""
    prefix: str = ""
    """What stands before the file's id in that of the sample."""


def cut(path: Path, records: Sequence[Records], samples: set[str], images: set[str]) -> bytes:
    """The file with only those records that belong to `samples` (ids) or `images` (names without suffix).

    What is not a record stays as it is. Raises DataError.
    """
    kept: dict[str, Any] = {}
    for kind in records:
        known = samples if kind.of == "sample" else images

        def wanted(key: Any, kind: Records = kind, known: set[str] = known) -> bool:
            return (kind.prefix + str(key) if kind.of == "sample" else PurePosixPath(str(key)).stem) in known

        if kind.within in _WHOLE:
            return _WHOLE[kind.within](path, kind.key, wanted)
        whole = kept or read_object(path).value
        kept = {**whole, kind.within: [record for record in whole[kind.within] if wanted(record.get(kind.key))]}
    return dump(kept)


def dump(value: Any) -> bytes:
    """JSON as a file has it."""
    return (json.dumps(value) + "\n").encode()  # ASCII: half a surrogate pair has no other form


def dump_lines(values: Sequence[Any]) -> bytes:
    """JSON Lines."""
    return b"".join(map(dump, values))


def dump_tsv(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Rows of the same columns below a header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


Wanted = Callable[[Any], bool]


def _list(path: Path, key: str, wanted: Wanted) -> bytes:
    return dump([entry.value for entry in read_list(path) if wanted(entry.value.get(key))])


def _table(path: Path, key: str, wanted: Wanted) -> bytes:
    return dump({name: entry.value for name, entry in read_table(path).items() if wanted(name)})


def _lines(path: Path, key: str, wanted: Wanted) -> bytes:
    return dump_lines([entry.value for entry in read_lines(path) if wanted(entry.value.get(key))])


def _tsv(path: Path, key: str, wanted: Wanted) -> bytes:
    return dump_tsv([entry.value for entry in read_tsv(path) if wanted(entry.value.get(key))])


def _all(path: Path, key: str, wanted: Wanted) -> bytes:
    return dump({name: [*filter(wanted, ids)] for name, ids in read_object(path).value.items()})


_WHOLE: Mapping[str, Callable[[Path, str, Wanted], bytes]] = {
    LIST: _list, TABLE: _table, LINES: _lines, TSV: _tsv, ALL: _all,
}  # fmt: skip
