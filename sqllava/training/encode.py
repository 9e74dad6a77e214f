"""Conversations as tokens, and which of them the model learns to say."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sqllava.conversation import Role, Template, Turn
from sqllava.processing import SqLlavaProcessor
from sqllava.training.conversations import Conversation, TrainingDataError

ANSWER, QUESTION = 1, 2
"""Kinds of supervised tokens: of the assistant, and of the virtual user. 0 is everything else."""
_KINDS: dict[Role | None, int] = {None: 0, "assistant": ANSWER, "vuser": QUESTION}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A sample as token ids, and each token's kind."""

    ids: list[int]
    kinds: list[int]
    image: str | None
    """Path under the data root, if the tokens have an image's place."""


def self_question(turns: Sequence[Turn], sq_r: float, rng: random.Random) -> list[Turn]:
    """Hand each user turn but the first to the virtual user with probability `sq_r`: the question is then learnt."""
    return [
        Turn("vuser", turn.text) if i > 0 and turn.role == "user" and rng.random() < sq_r else turn
        for i, turn in enumerate(turns)
    ]


class Encoder:
    """Turns conversations into tokens, drawing the self-questioned turns anew at each reading.

    What is drawn depends on the seed, the sample and how often it was read before, so that neither batches nor
    processes nor resuming change it. `evaluation` is the template of benchmark questions, which a share of the samples
    is rendered with.
    """

    def __init__(
        self, processor: SqLlavaProcessor, speech: Template, *, sq_r: float, evaluation: Template,
        evaluation_share: float, sees_images: bool, seed: int, max_length: int,
    ) -> None:  # fmt: skip
        self.processor, self.template = processor, speech
        self.evaluation, self.evaluation_share = evaluation, evaluation_share
        self.sq_r, self.sees_images, self.seed, self.max_length = sq_r, sees_images, seed, max_length

    def __call__(self, sample: Conversation, number: int, reading: int) -> Encoded:
        """Encode sample `number`; what is over the maximum length is cut on the right.

        Raises TrainingDataError if that cuts through an image.
        """
        rng = random.Random(f"{self.seed}/{reading}/{number}")
        image = sample.image if self.sees_images else None
        if rng.random() < self.evaluation_share:
            speech, turns = self.evaluation, sample.turns
        else:
            # Only questions about an image are worth learning to ask; a blind control learns from the same turns.
            sq_r = self.sq_r if sample.image is not None else 0.0
            speech, turns = self.template, tuple(self_question(sample.turns, sq_r, rng))
        if "vuser" not in speech.speech:
            turns = tuple([Turn("user", turn.text) if turn.role == "vuser" else turn for turn in turns])
        ids, speakers = self.processor.encode(speech.render(turns, image=image is not None))
        if len(ids) > self.max_length:
            self._check_cut(ids, image)
            ids, speakers = ids[: self.max_length], speakers[: self.max_length]
        return Encoded(ids, [_KINDS[speaker] for speaker in speakers], image)

    def _check_cut(self, ids: list[int], image: str | None) -> None:
        if image is not None and self.processor.image_token_id in ids[self.max_length :]:
            last = len(ids) - ids[::-1].index(self.processor.image_token_id)
            raise TrainingDataError(
                f"max_length: {self.max_length} tokens end inside the image; with template {self.template.name} it"
                f" ends after {last}"
            )
