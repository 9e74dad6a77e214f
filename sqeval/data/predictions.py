"""Files of predictions: the benchmarks' result formats, LLaVA's answer files, and our own samples.

What a file is, its content says, not its name: JSON lists, JSON Lines, tables and spreadsheets, gzipped or not.
Predictions are joined to samples by id (`sqeval.data.join`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sqeval.data.collection import paused
from sqeval.data.columns import field
from sqeval.data.entry import Entry
from sqeval.data.files import read_lines, read_list, read_object, read_tsv
from sqeval.data.join import STRICT, Allow, joined, require_single
from sqeval.data.pairs import RESPONSES, Format, is_clear, read_pairs
from sqeval.data.text import BOM, head, read_text, show
from sqeval.errors import DataError
from sqeval.model import Verbatim

OURS: Format = ("id", "response")
_FIELDS_SHOWN = 8
_ZIP = b"PK\x03\x04"


@paused()
def read_by_id(
    path: Path,
    formats: Sequence[Format],
    ids: Collection[str],
    *,
    final: Sequence[Format] = (),
    rename: Callable[[str], str] | None = None,
    entries: Sequence[Entry] | None = None,
    allow: Allow = STRICT,
) -> dict[str, str]:
    """Response by sample id, unless `entries` has the records of the file already.

    The first record decides which of the formats (id field, text field) the file has: of `final`, whose answers are
    returned as `Verbatim`, or of `formats`; our own samples.jsonl is always understood. Ids may be strings or
    whole numbers; `rename` turns the file's id into the sample's. Samples that our own file records as errored have no
    response and are left out of the result. Raises DataError.
    """
    pairs = read_pairs(path, (*final, *formats)) if entries is None and rename is None and path.is_file() else None
    if pairs is not None:
        found, keys, texts = pairs
        chosen = joined(path, keys, texts, ids, allow)
        return {key: Verbatim(text) for key, text in chosen.items()} if found in final else chosen
    return _read_each(path, formats, ids, final, rename, read_records(path) if entries is None else entries, allow)


def _read_each(
    path: Path,
    formats: Sequence[Format],
    ids: Collection[str],
    final: Sequence[Format],
    rename: Callable[[str], str] | None,
    entries: Sequence[Entry],
    allow: Allow,
) -> dict[str, str]:
    """`read_by_id` of records that know where they stand."""
    key_field, text_field = found = _format(path, entries, (*final, *formats, OURS))
    keys = keys_of(entries, key_field)
    if rename is not None:
        keys = [rename(key) for key in keys]
    require_single(keys, entries, key_field, allow)
    chosen = joined(path, keys, entries, ids, allow)
    if found == OURS:
        return _ours(chosen)
    texts = field(list(chosen.values()), text_field, str)
    return dict(zip(chosen, map(Verbatim, texts) if found in final else texts, strict=True))


def read_by_question(
    path: Path,
    samples: Mapping[str, tuple[str, str]],
    fields: tuple[str, str, str],
    question: Callable[[str], str],
    allow: Allow = STRICT,
) -> dict[str, str] | None:
    """Response by sample id from LLaVA's answers about images, whose ids are those of the images.

    `samples` maps ids to (image, question); `fields` names the fields of image, prompt and text, and `question` finds
    the question in a prompt. None if the records are of another format, or have the samples' own ids. Raises DataError.
    """
    entries = read_records(path)
    if not entries or not set(fields) <= entries[0].value.keys() or keys_of(entries[:1], fields[0])[0] in samples:
        return None
    ids: dict[tuple[str, str], str] = {}
    for key, pair in samples.items():
        if ids.setdefault(pair, key) != key:
            raise DataError(f"questions {ids[pair]} and {key} are the same, so that these answers fit both", file=path)
    keys, known = [], []
    for entry, image in zip(entries, keys_of(entries, fields[0]), strict=True):
        pair = image, question(entry.get(fields[1], str))
        if pair in ids:
            keys.append(ids[pair])
            known.append(entry)
        elif not allow.extra:
            way = "--allow-extra leaves such answers out"
            raise entry.error(f"nobody asks {show(pair[1])} about image {show(pair[0])} ({way})", fields[1])
    require_single(keys, known, fields[1], allow)
    chosen = joined(path, keys, known, samples.keys(), allow)
    return {key: entry.get(fields[2], str) for key, entry in chosen.items()}


def read_numbers(path: Path, name: str, ids: Collection[str], allow: Allow = STRICT) -> dict[str, int] | None:
    """Whole number by sample id from one JSON object whose `name` maps ids to them: ``{"results": {"id": 3}}``.

    Numbers may be written as strings. None if the file is of another format. Raises DataError.
    """
    if not is_object_with(path, name):
        return None
    values = read_object(path, unique_keys=not allow.duplicates).entry(name)
    chosen = joined(path, list(values.value), list(values.value.values()), ids, allow)
    return {key: _number(values, key, value) for key, value in chosen.items()}


def read_records(path: Path) -> list[Entry]:
    """The objects of a JSON list or a JSON Lines file, or the rows of a spreadsheet (.xlsx) or of a table with tabs."""
    if not path.is_file():
        raise DataError(f"{'is a folder' if path.is_dir() else 'no such file'}; give a file of predictions", file=path)
    start = head(path)
    if start.startswith(_ZIP):
        from sqeval.data.xlsx import read_xlsx

        return read_xlsx(path)
    start = start.removeprefix(BOM).lstrip()
    if start.startswith(b"["):
        return read_list(path)
    if not start.startswith(b"{"):
        return read_tsv(path) if b"\t" in start.partition(b"\n")[0] else read_lines(path)
    try:
        return read_lines(path)
    except DataError:
        with suppress(DataError):
            return [read_object(path)]  # in several lines: of another kind, and readers say what they miss in it
        raise


def is_object_with(path: Path, *names: str) -> bool:
    """Whether the file starts as one JSON object that may have one of `names`, not as a list or as JSON Lines."""
    if not path.is_file() or not head(path).removeprefix(BOM).lstrip().startswith(b"{"):
        return False
    text = read_text(path).lstrip()
    try:
        first = json.loads(text.partition("\n")[0])
    except (ValueError, RecursionError):  # an object that goes on after the first line
        return any(f'"{name}"' in text for name in names)
    return isinstance(first, dict) and not first.keys().isdisjoint(names)


def keys_of(entries: Sequence[Entry], name: str) -> list[str]:
    """The records' ids: strings, or whole numbers, which become strings. Raises DataError about any other."""
    values = [entry.value.get(name) for entry in entries]
    kinds = {*map(type, values)}
    if kinds == {int}:
        return [str(value) for value in values]
    if kinds == {str} and all(values):
        return values  # type: ignore[return-value]
    return [_key(entry, name) for entry in entries]


def require_one_answer(entry: Entry, text_field: str) -> None:
    """Raise DataError unless it is clear that `text_field` holds what the model said."""
    if not is_clear(entry.value.keys(), text_field):
        others = ", ".join(sorted(RESPONSES.intersection(entry.value)))
        hint = "leave the field with the model's answers, and take out the other"
        raise entry.error(f"stands beside {others}: which is the model's and which the true one? {hint}", text_field)


def _ours(chosen: Mapping[str, Entry]) -> dict[str, str]:
    answers = {}
    for key, entry in chosen.items():
        if entry.value.get("error") is None:
            text = entry.get("response", str)
            answers[key] = Verbatim(text) if entry.get("verbatim", bool, False) else text
    return answers


def _format(path: Path, entries: Sequence[Entry], formats: Sequence[Format]) -> Format:
    if not entries:
        raise DataError("expected predictions, found none", file=path)
    for key_field, text_field in formats:
        if key_field in entries[0].value and text_field in entries[0].value:
            require_one_answer(entries[0], text_field)
            return key_field, text_field
    if {"doc_id", "filtered_resps"} <= entries[0].value.keys():
        hint = "it tells samples by their rows in the hub's table; --task lmms:NAME scores it (docs/lmms-eval.md)"
        raise DataError(f"is lmms-eval's log of samples: {hint}", file=path)
    wanted = " or ".join(f"{{{key}, {text}}}" for key, text in formats)
    found = [show(name) for name in list(entries[0].value)[:_FIELDS_SHOWN]]
    more = ", ..." if len(entries[0].value) > _FIELDS_SHOWN else ""
    there = f"the fields {', '.join(found)}{more}" if found else "no field"
    raise entries[0].error(f"expected an object with {wanted}, found {there}")


def _key(entry: Entry, name: str) -> str:
    value = entry.value.get(name)
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int or (type(value) is str and value):
        return str(value)
    raise entry.error(f"expected an id (a string or an integer), found {show(value)}", name)


def _number(values: Entry, key: str, value: object) -> int:
    if type(value) is str:
        try:
            return int(value)
        except ValueError:
            pass
    return values.get(key, int)
