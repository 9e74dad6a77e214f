"""POPE's files of answers, of which there are many kinds: which answer belongs to which question.

The official ones have no ids and follow the order of the questions. Others number the questions of each category from
1, or all of them as LLaVA does. Wherever a file repeats the questions they are compared, because POPE exists in two
versions whose random questions differ: answers to one would be scored against the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import permutations
from pathlib import Path

from sqeval.data.columns import field
from sqeval.data.entry import Entry
from sqeval.data.join import Allow, joined, require_single
from sqeval.data.predictions import OURS, keys_of, read_by_id, read_records, require_one_answer
from sqeval.data.text import show
from sqeval.errors import DataError

OFFICIAL = ("question", "answer")
NUMBER = "question_id"
NUMBERED = ((NUMBER, "text"), (NUMBER, "answer"))
LLAVA_OFFSETS = {"adversarial": 0, "random": 10_000_000, "popular": 20_000_000}
"""LLaVA's question file numbers the three categories in one space."""

_QUESTION = re.compile(r"Is there an? [^?]*\?", re.IGNORECASE)

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
        require_one_answer(records[0], found[1])
        keys += _with_questions(file, records, parts) if found == OFFICIAL else _by_number(file, records, parts)
        entries += records
        texts += field(records, found[1], str)
    if not keys:
        raise DataError("expected predictions, found none", file=path)
    require_single(keys, entries, id_field, allow)
    return joined(path, keys, texts, ids, allow)


def _with_questions(file: Path, entries: Sequence[Entry], parts: Parts) -> list[str]:
    """Ids of records that repeat the questions: by their numbers, if these tell them apart; else by their order."""
    numbers = [entry.value.get(NUMBER) for entry in entries]
    if None not in numbers and len(set(map(str, numbers))) == len(numbers):
        with suppress(DataError):
            keys = _by_number(file, entries, parts)
            if set(keys) <= {key for part in parts.values() for key in part}:
                return keys
    return _in_order(entries, parts)


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
        problem = f"expected the question of {key}, {show(wanted)}, found {show(texts[at])}{_versions(key)}"
        return entries[at].error(problem, OFFICIAL[0])
    last = entries[min(at, len(entries) - 1)]
    categories = ", ".join(dict.fromkeys(key.partition("/")[0] for key in best))
    problem = f"expected {len(best)} answers ({categories}) in the data's order, found {len(texts)}"
    return last.error(f"{problem}; without ids, categories have to be whole", OFFICIAL[0])


def _by_number(file: Path, entries: Sequence[Entry], parts: Parts) -> list[str]:
    """Ids by the records' numbers: LLaVA's, or a category's own, told apart by the records' categories, by the
    questions, or by the file's name."""
    given = keys_of(entries, NUMBER)
    questions = {key: question for part in parts.values() for key, question in part.items()}
    field = "prompt" if "prompt" in entries[0].value else OFFICIAL[0]
    asked = [_asked(entry.value.get(field)) for entry in entries]
    own = [entry.value.get("category") for entry in entries]
    if all(isinstance(category, str) and category in parts for category in own):
        ways = [[_of(str(category))(key) for category, key in zip(own, given, strict=True)]]
    else:
        fitting = [category for category in parts if all(f"{category}/{key}" in questions for key in given)]
        named = [category for category in fitting if category in file.name.lower()]
        if len(named) > 1 and not any(asked):
            raise DataError(f"the name holds {' and '.join(named)}: whose are the numbers? Rename it", file=file)
        kinds = [*map(_of, named if len(named) == 1 else ()), _from_llava, *map(_of, fitting)]
        ways = [[kind(key) for key in given] for kind in kinds]
    first: tuple[Entry, str] | None = None
    for keys in ways:
        wrong = next((i for i, key in enumerate(keys) if not _agree(asked[i], questions.get(key))), None)
        if wrong is None:
            return keys
        first = first or (entries[wrong], keys[wrong])
    assert first is not None
    entry, key = first
    found = show(entry.value.get(field))
    raise entry.error(f"expected the question of {key}, {show(questions[key])}, found {found}{_versions(key)}", field)


def _asked(prompt: object) -> str | None:
    """The question in a prompt, whatever its template; None if there is none of POPE's."""
    found = _QUESTION.search(prompt) if isinstance(prompt, str) else None
    return found and found.group()


def _agree(asked: str | None, question: str | None) -> bool:
    """Whether they may be one: an unknown question may be any."""
    return asked is None or question is None or _plain(asked) == _plain(question)


def _plain(text: str) -> str:
    """The first line; neither capitals nor the first data version's typing error count."""
    return text.strip().partition("\n")[0].rstrip().casefold().replace("imange", "image")


def _from_llava(key: str) -> str:
    """``10000007`` is ``random/7``; other ids stay as they are."""
    if not key.isdecimal():
        return key
    category, offset = max(((c, o) for c, o in LLAVA_OFFSETS.items() if o <= int(key)), key=lambda pair: pair[1])
    return f"{category}/{int(key) - offset}"


def _of(category: str) -> Callable[[str], str]:
    return lambda key: f"{category}/{key}" if key.isdecimal() else key


def _versions(key: str) -> str:
    """What may be wrong with the answer to a question."""
    other = "; the random questions of POPE's two versions differ: is this file about the version that --data holds?"
    return other if key.startswith("random/") else ""
