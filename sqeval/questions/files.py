"""``*.questions.jsonl``: a line an image and condition, with everything that was asked about it.

    {"schema": "sqeval.questions/1", "run_id", "image_id", "image", "model": {"name", "family"},
     "gen": {"protocol", "sampling", "n", "temperature", "seed", "preface", ...}, "preface": {"question", "answer"},
     "questions": [{"qid", "text", "finish_reason", "n_tokens", "logprob_sum", "answer": {"text", "by"}}],
     "context": {"captions", "objects": [{"label"}], "ref_questions"}}

Fields that are not known are kept.  `context` may stand in a file of its own and is joined by image_id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqeval import atomic
from sqeval.data.entry import Entry
from sqeval.data.files import read_lines, require_unique
from sqeval.data.text import show
from sqeval.errors import DataError

SCHEMA = "sqeval.questions/1"
SUFFIX = ".questions.jsonl"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question as it was asked."""

    qid: str
    text: str
    finish_reason: str = "stop"
    n_tokens: int | None = None
    logprob: float | None = None
    """Sum of the tokens' natural-log probabilities under the asker."""
    answer: str | None = None
    """The asker's own answer."""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about an image besides its pixels."""

    captions: tuple[str, ...] = ()
    objects: tuple[str, ...] | None = None
    """Labels of everything in it; None: not annotated."""
    ref_questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageQuestions:
    """All questions that one condition asked about one image."""

    run_id: str
    image_id: str
    questions: tuple[Asked, ...]
    model: Mapping[str, Any]
    gen: Mapping[str, Any]
    image: str | None = None
    """Path of the image file."""
    preface: tuple[str, str] | None = None
    """What was said before the question: prompt and the model's own answer."""
    context: Context = Context()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line of JSON without the newline."""
        value: dict[str, Any] = {"schema": SCHEMA, "run_id": self.run_id, "image_id": self.image_id}
        value |= {"image": self.image, "model": dict(self.model), "gen": dict(self.gen)}
        if self.preface is not None:
            value["preface"] = dict(zip(("question", "answer"), self.preface, strict=True))
        value["questions"] = [_question(asked) for asked in self.questions]
        if self.context != Context():
            value["context"] = _context(self.context)
        return json.dumps({**value, **self.extra}, ensure_ascii=False, separators=(",", ":"))


def read_questions(path: Path) -> list[ImageQuestions]:
    """All lines of a file, in its order. Raises DataError for a bad line, and for a qid that occurs twice."""
    entries = read_lines(path)
    if not entries:
        raise DataError("expected questions, found none", file=path)
    asked = [_read(entry) for entry in entries]
    require_unique(((q.qid, e) for e, image in zip(entries, asked, strict=True) for q in image.questions), "qid")
    require_unique((((image.run_id, image.image_id), e) for e, image in zip(entries, asked, strict=True)), "image_id")
    return asked


def write_questions(path: Path, asked: Iterable[ImageQuestions]) -> None:
    """Replace the file. Raises UserError if that cannot be done."""
    with atomic.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_chunks(path, map(encoded, asked))


def encoded(image: ImageQuestions) -> bytes:
    """The line in the file, its end included."""
    return image.to_json().encode() + b"\n"


def conditions(asked: Sequence[ImageQuestions]) -> dict[str, list[ImageQuestions]]:
    """The images of each condition (run_id), in order of first appearance."""
    found: dict[str, list[ImageQuestions]] = {}
    for image in asked:
        found.setdefault(image.run_id, []).append(image)
    return found


def _read(entry: Entry) -> ImageQuestions:
    if entry.get("schema", str) != SCHEMA:
        raise entry.error(f"expected {SCHEMA}, found {show(entry.value['schema'])}", "schema")
    model, gen = entry.entry("model"), entry.entry("gen")
    model.get("name", str)
    for name in ("n", "seed"):
        gen.get(name, int)
    gen.one_of("sampling", ("iid", "sequential"))
    if type(gen.value.get("temperature")) not in (int, float):
        raise gen.error("expected a number", "gen.temperature")
    preface = None
    if entry.value.get("preface") is not None:
        said = entry.entry("preface")
        preface = (said.get("question", str), said.get("answer", str))
    known = {"schema", "run_id", "image_id", "image", "model", "gen", "preface", "questions", "context"}
    return ImageQuestions(
        run_id=entry.get("run_id", str),
        image_id=entry.get("image_id", str),
        questions=tuple(_read_question(each) for each in entry.entries("questions")),
        model=model.value,
        gen=gen.value,
        image=entry.get("image", str, "") or None,
        preface=preface,
        context=read_context(entry.entry("context")) if entry.value.get("context") is not None else Context(),
        extra={key: value for key, value in entry.value.items() if key not in known},
    )


def _read_question(entry: Entry) -> Asked:
    known = {"qid", "text", "finish_reason", "n_tokens", "logprob_sum", "answer"}
    logprob = entry.value.get("logprob_sum")
    if logprob is not None and type(logprob) not in (int, float):
        raise entry.error("expected a number", "logprob_sum")
    answer = entry.entry("answer").get("text", str) if entry.value.get("answer") is not None else None
    return Asked(
        qid=entry.get("qid", str),
        text=entry.get("text", str),
        finish_reason=entry.get("finish_reason", str, "stop"),
        n_tokens=entry.get("n_tokens", int, 0) or None,
        logprob=None if logprob is None else float(logprob),
        answer=answer,
        extra={key: value for key, value in entry.value.items() if key not in known},
    )


def read_context(entry: Entry) -> Context:
    """Captions, object labels and reference questions of one image. Raises DataError."""
    objects = None
    if entry.value.get("objects") is not None:
        objects = tuple(each.get("label", str) for each in entry.entries("objects"))
    return Context(tuple(entry.strings("captions", [])), objects, tuple(entry.strings("ref_questions", [])))


def _question(asked: Asked) -> dict[str, Any]:
    value: dict[str, Any] = {"qid": asked.qid, "text": asked.text, "finish_reason": asked.finish_reason}
    optional = {"n_tokens": asked.n_tokens, "logprob_sum": asked.logprob}
    value |= {name: number for name, number in optional.items() if number is not None}
    if asked.answer is not None:
        value["answer"] = {"text": asked.answer, "by": "self"}
    return {**value, **asked.extra}


def _context(context: Context) -> dict[str, Any]:
    value: dict[str, Any] = {"captions": list(context.captions)} if context.captions else {}
    if context.objects is not None:
        value["objects"] = [{"label": label} for label in context.objects]
    return value | ({"ref_questions": list(context.ref_questions)} if context.ref_questions else {})
