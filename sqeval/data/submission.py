"""Files for evaluation servers: lists of answers, checked against what the servers refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat

import msgspec

from sqeval.errors import UserError

_SHOWN = 5


def answers_file(
    answers: Mapping[str, str], key: str, unasked: Sequence[str] = (), *, number: bool = False
) -> tuple[str, bytes]:
    """The JSON list ``[{key: id, "answer": text}, ...]`` that the VQA servers take.

    After `answers` come the ids of the split that were not asked, with the empty answer. `number`: ids are written as
    integers. Raises UserError for what a server would refuse: an id given twice.
    """
    ids = [*answers, *unasked]
    if unasked and len(set(ids)) < len(ids):
        twice = [name for name, count in Counter(ids).items() if count > 1]
        shown = ", ".join(twice[:_SHOWN])
        raise UserError(f"the server would refuse the submission: {len(twice)} ids that occur twice: {shown}")
    own: Iterable[int | str] = map(int, ids) if number else ids
    row = msgspec.defstruct("Row", [("key", int | str), ("answer", str)], rename={"key": key}, gc=False)
    return ".json", msgspec.json.encode(list(map(row, own, chain(answers.values(), repeat("", len(unasked))))))
