"""The vision tower's own pretraining in the mini recipe: what does each patch show?

A released SQ-LLaVA starts from a CLIP tower that has seen 400 million captioned pictures. A tower from nothing has seen
none, and a language model on top of a blind tower stays blind; so the mini recipe teaches it first, by classifying the
object under each patch. The classification heads are thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sqllava.training.data import TrainingDataError, read_json

LEAST_OVERLAP = 0.12
"""Share of a patch that an object must cover to be the patch's object."""
EMPTY_WEIGHT = 0.2
"""Weight in the loss of patches without an object, which are most."""


@dataclass(frozen=True)
class RegionLabels:
    """Class of each patch for several attributes at once; class 0 is "nothing there"."""

    images: list[str]
    classes: dict[str, list[str]]
    """Attribute -> its values; value k has class k + 1."""
    targets: dict[str, Tensor]
    """Attribute -> (images, patches) int64."""


def read_regions(path: Path, *, side: int, patch: int) -> RegionLabels:
    """``[{"image", "labels": {attribute: value}, "regions": [{"box": [x, y, w, h], "labels"}]}]``, boxes in pixels.

    A patch belongs to the region that covers most of it; an image's own labels hold for all its patches. `side` and
    `patch` are the sides of image and patch in pixels. Raises TrainingDataError.
    """
    records = read_json(path)
    found: dict[str, set[str]] = {}
    try:
        for record in records:
            for labels in (record["labels"], *(r["labels"] for r in record["regions"])):
                for attribute, value in labels.items():
                    found.setdefault(attribute, set()).add(value)
        classes = {attribute: sorted(values) for attribute, values in sorted(found.items())}
        targets = {a: np.zeros((len(records), (side // patch) ** 2), dtype=np.int64) for a in classes}
        for i, record in enumerate(records):
            owner = _owners([r["box"] for r in record["regions"]], side, patch)
            for attribute, value in record["labels"].items():
                targets[attribute][i] = classes[attribute].index(value) + 1
            for k, region in enumerate(record["regions"]):
                for attribute, value in region["labels"].items():
                    targets[attribute][i][owner == k] = classes[attribute].index(value) + 1
        images = [record["image"] for record in records]
    except (KeyError, TypeError, AttributeError) as error:
        raise TrainingDataError(f"{path}: a record lacks image, labels, regions or box: {error!r}") from error
    return RegionLabels(images, classes, {a: torch.from_numpy(t) for a, t in targets.items()})


def _owners(boxes: list[Any], side: int, patch: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """For each patch in reading order the index of the box that covers most of it, or -1."""
    edges = np.arange(0, side, patch)
    owner = np.full((len(edges), len(edges)), -1, dtype=np.int64)
    most = np.full(owner.shape, LEAST_OVERLAP)
    for k, (x, y, w, h) in enumerate(boxes):
        wide = np.clip(np.minimum(edges + patch, x + w) - np.maximum(edges, x), 0, None)
        high = np.clip(np.minimum(edges + patch, y + h) - np.maximum(edges, y), 0, None)
        share = high[:, None] * wide[None, :] / patch**2
        owner[share > most] = k
        most = np.maximum(most, share)
    return owner.reshape(-1)


def shows_object(targets_BL: dict[str, Tensor]) -> Tensor:
    """Which patches (B×L, bool) show an object: those with an attribute that other patches of the batch lack."""
    lacking = [target > 0 for target in targets_BL.values() if bool((target == 0).any())]
    return torch.stack(lacking or [target > 0 for target in targets_BL.values()]).any(0)


class RegionHeads:
    """One fixed linear classifier an attribute on patch features (B×L×D): orthonormal directions, one a class.

    Nothing in it is trained. Free classifiers would let the tower write easy attributes (colour) large and hard ones
    (shape) small, and a language model then learns to look things up by colour long before it does by shape. With
    orthonormal directions every attribute has to be equally visible in the features.
    """

    def __init__(self, width: int, labels: RegionLabels) -> None:
        sizes = {attribute: len(values) + 1 for attribute, values in labels.classes.items()}
        if sum(sizes.values()) > width:
            raise TrainingDataError(f"{sum(sizes.values())} region classes need a tower of at least that width")
        directions = torch.linalg.qr(torch.randn(width, sum(sizes.values())))[0].T.split(list(sizes.values()))
        self.directions: dict[str, Tensor] = dict(zip(sizes, directions, strict=True))

    def loss(self, features_BLD: Tensor, targets_BL: dict[str, Tensor]) -> Tensor:
        """Mean cross-entropy summed over attributes, patches without any object weighted down."""
        weight = torch.where(shows_object(targets_BL), 1.0, EMPTY_WEIGHT).flatten()
        total = features_BLD.new_zeros(())
        for attribute, directions in self.directions.items():
            logits = (features_BLD @ directions.T).flatten(0, 1)
            each = F.cross_entropy(logits, targets_BL[attribute].flatten(), reduction="none")
            total = total + (each * weight).sum() / weight.sum()
        return total

    @torch.no_grad()
    def accuracy(self, features_BLD: Tensor, targets_BL: dict[str, Tensor]) -> dict[str, float]:
        """Share of patches that show the attribute and are classified right."""
        result = {}
        for attribute, directions in self.directions.items():
            target = targets_BL[attribute]
            right = ((features_BLD @ directions.T).argmax(-1) == target)[target > 0]
            result[attribute] = float(right.float().mean())
        return result


@torch.no_grad()
def rescale_residual_stream(tower: Any, factor: float) -> None:
    """Multiply a pre-norm CLIP tower's hidden states by `factor` without changing what it computes.

    Every block reads the residual stream through a LayerNorm, so scaling whatever writes to the stream scales the
    stream and nothing else. Features of unit size are what a freshly initialised projector expects.
    """
    tower.pre_layrnorm.weight.mul_(factor)
    tower.pre_layrnorm.bias.mul_(factor)
    for layer in tower.encoder.layers:
        for writer in (layer.self_attn.out_proj, layer.mlp.fc2):
            writer.weight.mul_(factor)
            writer.bias.mul_(factor)
