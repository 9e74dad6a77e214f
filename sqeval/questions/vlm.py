"""Group G at tier 2 by a vision-language model: may the question be answered by looking at this image?

P(yes) / (P(yes) + P(no)). A model that says yes to everything cancels in the contrast between images. Each question is
held against its own image and up to 22 others: those of the shuffles that threshold and floor are taken from, and so
many more that being first among them by chance is rarer than one in twenty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from sqeval.data.images import ImageRef
from sqeval.data.text import is_file
from sqeval.errors import UserError
from sqeval.model import Model
from sqeval.questions.files import ImageQuestions
from sqeval.questions.relevance import CALIBRATION_SHUFFLES, FLOOR_SHUFFLES, Floats, shuffled_owners

MORE_SHUFFLES = range(200, 212)
PROMPT = 'Can the question "{question}" be answered by looking at this image? Answer yes or no.'


@runtime_checkable
class SaysYes(Protocol):
    """Optional: models that tell how likely they find an answer of yes against no."""

    def yes(self, asked: Mapping[ImageRef, Sequence[str]]) -> dict[ImageRef, list[float]]:
        """P(yes) / (P(yes) + P(no)) of each prompt about each image, 0..1; NaN where an image cannot be read."""
        ...


class Vlm:
    """P(yes) of a model of the harness."""

    needs = "image files"

    def __init__(self, model: Model) -> None:
        """Raises UserError for a model that gives no likelihoods."""
        if not isinstance(model, SaysYes):
            raise UserError(
                f"--vlm: model {model.identity.name} gives no likelihoods; name a checkpoint of sqllava, or --clip"
            )
        self.name, self._model = f"vlm {model.identity.name}", model

    def knows(self, image: ImageQuestions) -> bool:
        return image.image is not None and is_file(Path(image.image))

    def similarities(self, questions: Sequence[str], images: Sequence[ImageQuestions], own: Sequence[int]) -> Floats:
        found: Floats = np.full((len(questions), len(images)), np.nan)
        refs = [ImageRef(image.image_id, Path(str(image.image))) for image in images]
        seeds = (*CALIBRATION_SHUFFLES, *FLOOR_SHUFFLES, *MORE_SHUFFLES)
        moved = [shuffled_owners(range(len(images)), len(images), seed) for seed in seeds]
        wanted: dict[ImageRef, list[int]] = {}
        for row, column in enumerate(own):
            if column >= 0:
                for place in dict.fromkeys([column, *(owners[column] for owners in moved)]):
                    wanted.setdefault(refs[place], []).append(row)
        asked = {ref: [PROMPT.format(question=questions[row]) for row in rows] for ref, rows in wanted.items()}
        place_of = {ref: place for place, ref in enumerate(refs)}
        for ref, values in self._model.yes(asked).items():
            found[wanted[ref], place_of[ref]] = values
        return found
