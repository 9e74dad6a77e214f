"""48 images whose captions the official evaluation has scored, in the files and orders of the tasks under test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "captions_synth.json").read_text())
IMAGES = [str(number) for number in GOLDEN["image_order"]]
SAID: dict[str, str] = {str(row["image_id"]): row["caption"] for row in GOLDEN["results"]}
OFFICIAL = {
    "cider": "CIDEr", "bleu1": "Bleu_1", "bleu2": "Bleu_2", "bleu3": "Bleu_3", "bleu4": "Bleu_4", "meteor": "METEOR",
    "rouge_l": "ROUGE_L",
}  # fmt: skip
"""Our names of metrics, and coco-caption's."""


def references() -> dict[str, list[str]]:
    """Raw captions of each image."""
    found: dict[str, list[str]] = {image: [] for image in IMAGES}
    for annotation in GOLDEN["annotations"]:
        found[str(annotation["image_id"])].append(annotation["caption"])
    return found


def domain(image: str) -> str:
    """Three domains of different sizes, mixed in the order of images."""
    return ("in-domain", "near-domain", "near-domain", "out-domain", "near-domain")[IMAGES.index(image) % 5]


def annotations(**more: Any) -> dict[str, Any]:
    """COCO's annotation format; `more` maps names of fields to functions of the image's id."""
    images = [
        {"id": int(image), "file_name": f"{image}.jpg", **{name: of(image) for name, of in more.items()}}
        for image in IMAGES
    ]
    return {"images": images, "annotations": [{"id": i, **row} for i, row in enumerate(GOLDEN["annotations"])]}


def expected(metric: str, images: list[str]) -> float:
    """The official mean of a metric that is one, over some of the images."""
    by_image = dict(zip(IMAGES, GOLDEN["per_image"][OFFICIAL[metric]], strict=True))
    return float(np.mean([by_image[image] for image in images]))
