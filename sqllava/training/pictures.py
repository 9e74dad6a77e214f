"""Pictures of training samples, decoded and brought to size, the latest of them kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sqllava.errors import SqLlavaError
from sqllava.images import open_image
from sqllava.processing import SqLlavaProcessor

CACHE_BYTES = 512 << 20


class BadPictureError(SqLlavaError):
    """A picture that is missing or cannot be decoded."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name, self.reason = name, reason


class PictureReader:
    """Reads pictures by their path under `root`, as `processor` prepares them.

    Up to `cache_bytes` of them are kept, those read last, as the bytes they have before scaling and normalising.
    """

    def __init__(self, root: Path, processor: SqLlavaProcessor, cache_bytes: int = CACHE_BYTES) -> None:
        self.root, self.cache_bytes = root, cache_bytes
        self._prepare = processor.image_processor
        self._kept: OrderedDict[str, NDArray[np.uint8]] = OrderedDict()
        self.kept_bytes = 0
        """Of the pictures in memory now."""
        # Scaling and normalising treat every byte of a channel alike: a picture of all 256 shows what becomes of them.
        ramp = np.broadcast_to(np.arange(256, dtype=np.uint8).reshape(1, 16, 16), (3, 16, 16))
        levels = self._prepare([ramp], do_resize=False, do_center_crop=False, image_aspect_ratio="crop")
        self._levels = np.asarray(levels["pixel_values"][0], dtype=np.float32).reshape(3, 256)

    def read(self, name: str) -> Tensor:
        """3×S×S float32. Raises BadPictureError."""
        picture = self._kept.get(name)
        if picture is None:
            picture = self._decode(name)
            self._keep(name, picture)
        else:
            self._kept.move_to_end(name)
        return torch.from_numpy(np.stack([np.take(self._levels[c], picture[c]) for c in range(3)]))

    def _decode(self, name: str) -> NDArray[np.uint8]:
        try:
            image = open_image(self.root / name)
        except SqLlavaError as error:
            raise BadPictureError(name, str(error)) from None
        prepared = self._prepare([image], do_rescale=False, do_normalize=False)["pixel_values"][0]
        return np.ascontiguousarray(prepared, dtype=np.uint8)

    def _keep(self, name: str, picture: NDArray[np.uint8]) -> None:
        self._kept[name] = picture
        self.kept_bytes += picture.nbytes
        while self.kept_bytes > self.cache_bytes:
            self.kept_bytes -= self._kept.popitem(last=False)[1].nbytes
