"""References to images: where the pixels are, opened when a model needs them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 178_956_970
"""Larger images are refused: decompression bombs (Pillow's own warning limit, twice over, made an error)."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image that has not been opened yet: a file, or bytes embedded in a data file (MMBench's TSV)."""

    key: str
    """Identity within a data root: requests with the same key are about the same image."""
    path: Path | None = None
    data: bytes | None = None

    def open(self) -> Image.Image:
        """Decode to RGB, as the official evaluators do (no EXIF rotation).

        Raises OSError (a file that is missing, truncated or no image) or ValueError (too many pixels).
        """
        from PIL import Image

        if (self.path is None) == (self.data is None):
            raise ValueError(f"image {self.key}: exactly one of path and data must be given")
        source = self.path if self.path is not None else io.BytesIO(self.data or b"")
        with Image.open(source) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"image {self.key}: {image.width}x{image.height} is over {MAX_PIXELS} pixels")
            return image.convert("RGB")
