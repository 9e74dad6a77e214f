"""Small data roots in official formats, for tests about where data comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

CATEGORIES = ("random", "popular", "adversarial")
COCO = "coco/val2014"
NAMES = [f"COCO_val2014_{i:012d}.jpg" for i in range(1, 5)]


def write_json(root: Path, name: str, value: Any) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def picture(path: Path, shade: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 9), (shade, 10, 200)).save(path)


def pope(root: Path, images: Path | None = None) -> Path:
    """POPE about four images, which lie in the folder `images` or where they belong."""
    for i, name in enumerate(NAMES):
        picture((images or root / COCO) / name, 40 * i)
    for category in CATEGORIES:
        lines = [
            {"question_id": i, "image": NAMES[i % 4], "text": f"Is there a thing {i}?", "label": ("yes", "no")[i % 2]}
            for i in range(8)
        ]
        path = root / "pope" / f"coco_pope_{category}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return root


def vizwiz(root: Path, split: str, images: Path | None = None) -> Path:
    """VizWiz of one split with three questions."""
    records = []
    for i in range(3):
        name = f"VizWiz_{split}_{i:08d}.jpg"
        picture((images or root / "vizwiz" / split) / name, 70 * i)
        answers = [{"answer": f"{split}{i}", "answer_confidence": "yes"}] * 10
        known = {"answers": answers, "answer_type": "other", "answerable": 1} if split == "val" else {}
        records.append({"image": name, "question": f"What is {split} {i}?", **known})
    write_json(root, f"vizwiz/{split}.json", records)
    return root
