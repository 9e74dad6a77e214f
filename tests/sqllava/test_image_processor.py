"""Image preprocessing against Pillow alone and against transformers' CLIP processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import AutoImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from sqllava.errors import SqLlavaError
from sqllava.images import SqLlavaImageProcessor, open_image

SHAPES = [(40, 40), (64, 48), (48, 65), (31, 30), (200, 7), (3, 90), (1, 1)]
MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
STD = np.array([0.26862954, 0.26130258, 0.27577711])


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def processor(aspect: str, side: int = 24) -> Any:
    crop = {"height": side, "width": side}
    return SqLlavaImageProcessor(size={"shortest_edge": side}, crop_size=crop, image_aspect_ratio=aspect)


@pytest.mark.parametrize("shape", SHAPES)
def test_pad_is_paste_resize_normalise(shape: tuple[int, int]) -> None:
    image = picture(*shape)
    side = max(shape)
    square = Image.new("RGB", (side, side), (122, 116, 104))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    resized = np.asarray(square.resize((24, 24), Image.Resampling.BICUBIC), dtype=np.float64) / 255
    expected = ((resized - MEAN) / STD).transpose(2, 0, 1)
    pixels = processor("pad")(image, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 24, 24)
    assert pixels.dtype.is_floating_point
    np.testing.assert_allclose(pixels[0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_crop_is_what_clip_does(shape: tuple[int, int]) -> None:
    clip = CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24})
    expected = clip(picture(*shape), return_tensors="np")["pixel_values"]
    np.testing.assert_array_equal(processor("crop")(picture(*shape), return_tensors="np")["pixel_values"], expected)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_other_modes_become_rgb(mode: str) -> None:
    image = picture(30, 20, mode)
    expected = processor("pad")(image.convert("RGB"), return_tensors="np")["pixel_values"]
    np.testing.assert_array_equal(processor("pad")(image, return_tensors="np")["pixel_values"], expected)


def test_images_of_many_sizes_make_one_batch() -> None:
    images = [picture(*shape) for shape in SHAPES]
    batch = processor("pad")(images, return_tensors="pt")["pixel_values"]
    assert batch.shape == (len(SHAPES), 3, 24, 24)


def test_defaults_are_those_of_the_released_tower() -> None:
    default = SqLlavaImageProcessor()
    assert default.image_aspect_ratio == "pad"
    assert default(picture(50, 80), return_tensors="pt")["pixel_values"].shape == (1, 3, 336, 336)


@pytest.mark.parametrize("aspect", ["pad", "crop"])
def test_saved_and_loaded(tmp_path: Path, aspect: str) -> None:
    original = processor(aspect)
    original.save_pretrained(tmp_path)
    for loaded in (SqLlavaImageProcessor.from_pretrained(tmp_path), AutoImageProcessor.from_pretrained(tmp_path)):
        assert isinstance(loaded, SqLlavaImageProcessor)
        assert loaded.to_dict() == original.to_dict()
        image = picture(64, 31)
        np.testing.assert_array_equal(
            loaded(image, return_tensors="np")["pixel_values"], original(image, return_tensors="np")["pixel_values"]
        )


def test_files_that_are_no_images(tmp_path: Path) -> None:
    text = tmp_path / "note.png"
    text.write_text("hello")
    with pytest.raises(SqLlavaError, match=r"note\.png cannot be opened"):
        open_image(text)
    with pytest.raises(SqLlavaError, match=r"gone\.png cannot be opened: No such file"):
        open_image(tmp_path / "gone.png")
    whole = tmp_path / "whole.png"
    picture(60, 60).save(whole)
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(SqLlavaError, match=r"cut\.png cannot be opened"):
        open_image(cut)
    assert open_image(whole).size == (60, 60)
