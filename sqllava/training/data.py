"""LLaVA-format training data: conversations in, tokens and supervised positions out."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqllava.conversation import IMAGE, Template, Turn
from sqllava.errors import SqLlavaError
from sqllava.processing import SqLlavaProcessor


class TrainingDataError(SqLlavaError):
    """A training file that is missing or holds a bad sample."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One sample: the turns of a user and an assistant, in alternation, about an image or none."""

    id: str
    image: str | None
    """Path under the data root."""
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A sample as token ids; `supervised` says for each token whether the loss covers it."""

    ids: list[int]
    supervised: list[bool]
    image: str | None


def read_json(path: Path) -> list[Any]:
    """A JSON file that holds a list. Raises TrainingDataError."""
    if not path.is_file():
        raise TrainingDataError(f"{path} is missing")
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise TrainingDataError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(value, list):
        raise TrainingDataError(f"{path}: expected a list of samples, found {type(value).__name__}")
    return value


def read_conversations(path: Path) -> list[Conversation]:
    """LLaVA's JSON: ``{"id", "image"?, "conversations": [{"from": "human"|"gpt", "value"}, ...]}``.

    ``<image>`` may stand anywhere in the first turn; the template puts it where it belongs. Raises TrainingDataError
    naming file, sample and field.
    """
    return [_conversation(value, f"{path}: sample {i}") for i, value in enumerate(read_json(path))]


def _conversation(value: Any, place: str) -> Conversation:
    if not isinstance(value, dict) or not isinstance(value.get("conversations"), list) or not value["conversations"]:
        raise TrainingDataError(f"{place}: conversations: expected a list of turns")
    image = value.get("image")
    if image is not None and (not isinstance(image, str) or Path(image).is_absolute() or ".." in Path(image).parts):
        raise TrainingDataError(f"{place}: image: expected a path inside the data root, found {image!r}")
    turns = []
    for i, turn in enumerate(value["conversations"]):
        speaker = ("human", "gpt")[i % 2]
        if not isinstance(turn, dict) or turn.get("from") != speaker or not isinstance(turn.get("value"), str):
            raise TrainingDataError(f"{place}: conversations[{i}]: expected a text from {speaker!r}")
        text = turn["value"]
        if i == 0 and image is not None:
            text = text.replace(IMAGE, "").strip()
        turns.append(Turn("user" if speaker == "human" else "assistant", text))
    return Conversation(str(value.get("id", "")), image, tuple(turns))


def self_question(turns: Sequence[Turn], sq_r: float, rng: random.Random) -> list[Turn]:
    """Hand each user turn but the first to the virtual user with probability `sq_r`: the question is then learnt."""
    return [
        Turn("vuser", turn.text) if i > 0 and turn.role == "user" and rng.random() < sq_r else turn
        for i, turn in enumerate(turns)
    ]


class Encoder:
    """Turns conversations into tokens, drawing the self-questioned turns anew at each reading.

    What is drawn depends on the seed, the epoch and the sample alone, so that neither batch order nor resuming
    changes it.
    """

    def __init__(
        self, processor: SqLlavaProcessor, template: Template, *, sq_r: float, evaluation: Template,
        evaluation_share: float, sees_images: bool, seed: int, max_length: int,
    ) -> None:  # fmt: skip
        self.processor, self.template = processor, template
        self.evaluation, self.evaluation_share = evaluation, evaluation_share
        self.sq_r = sq_r if "vuser" in template.speech else 0.0
        self.sees_images, self.seed, self.max_length = sees_images, seed, max_length

    def __call__(self, sample: Conversation, index: int, epoch: int) -> Encoded:
        """Encode the sample at `index`; sequences over the maximum length are cut on the right."""
        rng = random.Random(f"{self.seed}/{epoch}/{index}")
        image = sample.image if self.sees_images else None
        if rng.random() < self.evaluation_share:
            rendered = self.evaluation.render(sample.turns, image=image is not None)
        else:
            # Only questions about an image are worth learning to ask; a blind control learns from the same turns.
            sq_r = self.sq_r if sample.image is not None else 0.0
            rendered = self.template.render(self_question(sample.turns, sq_r, rng), image=image is not None)
        ids, supervised = self.processor.encode(rendered)
        return Encoded(ids[: self.max_length], supervised[: self.max_length], image)


def draw_batches(
    samples: Sequence[Conversation], batch_size: int, seed: int, epoch: int, *, group_by_length: bool = True
) -> list[list[int]]:
    """Indices of every full batch of one epoch, in random order: one modality a batch, similar lengths on demand."""
    rng = random.Random(f"batches/{seed}/{epoch}")
    batches: list[list[int]] = []
    for with_image in (True, False):
        indices = [i for i, s in enumerate(samples) if (s.image is not None) == with_image]
        rng.shuffle(indices)
        span = 50 * batch_size  # sorted within spans only, so that batches still differ from epoch to epoch
        for start in range(0, len(indices), span):
            block = indices[start : start + span]
            if group_by_length:
                block.sort(key=lambda i: sum(len(turn.text) for turn in samples[i].turns))
            batches += [block[k : k + batch_size] for k in range(0, len(block) - batch_size + 1, batch_size)]
    rng.shuffle(batches)
    return batches
