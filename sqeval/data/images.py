"""References to images: where the pixels are, opened when a model needs them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 178_956_970
"""Larger images are refused: decompression bombs (Pillow's own warning limit, twice over, made an error)."""

FORMATS = ("JPEG", "PNG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What is opened, told by the content, not the name. Pillow knows others, and hands EPS to Ghostscript."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image that has not been opened yet: a file, or bytes embedded in a data file (MMBench's TSV).

    Its methods raise OSError (a file that is missing, truncated or no image) or ValueError (too many pixels).
    """

    key: str
    """Identity within a data root: requests with the same key are about the same image."""
    path: Path | None = None
    data: bytes | None = None

    def open(self) -> Image.Image:
        """Decode to RGB as the official evaluators do: Pillow's ``convert("RGB")`` and nothing else.

        So EXIF does not rotate, an animation is its first frame, what is transparent has the colour that is stored
        under it, and 16 bits of grey are cut off at 255.
        """
        with self._opened() as image:
            return image.convert("RGB")

    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the header alone."""
        with self._opened() as image:
            return image.size

    @contextmanager
    def _opened(self) -> Iterator[Image.Image]:
        """The image with its pixels not read yet; every way in which Pillow fails becomes one of two errors."""
        from PIL import Image

        if (self.path is None) == (self.data is None):
            raise ValueError(f"image {self.key}: exactly one of path and data must be given")
        source = self.path if self.path is not None else io.BytesIO(self.data or b"")
        try:
            Image.init()
            with Image.open(source, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError(f"image {self.key}: {image.width}x{image.height} is over {MAX_PIXELS} pixels")
                yield image
        except Image.DecompressionBombError as error:
            raise ValueError(f"image {self.key}: over {MAX_PIXELS} pixels") from error
        except (OSError, ValueError):
            raise
        except Exception as error:  # struct.error, SyntaxError, RuntimeError, MemoryError, ... by format
            raise OSError(f"image {self.key}: broken file ({error or type(error).__name__})") from error
