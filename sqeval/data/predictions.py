"""Files of predictions: the benchmarks' result formats, LLaVA's answer files, and our own samples.

Answers are joined to samples by id. Ids that are missing, unknown or given twice are errors that say which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import TypeVar

from sqeval.data.collection import paused
from sqeval.data.entry import Entry
from sqeval.data.files import read_lines, read_list, read_object, require_unique
from sqeval.data.text import read_text, show
from sqeval.errors import DataError
from sqeval.model import Verbatim

T = TypeVar("T")
Format = tuple[str, str]
"""(id field, text field)"""

OURS: Format = ("id", "response")
_SHOWN = 5
_FIELDS_SHOWN = 8


@paused()
def read_by_id(
    path: Path,
    formats: Sequence[Format],
    ids: set[str],
    *,
    final: Sequence[Format] = (),
    rename: Callable[[str], str] = str,
    entries: Sequence[Entry] | None = None,
) -> dict[str, str]:
    """Response by sample id, from a JSON list of objects or JSON Lines, unless `entries` has the records already.

    The first record decides which of the formats (id field, text field) the file has: of `final`, whose answers are
    returned as `Verbatim`, or of `formats`; our own samples.jsonl is always understood. Ids may be strings or
    integers; `rename` turns the file's id into the sample's. Samples that our own file records as errored have no
    response and are left out of the result. Raises DataError.
    """
    entries = read_records(path) if entries is None else entries
    key_field, text_field = found = _format(path, entries, (*final, *formats, OURS))
    keyed = [(rename(_key(entry, key_field)), entry) for entry in entries]
    require_unique(keyed, key_field)
    require_all(path, [key for key, _ in keyed], ids)
    if found == OURS:
        keyed = [(key, entry) for key, entry in keyed if entry.value.get("error") is None]

    def answer(entry: Entry) -> str:
        text = entry.get(text_field, str)
        return Verbatim(text) if found in final or (found == OURS and entry.get("verbatim", bool, False)) else text

    return {key: answer(entry) for key, entry in keyed}


def read_in_order(path: Path, parts: Sequence[Sequence[tuple[str, str]]], fields: Format) -> dict[str, str] | None:
    """Response by sample id from files without ids, whose records repeat the questions in the official order.

    `parts` lists (id, question) of each part of the benchmark; `path` is one file with all parts in any order, or a
    folder with a file a part. Records are matched to a part by their questions, `fields` names the fields of question
    and answer. None if the records are of another format. Raises DataError.
    """
    question, answer = fields
    answers: dict[str, str] = {}
    for file in sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]:
        entries = read_records(file)
        if not entries or question not in entries[0].value or answer not in entries[0].value:
            return None
        texts = [entry.get(question, str) for entry in entries]
        orders = [*parts, *([pair for part in order for pair in part] for order in permutations(parts))]
        chosen = next((pairs for pairs in orders if texts == [q for _, q in pairs]), None)
        if chosen is None:
            raise _mismatch(entries, texts, orders, question)
        for (key, _), entry in zip(chosen, entries, strict=True):
            if key in answers:
                raise entry.error(f"a second answer to {key}", question)
            answers[key] = entry.get(answer, str)
    require_all(path, answers, {key for part in parts for key, _ in part})
    return answers


def read_by_question(
    path: Path,
    samples: Mapping[str, tuple[str, str]],
    fields: tuple[str, str, str],
    question: Callable[[str], str],
) -> dict[str, str] | None:
    """Response by sample id from LLaVA's answers about images, whose ids are those of the images.

    `samples` maps ids to (image, question); `fields` names the fields of image, prompt and text, and `question` finds
    the question in a prompt. None if the records are of another format, or have the samples' own ids. Raises DataError.
    """
    entries = read_records(path)
    if not entries or not set(fields) <= entries[0].value.keys() or _key(entries[0], fields[0]) in samples:
        return None
    ids: dict[tuple[str, str], str] = {}
    for key, pair in samples.items():
        if ids.setdefault(pair, key) != key:
            raise DataError(f"questions {ids[pair]} and {key} are the same, so that these answers fit both", file=path)
    keyed = []
    for entry in entries:
        pair = _key(entry, fields[0]), question(entry.get(fields[1], str))
        if pair not in ids:
            raise entry.error(f"nobody asks {show(pair[1])} about image {pair[0]}", fields[1])
        keyed.append((ids[pair], entry))
    require_unique(keyed, fields[1])
    require_all(path, [key for key, _ in keyed], set(samples))
    return {key: entry.get(fields[2], str) for key, entry in keyed}


def read_by_key(path: Path, field: str, kind: type[T], ids: set[str]) -> dict[str, T] | None:
    """Value by sample id from one JSON object whose `field` maps ids to values of a `kind`: ``{"results": {id: 3}}``.

    None if the file is of another format. Raises DataError.
    """
    if not _is_object_with(path, field):
        return None
    values = read_object(path, unique_keys=True).entry(field)
    require_all(path, values.value, ids)
    return {key: values.get(key, kind) for key in values.value}


def read_records(path: Path) -> list[Entry]:
    """The objects of a JSON list or of a JSON Lines file, told apart by the first character."""
    if not path.is_file():
        raise DataError(f"{'is a folder' if path.is_dir() else 'no such file'}; give a file of predictions", file=path)
    return read_list(path) if read_text(path).lstrip().startswith("[") else read_lines(path)


def require_all(path: Path, given: Iterable[str], wanted: set[str]) -> None:
    """Raise DataError unless the ids in the file are exactly the samples'."""
    given = set(given)
    problems = [
        f"{len(ids)} {what}: {_some(ids)}"
        for what, ids in (("samples without a prediction", wanted - given), ("unknown ids", given - wanted))
        if ids
    ]
    if problems:
        raise DataError(f"expected one prediction for each of {len(wanted)} samples; " + "; ".join(problems), file=path)


def _is_object_with(path: Path, field: str) -> bool:
    """Whether the file starts as one JSON object that may have `field`, rather than as a list or as JSON Lines."""
    text = read_text(path).lstrip() if path.is_file() else ""
    try:
        first = json.loads(text.partition("\n")[0])
    except (ValueError, RecursionError):  # an object that goes on after the first line
        return text.startswith("{") and f'"{field}"' in text
    return isinstance(first, dict) and field in first


def _format(path: Path, entries: Sequence[Entry], formats: Sequence[Format]) -> Format:
    if not entries:
        raise DataError("expected predictions, found none", file=path)
    for key_field, text_field in formats:
        if key_field in entries[0].value and text_field in entries[0].value:
            return key_field, text_field
    wanted = " or ".join(f"{{{key}, {text}}}" for key, text in formats)
    found = [show(name) for name in list(entries[0].value)[:_FIELDS_SHOWN]]
    more = ", ..." if len(entries[0].value) > _FIELDS_SHOWN else ""
    raise entries[0].error(f"expected an object with {wanted}, found the fields {', '.join(found)}{more}")


def _key(entry: Entry, field: str) -> str:
    value = entry.value.get(field)
    if type(value) is int or (type(value) is str and value):
        return str(value)
    raise entry.error(f"expected an id (a string or an integer), found {show(value)}", field)


def _some(ids: set[str]) -> str:
    first = sorted(ids, key=lambda key: (len(key), key))[:_SHOWN]
    return ", ".join(first) + (", ..." if len(ids) > _SHOWN else "")


def _mismatch(
    entries: Sequence[Entry], texts: Sequence[str], orders: Sequence[Sequence[tuple[str, str]]], field: str
) -> DataError:
    """Why nothing matches, told against the order that agrees for longest."""

    def agreeing(order: Sequence[tuple[str, str]]) -> int:
        pairs = zip(texts, order, strict=False)
        return next((i for i, (text, (_, q)) in enumerate(pairs) if text != q), min(len(texts), len(order)))

    best = max(orders, key=agreeing)
    at = agreeing(best)
    if at < min(len(texts), len(best)):
        key, wanted = best[at]
        return entries[at].error(f"expected the question of {key}, {show(wanted)}, found {show(texts[at])}", field)
    last = entries[min(at, len(entries) - 1)]
    return last.error(f"expected {len(best)} answers in the data's order, found {len(texts)}", field)
