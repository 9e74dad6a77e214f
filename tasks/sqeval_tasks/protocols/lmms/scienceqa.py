"""ScienceQA as lmms-eval's `scienceqa` and `scienceqa_img` have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sqeval.model import Settings
from sqeval.scoring import lmms
from sqeval.task import Sample, Score
from sqeval_tasks.scienceqa import LETTERS, ScienceQA


class LmmsScienceQA(ScienceQA):
    """A letter, or a capital one with a period behind it."""

    protocol = "lmms"
    differs: ClassVar[Mapping[str, str]] = {
        "prompt": "pairs of spaces stay as they are",
        "generation": "16 new tokens",
        "images": "as the model is set up: its `image_aspect_ratio: original` reaches only checkpoints whose "
        "configuration has no such entry, and LLaVA-1.5's has one",
        "scorer": "a letter in any case (`b`), or a response that begins with a capital and a period (`B.x`); "
        "`The answer is B.` is not read",
        "metrics": "`accuracy` is its task `scienceqa`, `img_accuracy` its `scienceqa_img`",
    }
    settings = Settings(max_new_tokens=16)

    def prompt(self, sample: Sample) -> str:
        hint = sample.metadata["hint"]
        options = [f"{letter}. {text}" for letter, text in zip(LETTERS, sample.metadata["choices"], strict=False)]
        suffix = "Answer with the option's letter from the given choices directly."
        return "\n".join([*([f"Context: {hint}"] if hint else []), sample.question, *options, suffix])

    def score(self, response: str | None, sample: Sample) -> Score:
        letter = None if response is None else lmms.scienceqa_letter(lmms.said(response))
        return Score(letter, {"accuracy": float(letter == LETTERS[sample.reference])})
