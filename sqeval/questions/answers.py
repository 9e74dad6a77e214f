"""``*.answers.jsonl``: what answerers said, a line an answer.

{"schema": "sqeval.answers/1", "qid", "answerer": {"name", "family"}, "condition": "img" | "blind" | "cf",
 "cf_image_id", "k", "text", "request"}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqeval.data.files import read_lines, require_unique
from sqeval.scoring import vqa

SCHEMA = "sqeval.answers/1"
Condition = Literal["img", "blind", "cf"]
CONDITIONS: tuple[Condition, ...] = ("img", "blind", "cf")
"""With the image; without any; with another one."""
_ABSTAINS = re.compile(
    r"\b(?:unanswerable|cannot (?:be )?(?:determined?|tell|answer|see)|can't (?:tell|see|determine)|"
    r"not (?:visible|shown|clear|possible to)|unknown|no image|don't know|unclear)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to one question."""

    qid: str
    answerer: str
    condition: Condition
    text: str
    k: int = 0
    """Number of the sample."""
    other: str | None = None
    """image_id of the other image, under ``cf``."""
    family: str | None = None
    request: str | None = None
    """SHA-256 of all that determines the answer."""

    @property
    def abstains(self) -> bool:
        """Whether it says that it cannot say."""
        return not self.text.strip() or bool(_ABSTAINS.search(self.text))

    @property
    def key(self) -> tuple[str, str, str, int, str | None]:
        """What tells it from all others."""
        return self.qid, self.answerer, self.condition, self.k, self.other

    def to_json(self) -> str:
        """One line of JSON without the newline."""
        who: dict[str, Any] = {"name": self.answerer} | ({"family": self.family} if self.family else {})
        value: dict[str, Any] = {"schema": SCHEMA, "qid": self.qid, "answerer": who, "condition": self.condition}
        value |= {"cf_image_id": self.other, "k": self.k, "text": self.text}
        value |= {} if self.request is None else {"request": self.request}
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_answers(path: Path) -> list[Answer]:
    """All answers of a file. Raises DataError for a bad line, and for the same answer twice."""
    entries = read_lines(path)
    found = []
    for entry in entries:
        entry.one_of("schema", (SCHEMA,))
        who = entry.entry("answerer")
        condition: Any = entry.one_of("condition", CONDITIONS)
        other, family = entry.get("cf_image_id", str, "") or None, who.get("family", str, "") or None
        texts = entry.get("qid", str), who.get("name", str), condition, entry.get("text", str)
        request = entry.get("request", str, "") or None
        found.append(Answer(*texts, entry.get("k", int, 0), other, family, request))
    require_unique(((answer.key, entry) for answer, entry in zip(found, entries, strict=True)), "qid")
    return found


def normal_answer(text: str) -> str:
    """What two answers have to share to match: VQA's processing of submitted answers, without a final period."""
    return vqa.submitted(text.strip().rstrip("."))


def by_question(answers: Iterable[Answer]) -> Mapping[str, list[Answer]]:
    """Answers of each question."""
    found: dict[str, list[Answer]] = {}
    for answer in answers:
        found.setdefault(answer.qid, []).append(answer)
    return found
