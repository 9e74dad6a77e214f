"""POPE's files of answers, of which there are many kinds: which answer belongs to which question.

The official ones have no ids and follow the order of the questions. Others number the questions of each category from
1, or all of them as LLaVA does. Wherever a file repeats the questions they are compared, because POPE exists in two
versions whose random questions differ: answers to one would be scored against the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path

from sqeval.data.columns import field
from sqeval.data.entry import Entry
from sqeval.data.join import Allow, joined, require_single
from sqeval.data.predictions import OURS, keys_of, read_by_id, read_records
from sqeval.data.text import show
from sqeval.errors import DataError

OFFICIAL = ("question", "answer")
NUMBERED = (("question_id", "text"), ("question_id", "answer"))
LLAVA_OFFSETS = {"adversarial": 0, "random": 10_000_000, "popular": 20_000_000}
"""LLaVA's question file numbers the three categories in one space."""

_QUESTION = re.compile(r"Is there an? [^?]*\?")

Parts = Mapping[str, Mapping[str, str]]
"""Question by id, in the official order, by category."""


def read_answers(path: Path, parts: Parts, allow: Allow) -> dict[str, str]:
    """Response by sample id, from one file about all categories in any order or a folder of several.

    Raises DataError.
    """
    ids = {key for part in parts.values() for key in part}
    files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")) if path.is_dir() else [path]
    keys: list[str] = []
    entries: list[Entry] = []
    texts: list[str] = []
    id_field = OFFICIAL[0]
    for file in files:
        records = read_records(file)
        found = next((f for f in (OFFICIAL, *NUMBERED) if records and set(f) <= records[0].value.keys()), None)
        if found is None and len(files) > 1 and OURS[0] not in (records[0].value if records else {}):
            raise DataError(f"expected answers: {{question_id, text}} or {{{', '.join(OFFICIAL)}}}", file=file, line=1)
        if found is None:
            return read_by_id(file, NUMBERED, ids, allow=allow)
        id_field = found[0]
        keys += _in_order(records, parts) if found == OFFICIAL else _by_number(file, records, parts, id_field)
        entries += records
        texts += field(records, found[1], str)
    if not keys:
        raise DataError("expected predictions, found none", file=path)
    require_single(keys, entries, id_field, allow)
    return joined(path, keys, texts, ids, allow)


def _in_order(entries: Sequence[Entry], parts: Parts) -> list[str]:
    """Ids of the questions that the records repeat: of one category or several, one after the other."""
    texts = [entry.get(OFFICIAL[0], str) for entry in entries]
    same = [_plain(text) for text in texts]
    orders = list(_orders(parts))
    for order in orders:
        if same == [_plain(question) for question in order.values()]:
            return list(order)
    raise _mismatch(entries, texts, orders)


def _orders(parts: Parts) -> Iterator[dict[str, str]]:
    for size in range(1, len(parts) + 1):
        for chosen in permutations(parts.values(), size):
            yield {key: question for part in chosen for key, question in part.items()}


def _mismatch(entries: Sequence[Entry], texts: Sequence[str], orders: Sequence[Mapping[str, str]]) -> DataError:
    """Why no order fits, told against the one that agrees for longest."""

    def agreeing(order: Mapping[str, str]) -> int:
        pairs = zip(texts, order.values(), strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if _plain(a) != _plain(b)), min(len(texts), len(order)))

    best = max(orders, key=lambda order: (agreeing(order), len(order) <= len(texts), -abs(len(order) - len(texts))))
    at = agreeing(best)
    if at < min(len(texts), len(best)):
        key, wanted = list(best.items())[at]
        problem = f"expected the question of {key}, {show(wanted)}, found {show(texts[at])}{_VERSIONS}"
        return entries[at].error(problem, OFFICIAL[0])
    last = entries[min(at, len(entries) - 1)]
    return last.error(f"expected {len(best)} answers in the data's order, found {len(texts)}", OFFICIAL[0])


def _by_number(file: Path, entries: Sequence[Entry], parts: Parts, id_field: str) -> list[str]:
    """Ids by the records' numbers: LLaVA's, or a category's own, told apart by the questions or by the file's name."""
    given = keys_of(entries, id_field)
    questions = {key: question for part in parts.values() for key, question in part.items()}
    prompts = [entry.value.get("prompt") for entry in entries]
    fitting = [category for category in parts if all(f"{category}/{key}" in questions for key in given)]
    named = [category for category in fitting if category in file.name.lower()]
    ways = [*map(_of, named[:1]), _from_llava, *map(_of, fitting)]
    first: tuple[Entry, str] | None = None
    for way in ways:
        keys = [way(key) for key in given]
        wrong = next((i for i, key in enumerate(keys) if not _agrees(prompts[i], questions.get(key))), None)
        if wrong is None:
            return keys
        first = first or (entries[wrong], keys[wrong])
    assert first is not None
    entry, key = first
    found = show(entry.value.get("prompt"))
    raise entry.error(f"expected the question of {key}, {show(questions[key])}, found {found}{_VERSIONS}", "prompt")


def _agrees(prompt: object, question: str | None) -> bool:
    """Whether a prompt, whatever its template, asks a question and not another one of POPE's."""
    asked = _QUESTION.search(prompt) if isinstance(prompt, str) else None
    return asked is None or question is None or _plain(asked.group()) == _plain(question)


def _plain(text: str) -> str:
    """The first line; the first data version's typing error does not count."""
    return text.strip().partition("\n")[0].rstrip().replace("imange", "image")


def _from_llava(key: str) -> str:
    """``10000007`` is ``random/7``; other ids stay as they are."""
    if not key.isdecimal():
        return key
    category, offset = max(((c, o) for c, o in LLAVA_OFFSETS.items() if o <= int(key)), key=lambda pair: pair[1])
    return f"{category}/{int(key) - offset}"


def _of(category: str) -> Callable[[str], str]:
    return lambda key: f"{category}/{key}" if key.isdecimal() else key


_VERSIONS = "; the random questions of POPE's two versions differ: is this file about the version that --data holds?"
