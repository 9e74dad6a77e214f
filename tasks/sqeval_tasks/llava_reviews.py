"""LLaVA-Bench's files of reviews, as LLaVA's scripts leave them and authors publish them: ratings, no responses.

A line a question, ``{"question_id": 0, "category": "llava_bench_conv", "content": "8 7\\n...", "tuple": [8, 7]}``, and
a file a round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqeval.data.entry import Entry
from sqeval.data.join import Allow, joined, require_single, some
from sqeval.data.predictions import keys_of, read_records
from sqeval.data.text import show
from sqeval.errors import DataError
from sqeval.judged import Verdict, Verdicts

ID, CATEGORY, CONTENT, RATINGS, ANSWER = "question_id", "category", "content", "tuple", "answer2_id"
PREFIX = "llava_bench_"
"""Of a category, in LLaVA's rule.json."""


def read_reviews(path: Path, categories: Mapping[str, str], allow: Allow) -> Verdicts | None:
    """The ratings in a file, or those in a folder of files about the same answers, a round each; None if there is
    something else. `categories` has that of each sample by its id. Raises DataError.
    """
    files = sorted(file for file in path.iterdir() if file.match("[!.]*.jsonl")) if path.is_dir() else [path]
    found = [read_records(file) for file in files]
    if not any(entries and RATINGS in entries[0].value for entries in found):
        return None
    rounds = [_by_id(file, entries, categories, allow) for file, entries in zip(files, found, strict=True)]
    first = rounds[0]
    for file, its in zip(files, rounds, strict=True):
        if its.keys() != first.keys():
            odd = some(its.keys() ^ first.keys())
            raise DataError(f"expected reviews of the same questions as in {files[0].name}; {odd} differ", file=file)
        _require_same_answers(its, first, files[0])
    verdicts = {key: [_verdict(its[key], categories[key]) for its in rounds] for key in first}
    return Verdicts(path.name, None, verdicts)


def _by_id(file: Path, entries: Sequence[Entry], ids: Mapping[str, str], allow: Allow) -> dict[str, Entry]:
    keys = keys_of(entries, ID)
    require_single(keys, entries, ID, allow)
    return joined(file, keys, entries, ids, allow)


def _require_same_answers(reviews: Mapping[str, Entry], first: Mapping[str, Entry], file: Path) -> None:
    """LLaVA keeps the reviews of all models in one folder, where their mean would be nobody's."""
    for key, entry in reviews.items():
        answer, other = entry.value.get(ANSWER), first[key].value.get(ANSWER)
        if answer != other and None not in (answer, other):
            what = f"expected a review of answer {show(other)}, as in {file.name}, found one of {show(answer)}"
            raise entry.error(f"{what}; a folder holds the rounds of one model's reviews", ANSWER)


def _verdict(entry: Entry, category: str) -> Verdict:
    pair = entry.numbers(RATINGS)
    if len(pair) != 2:
        raise entry.error(f"expected two ratings, found {len(pair)}", RATINGS)
    if CATEGORY in entry.value:
        entry.one_of(CATEGORY, (PREFIX + category, category))
    counted = " ".join(map(repr, pair))
    return Verdict(entry.get(CONTENT, str, counted), counted)
