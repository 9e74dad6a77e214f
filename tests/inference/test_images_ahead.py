"""Images opened ahead, and features that are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_sqllava as tiny
import torch
from PIL import Image

from sqllava.inference.pictures import Features, encode, pixels

PROCESSOR = tiny.processor().image_processor
CPU = torch.device("cpu")


class Opener:
    """Opens a file; a class, so that other processes can have it too."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> Image.Image:
        return Image.open(self.path)


@pytest.fixture
def openers(tmp_path: Path) -> list[Opener]:
    found = []
    for number in range(7):
        found.append(Opener(tmp_path / f"{number}.png"))
        Image.effect_noise((20 + number, 40), 90).save(found[-1].path)
    found[2].path.write_bytes(found[2].path.read_bytes()[:200])  # cut off
    found[4].path.unlink()
    return found


@pytest.mark.parametrize("workers", [0, 2, 30])
def test_workers_give_what_the_model_process_would(openers: list[Opener], workers: int) -> None:
    found = list(pixels(openers, PROCESSOR, workers=workers, device=CPU))
    assert len(found) == 7
    for number, (opener, picture) in enumerate(zip(openers, found, strict=True)):
        if number in (2, 4):
            assert isinstance(picture, str)
            assert picture.startswith("image cannot be opened: ")
        else:
            with Image.open(opener.path) as image:
                expected = PROCESSOR([image.convert("RGB")], return_tensors="pt")["pixel_values"][0]
            assert isinstance(picture, torch.Tensor)
            assert torch.equal(picture, expected)
    assert "4.png" in str(found[4])


def test_features_are_those_of_each_image_alone() -> None:
    model = tiny.model()
    pictures = list(torch.randn(40, 3, 24, 24))
    found = encode(model, pictures)
    assert len(found) == 40
    for number in (0, 31, 32, 39):
        with torch.inference_mode():
            alone = model.get_image_features(pictures[number][None]).pooler_output[0]
        torch.testing.assert_close(found[number], alone, atol=1e-5, rtol=1e-4)


def test_the_longest_unused_features_go_first() -> None:
    one = torch.zeros(10, dtype=torch.float32)  # 40 bytes
    kept = Features(100)
    kept.put("a", one)
    kept.put("b", one)
    kept.get("a")
    kept.put("c", one)
    assert [key in kept for key in "abc"] == [True, False, True]
    kept.put("large", torch.zeros(100))
    assert [key in kept for key in ("a", "c", "large")] == [True, True, False]
