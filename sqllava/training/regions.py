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
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from sqllava.modeling import SqLlavaForConditionalGeneration
from sqllava.training.conversations import TrainingDataError, read_json
from sqllava.training.dataset import Step
from sqllava.training.features import tower_features
from sqllava.training.pictures import BadPictureError, PictureReader
from sqllava.training.processes import spread_again
from sqllava.training.recipe import Stage

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
    side: int
    """Side of an image in pixels."""


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
    return RegionLabels(images, classes, {a: torch.from_numpy(t) for a, t in targets.items()}, side)


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


class RegionObjective(nn.Module):
    """One fixed linear classifier an attribute on patch features (I×L×D): orthonormal directions, one a class.

    Nothing in it is trained. Free classifiers would let the tower write easy attributes (colour) large and hard ones
    (shape) small, and a language model then learns to look things up by colour long before it does by shape. With
    orthonormal directions every attribute has to be equally visible in the features.
    """

    terms = ("regions",)

    def __init__(self, model: SqLlavaForConditionalGeneration, labels: RegionLabels, seed: int) -> None:
        super().__init__()
        self.model = model
        width = model.config.vision_config.hidden_size
        sizes = {attribute: len(values) + 1 for attribute, values in labels.classes.items()}
        if sum(sizes.values()) > width:
            raise TrainingDataError(f"{sum(sizes.values())} region classes need a tower of at least that width")
        drawn = torch.randn(width, sum(sizes.values()), generator=torch.Generator().manual_seed(seed))
        directions = torch.linalg.qr(drawn)[0].T.split(list(sizes.values()))
        for attribute, rows in zip(sizes, directions, strict=True):
            self.register_buffer(f"directions_{attribute}", rows.contiguous(), persistent=False)

    def counts(self, batch: dict[str, Tensor]) -> list[float]:
        """Weight of the patches that the sum runs over."""
        return [float(batch["patch_weights"].sum())]

    def total(self, sums: Tensor, counts: Tensor) -> Tensor:
        """Weighted mean over patches of the cross-entropies' sum over attributes."""
        return sums[0] / counts[0].clamp(min=1e-9)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The sum of losses, one number in a vector, float32; of images alone, the mean square of their features."""
        features = tower_features(self.model, batch["pixel_values"])
        if "patch_weights" not in batch:
            return features.float().pow(2).mean()[None]
        total = torch.zeros((), device=features.device)
        for attribute, target in _targets(batch).items():
            logits = features @ getattr(self, f"directions_{attribute}").T.to(features.dtype)
            each = F.cross_entropy(logits.flatten(0, 1).float(), target.flatten(), reduction="none")
            total = total + (each * batch["patch_weights"].flatten()).sum()
        return total[None]


class RegionSteps(Dataset[Step]):
    """Random images with the classes of their patches, a function of seed and step alone."""

    def __init__(
        self, labels: RegionLabels, pictures: PictureReader, stage: Stage, seed: int, rank: int = 0, processes: int = 1
    ) -> None:
        self.labels, self.pictures, self.stage, self.seed = labels, pictures, stage, seed
        self.rank, self.processes = rank, processes

    def __len__(self) -> int:
        return self.stage.steps or 0

    def __getitem__(self, step: int) -> Step:
        order = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        rows = torch.randint(len(self.labels.images), (self.stage.batch_size,), generator=order)
        rows = rows[self.rank :: self.processes]
        size = self.stage.micro_batch_size or len(rows)
        result = Step(0, [])
        for chosen in torch.split(rows, size):
            result.micro_batches.append(self._batch(chosen, result.bad))
        return result

    def _batch(self, rows: Tensor, bad: list[str]) -> dict[str, Tensor]:
        """An image that cannot be read keeps its place, so that processes stay in step, and weighs nothing."""
        pixels, readable = self.read(rows.tolist(), bad)
        targets = {attribute: target[rows] for attribute, target in self.labels.targets.items()}
        weights = torch.where(shows_object(targets), 1.0, EMPTY_WEIGHT) * readable[:, None]
        named = {f"region_{attribute}": target for attribute, target in targets.items()}
        return {"pixel_values": pixels, "patch_weights": weights, **named}

    def read(self, rows: list[int], bad: list[str]) -> tuple[Tensor, Tensor]:
        """Pixels (I×3×S×S, zeros for an image that cannot be read) and which could be read (I, bool).

        `bad` receives a message for each that could not.
        """
        side = self.labels.side
        pixels = torch.zeros(len(rows), 3, side, side)
        readable = torch.ones(len(rows), dtype=torch.bool)
        for place, row in enumerate(rows):
            try:
                pixels[place] = self.pictures.read(self.labels.images[row])
            except BadPictureError as error:
                bad.append(f"stage {self.stage.name}: record {row}: {error}")
                readable[place] = False
        return pixels, readable


def _targets(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("region_"): value for name, value in batch.items() if name.startswith("region_")}


@torch.no_grad()
def unit_size(objective: Any, model: SqLlavaForConditionalGeneration, pixels: Tensor) -> None:
    """Bring the features that the tower gives for `pixels` (I×3×S×S) to a root mean square of 1.

    objective: the RegionObjective of `model` as Accelerate wraps it, which is what can run where weights are spread.
    """
    size = float(objective({"pixel_values": pixels}).sqrt())
    spread_again(objective)
    rescale_residual_stream(model.model.vision_tower, 1 / size)


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
