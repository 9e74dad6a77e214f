"""What a stage minimises, as a module whose forward turns a micro-batch into sums of losses.

Sums, not means: the loop divides by counts taken over all processes and micro-batches of a step, so that neither their
number nor padding changes the loss.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sqllava.modeling import SqLlavaForConditionalGeneration
from sqllava.segments import Segments
from sqllava.training.encode import ANSWER, QUESTION
from sqllava.training.features import tower_features
from sqllava.training.grounding import grounding_loss

Batch = dict[str, Tensor]


class ConversationObjective(nn.Module):
    """Next-token prediction: cross-entropy at supervised positions, for answers and for self-asked questions.

    Micro-batches are those of `sqllava.training.collate`, with ``lengths`` as a list.

    looks: whether the vision tower or the projector learns. A batch without images then goes through them with a blank
    one that no token attends to, as in the release, so that every process has a gradient for every weight.
    """

    terms = ("answer", "question", "grounding")

    def __init__(self, model: SqLlavaForConditionalGeneration, *, looks: bool, grounding_weight: float = 0.0) -> None:
        super().__init__()
        self.model, self.looks, self.grounding_weight = model, looks, grounding_weight

    def counts(self, batch: Batch) -> list[float]:
        """How many answer tokens, question tokens, and (weighted) grounded patches the sums run over."""
        predicted = _predicted(batch["kinds"], batch["position_ids"])
        grounded = batch["patch_weights"].sum() if "patch_weights" in batch else 0.0
        return [float((predicted == ANSWER).sum()), float((predicted == QUESTION).sum()), float(grounded)]

    def total(self, sums: Tensor, counts: Tensor) -> Tensor:
        """The loss from sums and counts in the order of `terms`: mean over supervised tokens, and grounding."""
        supervised = counts[0] + counts[1]
        loss = (sums[0] + sums[1]) / supervised.clamp(min=1)
        return loss + self.grounding_weight * sums[2] / counts[2].clamp(min=1e-9)

    def forward(self, batch: Batch) -> Tensor:
        """Sums of losses in the order of `terms`, float32."""
        ids, kinds, positions = batch["input_ids"], batch["kinds"], batch["position_ids"]
        model: Any = self.model
        embeddings = model.get_input_embeddings()(ids)  # R×T×H
        projected = self._project(batch)
        if projected is not None and "pixel_values" in batch:
            places = (ids == model.config.image_token_index)[..., None]
            embeddings = embeddings.masked_scatter(places, projected.to(embeddings.dtype))
        elif projected is not None:
            embeddings = embeddings + 0.0 * projected.sum().to(embeddings.dtype)
        lengths: Any = batch.get("lengths")
        hidden = model.model.language_model(
            inputs_embeds=embeddings, position_ids=positions, use_cache=False,
            segments=Segments.of(lengths, ids.device) if lengths else None,
        ).last_hidden_state  # fmt: skip
        each, kind = self._token_losses(hidden, ids, _predicted(kinds, positions))
        asked = kind == QUESTION
        grounded = each.new_zeros(())
        if self.grounding_weight and projected is not None and "patch_words" in batch:
            grounded = grounding_loss(model, projected, batch)
        return torch.stack([(each * ~asked).sum(), (each * asked).sum(), grounded])

    def _token_losses(self, hidden: Tensor, ids: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and kind of each supervised token, float32 and uint8.

        The vocabulary is by far the widest layer: only positions that predict a supervised token go through it.
        """
        chosen = predicted > 0
        logits = self.model.lm_head(hidden[:, :-1][chosen]).float()
        return F.cross_entropy(logits, ids[:, 1:][chosen], reduction="none"), predicted[chosen]

    def _project(self, batch: Batch) -> Tensor | None:
        """Projected patches I×L×H; of a blank image if there is none and the vision side learns."""
        pixels = batch.get("pixel_values")
        if pixels is None:
            if not self.looks:
                return None
            side = self.model.config.image_size
            pixels = torch.zeros(1, 3, side, side, device=self.model.device)
        projected: Tensor = self.model.model.multi_modal_projector(tower_features(self.model, pixels))
        return projected


def _predicted(kinds: Tensor, position_ids: Tensor) -> Tensor:
    """Kind of the token that each position but the last predicts (R×T-1); 0 across the border of two samples."""
    return kinds[:, 1:] * (position_ids[:, 1:] > 0)
