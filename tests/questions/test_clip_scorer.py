"""Tier 2 with a real, tiny CLIP: features are the model's own, and broken input is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from sqeval.errors import UserError
from sqeval.questions.clip import Clip
from sqeval.questions.files import Asked, ImageQuestions
from sqeval.questions.table import Setup, build
from sqeval.questions.validation import validate

GEN = {"sampling": "iid", "n": 1, "temperature": 1.0, "seed": 0}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    letters = [*"abcdefghijklmnopqrstuvwxyz?", *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz?")]
    vocabulary = {token: i for i, token in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = CLIPTextConfig(
        vocab_size=len(vocabulary), max_position_embeddings=32, eos_token_id=len(vocabulary) - 1, **small
    )
    vision = CLIPVisionConfig(image_size=24, patch_size=8, **small)
    CLIPModel(
        CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16)
    ).save_pretrained(folder)
    CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=32).save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}).save_pretrained(folder)
    return folder


def pictures(folder: Path, n: int) -> list[ImageQuestions]:
    rng = np.random.default_rng(0)
    images = []
    for i in range(n):
        path = folder / f"{i}.png"
        Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(path)
        images.append(
            ImageQuestions("r", str(i), (Asked(f"r/{i}", f"what is {'abc'[i % 3]}?"),), {"name": "m"}, GEN, str(path))
        )
    return images


def test_similarities_are_cosines_of_the_model_s_features(checkpoint: Path, tmp_path: Path) -> None:
    scorer = Clip(str(checkpoint))
    images = pictures(tmp_path, 3)
    questions = ["what is it?", "who " * 60]  # the second is longer than the model's context
    found = scorer.similarities(questions, images, [0, 1])
    assert found.shape == (2, 3)
    assert (np.abs(found) <= 1 + 1e-6).all()
    one = scorer.similarities(questions[:1], images[1:2], [0])
    assert one[0, 0] == pytest.approx(found[0, 1], abs=1e-5)


def test_relevance_by_pictures_needs_thirty_of_them(checkpoint: Path, tmp_path: Path) -> None:
    setup = _by_pictures(checkpoint)
    images = pictures(tmp_path, 31)
    table = build(images, setup)
    assert all(0 <= (row.values["gr.rauc"] or 0) <= 1 for row in table.rows)
    lost = [replace(image, image=None) for image in images[:5]] + images[5:]
    assert "26 images with image files; 30 are needed" in build(lost, setup).notes["gr.rauc"]


def test_what_was_seen_before_is_not_looked_at_again(checkpoint: Path, tmp_path: Path) -> None:
    scorer = Clip(str(checkpoint))
    images = pictures(tmp_path, 3)
    found = scorer.similarities(["what?", "who?", "what?"], images, [0, 1, 2])
    assert found[0] == pytest.approx(found[2])
    for image in images:
        Path(str(image.image)).unlink()
    assert scorer.similarities(["who?", "what?"], images, [0, 1]) == pytest.approx(found[[1, 0]])


def test_the_measure_by_pictures_is_validated_too(checkpoint: Path, tmp_path: Path) -> None:
    """Noise and a model of random weights: it reacts to nothing, and validation says so."""
    checks = [check for found in validate(pictures(tmp_path, 31), _by_pictures(checkpoint)) for check in found]
    by_pictures = {check.corruption: check for check in checks if check.metric == "gr.rauc"}
    assert {"shuffle_images", "reorder_images"} <= by_pictures.keys()
    assert by_pictures["shuffle_images"].passed is False
    assert by_pictures["reorder_images"].passed


def _by_pictures(checkpoint: Path) -> Setup:
    return Setup(tier=2, k=1, scorer=Clip(str(checkpoint)))


def test_what_is_no_clip_and_no_image_is_told(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--clip"):
        Clip(str(tmp_path))
    (image,) = pictures(tmp_path, 1)
    (tmp_path / "0.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match="not an image that can be read"):
        Clip(str(checkpoint)).similarities(["what?"], [image], [0])
