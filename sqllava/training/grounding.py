"""An auxiliary loss of the mini recipe: a projected patch should read as the words for what it shows.

A released SQ-LLaVA joins a tower trained on captions and a language model trained on text; its alignment has 558,000
images to bring the two together. The mini recipe has thousands, and says outright what goes where: read through the
language model's own output layer, a patch of a red star is to give "red" and "star". Looking something up in the image
then takes the same matching of words as looking it up in text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sqllava.modeling import SqLlavaForConditionalGeneration
from sqllava.training.regions import EMPTY_WEIGHT, RegionLabels, shows_object


class PatchWords:
    """The words of every patch of every image, for micro-batches."""

    def __init__(self, labels: RegionLabels, tokenizer: Any) -> None:
        self._row = {name: i for i, name in enumerate(labels.images)}
        self._targets = labels.targets
        self._words = {a: _word_table(values, tokenizer) for a, values in labels.classes.items()}

    def __call__(self, names: Sequence[str]) -> dict[str, Tensor]:
        """`patch_words`: token ids I×L×W, -1 where there are fewer words; `patch_weights`: I×L, less without object."""
        rows = torch.tensor([self._row[name] for name in names])
        targets = {attribute: target[rows] for attribute, target in self._targets.items()}
        words = torch.cat([self._words[a][target] for a, target in targets.items()], dim=-1)
        return {"patch_words": words, "patch_weights": torch.where(shows_object(targets), 1.0, EMPTY_WEIGHT)}


def grounding_loss(model: SqLlavaForConditionalGeneration, projected_ILH: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Weighted sum over patches of the mean negative log-likelihood of their words."""
    words_ILW = batch["patch_words"]
    there = words_ILW >= 0
    # The final norm stands before the output layer in the language model too; it leaves the patch's size free.
    logits = model.lm_head(model.model.language_model.norm(projected_ILH))
    likelihood = F.log_softmax(logits.float(), dim=-1).gather(-1, words_ILW.clamp(min=0)) * there
    each_IL = -likelihood.sum(-1) / there.sum(-1).clamp(min=1)
    return (each_IL * batch["patch_weights"]).sum()


def _word_table(values: Sequence[str], tokenizer: Any) -> Tensor:
    """(classes + 1, W) token ids of each class's words as inside a sentence, filled up with -1; class 0 has none."""
    rows = [[], *(tokenizer(f" {value}", add_special_tokens=False)["input_ids"] for value in values)]
    width = max(map(len, rows))
    return torch.tensor([[*row, *[-1] * (width - len(row))] for row in rows], dtype=torch.long)
