"""Questions that others wrote down: the release's own files, SEEQ's, VQA's, and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqeval.data.entry import Entry
from sqeval.data.files import read_csv, read_lines, read_list, read_object
from sqeval.data.text import read_text
from sqeval.errors import DataError
from sqeval.questions.files import Asked, ImageQuestions

UNKNOWN = {"protocol": "unknown", "sampling": "iid", "temperature": 0.0, "seed": 0}
"""Generation settings of files that do not tell them; what they say is nothing to compare by."""
RELEASE = {"protocol": "vuser", "sampling": "iid", "temperature": 1.2, "top_k": 300, "top_p": 0.95, "seed": 0}
Texts = list[tuple[str, str | None]]
"""(question, the asker's own answer)."""


def sqllava_sq(path: Path) -> dict[str, Texts]:
    """``{"question_id", "image", "prompt": [...]},`` lines of the release's visual_sq.py."""
    return {e.get("image", str): [(text, None) for text in e.strings("prompt")] for e in comma_lines(path)}


def sqllava_qa(path: Path) -> dict[str, Texts]:
    """``{"image", "sampler": [q, a], "dialogues": [[q, a], ...]},`` lines of the release's visual_qa.py."""
    return {
        entry.get("image", str): [_pair(entry, pair) for pair in entry.get("dialogues", list)]
        for entry in comma_lines(path)
    }


def seeq(path: Path) -> dict[str, Texts]:
    """A list of ``{"image", "generations": [[{"gene_question"}]]}`` (Self-Evolving Visual Questioner)."""
    found: dict[str, Texts] = {}
    for entry in read_list(path):
        groups = entry.get("generations", list)
        items = [item for group in groups if isinstance(group, list) for item in group]
        texts = [item.get("gene_question") for item in items if isinstance(item, dict)]
        if not all(isinstance(each, list) for each in groups) or not all(isinstance(text, str) for text in texts):
            raise entry.error("expected lists of generations, gene_question in each", "generations")
        if len(texts) < len(items):
            raise entry.error("expected an object for every generation", "generations")
        found.setdefault(entry.get("image", str), []).extend((str(text), None) for text in texts)
    return found


def vqa_v2(path: Path) -> dict[str, Texts]:
    """VQA's questions file: what people asked."""
    found: dict[str, Texts] = {}
    for entry in read_object(path).entries("questions"):
        found.setdefault(str(entry.get("image_id", int)), []).append((entry.get("question", str), None))
    return found


def table(path: Path) -> dict[str, Texts]:
    """CSV with the columns image and question, or JSON Lines with these fields."""
    lines = read_text(path).lstrip().startswith("{")
    found: dict[str, Texts] = {}
    for entry in comma_lines(path) if lines else read_csv(path):
        if not lines and not {"image", "question"} <= set(entry.value):
            raise DataError("expected a header with the columns image and question", file=path, line=1)
        image = entry.get("image", str)
        if not image:
            raise entry.error("expected an image and a question", "image")
        found.setdefault(image, []).append((entry.get("question", str), None))
    if not found:
        raise DataError("expected a header with the columns image and question, and questions", file=path, line=1)
    return found


FORMATS: Mapping[str, tuple[Callable[[Path], dict[str, Texts]], Mapping[str, Any]]] = {
    "sqllava-sq": (sqllava_sq, RELEASE),
    "sqllava-qa": (sqllava_qa, RELEASE),
    "seeq": (seeq, UNKNOWN),
    "vqa-v2": (vqa_v2, {**UNKNOWN, "protocol": "people"}),
    "csv": (table, UNKNOWN),
}


def as_questions(
    found: Mapping[str, Texts], run_id: str, model: str, family: str | None, gen: Mapping[str, Any]
) -> list[ImageQuestions]:
    """Imported texts in our own form, images in natural order."""
    most = max((len(texts) for texts in found.values()), default=0)
    who = {"name": model} | ({"family": family} if family else {})
    return [
        ImageQuestions(
            run_id, image,
            tuple(Asked(f"{run_id}/{image}/{i}", text, answer=answer) for i, (text, answer) in enumerate(found[image])),
            who, {**gen, "n": most}, image=image,
        )
        for image in sorted(found)
    ]  # fmt: skip


def comma_lines(path: Path) -> list[Entry]:
    """JSON Lines whose lines may end in a comma, as the release writes them. Raises DataError."""
    entries = read_lines(path, commas=True)
    if not entries:
        raise DataError("expected questions, found none", file=path)
    return entries


def _pair(entry: Entry, pair: Any) -> tuple[str, str | None]:
    if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
        raise entry.error("expected pairs of question and answer", "dialogues")
    return pair[0], pair[1]
