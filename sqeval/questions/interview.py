"""Put questions to an answerer: with their image, with none, and with other images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sqeval import atomic
from sqeval.atomic import drop_torn_line
from sqeval.data.images import ImageRef
from sqeval.data.text import is_file
from sqeval.errors import UserError
from sqeval.lock import locked_file
from sqeval.model import Completion, Group, Model, Request, Settings
from sqeval.planner import digest
from sqeval.progress import Progress, Silent
from sqeval.questions.answers import Answer, Condition, read_answers
from sqeval.questions.files import ImageQuestions
from sqeval.questions.normalise import normalise
from sqeval.rundir import Appender

PROMPT = (
    "{question}\nWhen the provided information is insufficient, respond with 'Unanswerable'.\n"
    "Answer the question using a single word or phrase."
)
"""VizWiz's prompt in LLaVA's scripts: an answerer must be offered to say that it cannot say."""
ANSWER_TOKENS = 32
SAMPLING_TEMPERATURE = 0.7
REQUESTS_AT_ONCE = 2_000
Key = tuple[str, str, str, int, str | None]


@dataclass(frozen=True, slots=True)
class Interview:
    """What is put to an answerer."""

    conditions: tuple[Condition, ...] = ("img", "blind", "cf")
    samples: int = 1
    """Answers a question and condition; more than one are drawn at temperature .7, one is greedy."""
    others: int = 8
    """Other images that a question is asked about under ``cf``."""
    seed: int = 0

    def calls(self, questions: int) -> int:
        """How often the answerer is asked."""
        each = sum(self.others if condition == "cf" else 1 for condition in self.conditions)
        return questions * self.samples * each


def interview(
    images: Sequence[ImageQuestions],
    model: Model,
    what: Interview,
    out: Path,
    *,
    progress: Progress | None = None,
) -> tuple[list[Answer], list[str]]:
    """Ask everything that `out` does not hold yet, and the messages of what failed.

    Answers are appended as they come. One that was given to another question, image or checkpoint under the same name
    is asked for again. Raises UserError for a missing image, and if another process writes the file.
    """
    progress = progress or Silent()
    with locked_file(out):
        wanted = list(_wanted(images, model, what))
        kept = _kept(out, {answer.key: answer.request for answer, *_ in wanted})
        _write(out, kept.values())
        todo = [each for each in wanted if each[0].key not in kept]
        errors: list[str] = []
        with progress.tasks({"answers": (len(wanted), len(kept))}) as bars, closing(Appender(out)) as appender:
            for start in range(0, len(todo), REQUESTS_AT_ONCE):
                for answer, completion in _ask(todo[start : start + REQUESTS_AT_ONCE], model, what):
                    bars["answers"].advance(failed=completion.error is not None)
                    if completion.error is not None:
                        errors.append(f"{answer.qid} ({answer.condition}): {completion.error}")
                        continue
                    kept[answer.key] = replace(answer, text=completion.text)
                    appender.write(_line(kept[answer.key]))
        ordered = [kept[answer.key] for answer, *_ in wanted if answer.key in kept]
        _write(out, ordered)
    return ordered, errors


Wanted = tuple[Answer, str, ImageRef | None]
"""Answer without its text, prompt, image."""


def _wanted(images: Sequence[ImageQuestions], model: Model, what: Interview) -> Iterator[Wanted]:
    who, family = model.identity.name, model.identity.kind
    version = model.identity.checkpoint_hash or model.identity.checkpoint
    refs = {image.image_id: _reference(image) for image in images}  # several conditions ask about the same images
    places = {name: place for place, name in enumerate(refs)}
    for image in images:
        others = _others(places[image.image_id], list(refs), what)
        for asked in image.questions:
            prompt = PROMPT.format(question=normalise(asked.text).core)
            for condition in what.conditions:
                for picture in _PICTURES[condition](image.image_id, others):
                    name = picture if condition == "cf" else None
                    for k in range(what.samples):
                        ref = None if picture is None else refs[picture]
                        key = None if ref is None else ref.key
                        request = digest(version, prompt, key, k, what.samples > 1, what.seed)
                        yield Answer(asked.qid, who, condition, "", k, name, family, request), prompt, ref


_PICTURES: Mapping[Condition, Callable[[str, Sequence[str]], Sequence[str | None]]] = {
    "img": lambda own, others: [own],
    "blind": lambda own, others: [None],
    "cf": lambda own, others: others,
}
"""Which images a question is asked about."""


def _others(place: int, images: Sequence[str], what: Interview) -> list[str]:
    """Other images, drawn by seed and image."""
    rng = np.random.default_rng([what.seed, place])
    pool = [name for name in images if name != images[place]]
    return [pool[i] for i in rng.permutation(len(pool))[: what.others]]


def _reference(image: ImageQuestions) -> ImageRef:
    if image.image is None or not is_file(Path(image.image)):
        raise UserError(f"image {image.image_id}: no file {image.image or 'is named'}; answers need the images")
    return ImageRef(image.image_id, Path(image.image))


def _ask(batch: Sequence[Wanted], model: Model, what: Interview) -> Iterator[tuple[Answer, Completion]]:
    """Requests grouped by image, so that each image is looked at once."""
    settings = Settings(ANSWER_TOKENS, SAMPLING_TEMPERATURE if what.samples > 1 else 0.0, seed=what.seed)
    grouped: dict[ImageRef | str, tuple[ImageRef | None, list[Request]]] = {}
    for number, (_, prompt, ref) in enumerate(batch):
        _, requests = grouped.setdefault(ref or prompt, (ref, []))
        requests.append(Request("answer", str(number), prompt, settings))
    for completion in model.generate([Group(ref, tuple(requests)) for ref, requests in grouped.values()]):
        yield batch[int(completion.id)][0], completion


def _kept(out: Path, hashes: Mapping[Key, str | None]) -> dict[Key, Answer]:
    """What the file holds already of what is wanted."""
    answers = read_answers(out) if drop_torn_line(out) else []
    return {answer.key: answer for answer in answers if hashes.get(answer.key, "") == answer.request}


def _write(out: Path, answers: Iterable[Answer]) -> None:
    with atomic.explained(out):
        atomic.write_chunks(out, map(_line, answers))


def _line(answer: Answer) -> bytes:
    return answer.to_json().encode() + b"\n"
