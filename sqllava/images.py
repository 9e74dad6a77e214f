"""Image preprocessing: square, resized, normalised; Pillow and numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor, BatchFeature
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.processing_utils import ImagesKwargs

from sqllava.config import SqLlavaConfig
from sqllava.errors import SqLlavaError

MAX_PIXELS = 178_956_970
"""Larger images are refused: Pillow's limit against decompression bombs, twice its warning."""

FORMATS = ("JPEG", "PNG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""What is opened, told by the content. Pillow knows others, and hands EPS to Ghostscript."""


def open_image(file: Path) -> Image.Image:
    """Decode a file to RGB. Raises SqLlavaError if it is missing, no image, damaged or too large."""
    try:
        Image.init()
        with Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width}x{image.height} is over {MAX_PIXELS} pixels")
            return image.convert("RGB")
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SqLlavaError(f"image {file} cannot be opened: {reason}") from None


def pad_to_square(image_CHW: NDArray[np.uint8], colour: Sequence[int]) -> NDArray[np.uint8]:
    """Centre an RGB image (3×H×W) on a square of `colour` (3 values in 0..255) with side max(H, W).

    An odd margin puts its extra row or column after the image.
    """
    _, height, width = image_CHW.shape
    side = max(height, width)
    square = np.empty((3, side, side), image_CHW.dtype)
    square[:] = np.asarray(colour, image_CHW.dtype)[:, None, None]
    top, left = (side - height) // 2, (side - width) // 2
    square[:, top : top + height, left : left + width] = image_CHW
    return square


class SqLlavaImagesKwargs(ImagesKwargs, total=False):  # type: ignore[misc,call-arg]
    """Options of a call, beyond those of every image processor."""

    image_aspect_ratio: Literal["pad", "crop"]


class SqLlavaImageProcessor(CLIPImageProcessorPil):  # type: ignore[misc]
    """CLIP's preprocessing with a choice of how images become square.

    "pad": `pad_to_square` first, so that nothing is lost; "crop": the short side is resized and the middle kept, as
    CLIP does. Then bicubic resize to `size["shortest_edge"]`, scale to 0..1, subtract `image_mean`, divide by
    `image_std` (the tower's; CLIP's by default). Padding has the colour of the mean, rounded down: (122, 116, 104)
    for CLIP.
    """

    valid_kwargs = SqLlavaImagesKwargs
    image_aspect_ratio = "pad"
    size = {"shortest_edge": 336}  # noqa: RUF012  (transformers reads defaults from the class)
    crop_size = {"height": 336, "width": 336}  # noqa: RUF012

    @classmethod
    def for_config(cls, config: SqLlavaConfig) -> SqLlavaImageProcessor:
        """The processor that a model of `config` expects: its tower's pixels and its way to make squares."""
        side = config.image_size
        return cls(
            size={"shortest_edge": side},
            crop_size={"height": side, "width": side},
            image_aspect_ratio=config.image_aspect_ratio,
            image_mean=config.image_mean,
            image_std=config.image_std,
        )

    def _preprocess(self, images: list[NDArray[np.uint8]], **kwargs: Any) -> BatchFeature:
        if kwargs.pop("image_aspect_ratio") == "pad":
            colour = [int(value * 255) for value in kwargs["image_mean"]]
            images = [pad_to_square(image, colour) for image in images]
        return super()._preprocess(images, **kwargs)


AutoImageProcessor.register(SqLlavaConfig, image_processor_classes={"pil": SqLlavaImageProcessor}, exist_ok=True)
