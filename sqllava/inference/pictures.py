"""Images to projected features: opened and resized ahead of the model by worker processes, each encoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Opener = Callable[[], Image.Image]
TOGETHER = 32
"""Images that go through the vision tower at once."""
AHEAD = 8
"""Images that each worker has ready."""


class _Pictures(Dataset[Any]):
    def __init__(self, openers: Sequence[Opener], image_processor: Any) -> None:
        self.openers, self.image_processor = openers, image_processor

    def __len__(self) -> int:
        return len(self.openers)

    def __getitem__(self, number: int) -> Tensor | str:
        try:
            image = self.openers[number]().convert("RGB")
            pixels: Tensor = self.image_processor([image], return_tensors="pt")["pixel_values"][0]
        except Exception as error:  # Pillow's decoders raise many kinds for damaged files
            return f"image cannot be opened: {type(error).__name__}: {error}"
        return pixels


def pixels(
    openers: Sequence[Opener], image_processor: Any, *, workers: int, device: torch.device
) -> Iterator[Tensor | str]:
    """Of each image in order its pixels, 3×S×S float32, or what went wrong with it."""
    pictures = _Pictures(openers, image_processor)
    if not workers or len(openers) < 2:
        return (pictures[number] for number in range(len(pictures)))
    return iter(
        DataLoader(
            pictures, batch_size=None, num_workers=min(workers, len(openers)), prefetch_factor=AHEAD,
            pin_memory=device.type == "cuda",
        )
    )  # fmt: skip


class Features:
    """Projected features by an image's key; the longest unused go when `limit` bytes are full."""

    def __init__(self, limit: int) -> None:
        self.limit, self._held, self._kept = limit, 0, OrderedDict[str, Tensor]()

    def __contains__(self, key: str | None) -> bool:
        return key in self._kept

    def get(self, key: str) -> Tensor:
        """Features of a key that is there."""
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, key: str, features: Tensor) -> None:
        """Keep them if they fit."""
        if features.nbytes > self.limit or key in self._kept:
            return
        self._kept[key] = features
        self._held += features.nbytes
        while self._held > self.limit:
            _, oldest = self._kept.popitem(last=False)
            self._held -= oldest.nbytes


@torch.inference_mode()
def encode(model: Any, pictures: Sequence[Tensor]) -> list[Tensor]:
    """Projected features, tokens×H each, of 3×S×S pixels."""
    features: list[Tensor] = []
    for start in range(0, len(pictures), TOGETHER):
        # One by one: they come in pinned memory, from which a GPU copies while it computes.
        batch = [picture.to(model.device, non_blocking=True) for picture in pictures[start : start + TOGETHER]]
        features.extend(model.get_image_features(torch.stack(batch).to(model.dtype)).pooler_output)
    return features
