"""Files for evaluation servers: lists of answers, checked against what the servers refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import msgspec

from sqeval.errors import UserError

_SHOWN = 5


def answers_file(
    answers: Mapping[str, str], key: str, wanted: Collection[str], *, number: bool = False
) -> tuple[str, bytes]:
    """The JSON list ``[{key: id, "answer": text}, ...]`` that the VQA servers take, in the order of `wanted`.

    An id of `wanted` without an answer gets the empty one. `number`: ids are written as integers. Raises UserError for
    what a server would refuse: an id given twice, an answer to a question that is not in the split.
    """
    known = set(wanted)
    twice = [] if len(known) == len(wanted) else [name for name, n in Counter(wanted).items() if n > 1]
    unknown = sorted(answers.keys() - known)
    for what, ids in (("ids that occur twice", twice), ("answers to questions that are not in the split", unknown)):
        if ids:
            raise UserError(f"the server would refuse the submission: {len(ids)} {what}: {', '.join(ids[:_SHOWN])}")
    own: Iterable[int | str] = map(int, wanted) if number else wanted
    row = msgspec.defstruct("Row", [("key", int | str), ("answer", str)], rename={"key": key}, gc=False)
    listed = [row(written, answers.get(name, "")) for written, name in zip(own, wanted, strict=True)]
    return ".json", msgspec.json.encode(listed)
