"""Pictures: exactly what the processor makes of them, kept within bounds, and every broken file named."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import tiny_sqllava as tiny
import torch
from PIL import Image

from sqllava.images import open_image
from sqllava.training.pictures import BadPictureError, PictureReader

PICTURE_BYTES = 3 * 24 * 24


def paint(root: Path, name: str, size: tuple[int, int], seed: int = 0) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / name)


@pytest.mark.parametrize("aspect", ["pad", "crop"])
@pytest.mark.parametrize("size", [(24, 24), (60, 31), (7, 90), (3, 40), (40, 1)])
def test_pictures_are_what_the_processor_makes_of_them(tmp_path: Path, aspect: str, size: tuple[int, int]) -> None:
    paint(tmp_path, "x.png", size)
    processor = tiny.processor(image_aspect_ratio=aspect)
    expected = processor.image_processor([open_image(tmp_path / "x.png")], return_tensors="pt")["pixel_values"][0]
    reader = PictureReader(tmp_path, processor)
    for _ in range(2):  # from the file, then from memory
        picture = reader.read("x.png")
        assert picture.dtype == torch.float32
        assert torch.equal(picture, expected)


def test_what_is_kept_is_not_what_is_handed_out(tmp_path: Path) -> None:
    paint(tmp_path, "x.png", (24, 24))
    reader = PictureReader(tmp_path, tiny.processor())
    first = reader.read("x.png")
    first.zero_()
    assert reader.read("x.png").abs().sum() > 0


def test_the_pictures_read_last_are_kept(tmp_path: Path) -> None:
    for name in "abc":
        paint(tmp_path, f"{name}.png", (24, 24), ord(name))
    reader = PictureReader(tmp_path, tiny.processor(), cache_bytes=2 * PICTURE_BYTES)
    read = {name: reader.read(f"{name}.png") for name in "ab"}
    reader.read("a.png")
    reader.read("c.png")  # pushes b out, which was read before a
    for name in "abc":
        (tmp_path / f"{name}.png").unlink()
    assert torch.equal(reader.read("a.png"), read["a"])
    reader.read("c.png")
    with pytest.raises(BadPictureError):
        reader.read("b.png")


@pytest.mark.parametrize("room", [0, 1, 3, 5])
def test_memory_is_bounded(tmp_path: Path, room: int) -> None:
    for i in range(6):
        paint(tmp_path, f"{i}.png", (24, 24), i)
    reader = PictureReader(tmp_path, tiny.processor(), cache_bytes=room * PICTURE_BYTES + 1)
    rng = random.Random(0)
    for _ in range(60):
        reader.read(f"{rng.randrange(6)}.png")
        assert reader.kept_bytes <= room * PICTURE_BYTES
    assert reader.kept_bytes == room * PICTURE_BYTES


def test_broken_pictures_are_named(tmp_path: Path) -> None:
    paint(tmp_path, "whole.jpg", (200, 200))
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "page.jpg").write_text("<html>404</html>", encoding="utf-8")
    (tmp_path / "folder.jpg").mkdir()
    reader = PictureReader(tmp_path, tiny.processor())
    for name in ("missing.jpg", "cut.jpg", "empty.jpg", "page.jpg", "folder.jpg", "nul\0.jpg"):
        with pytest.raises(BadPictureError) as caught:
            reader.read(name)
        assert caught.value.name == name
        assert name in str(caught.value)
    with pytest.raises(BadPictureError, match="No such file"):
        reader.read("missing.jpg")
    assert reader.read("whole.jpg").shape == (3, 24, 24)
