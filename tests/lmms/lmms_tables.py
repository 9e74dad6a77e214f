"""Data of lmms-eval's tasks in the hub's columns, from pictures of the mini suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets

from sqeval.data.root import resolve_root
from sqeval.registry import get_task
from sqeval.task import Sample

Row = dict[str, Any]


def questions(images: int, each: int) -> list[Sample]:
    """POPE questions of the mini suite, the same number about each of the first images."""
    by_image: dict[str, list[Sample]] = {}
    for sample in get_task("pope").samples(resolve_root("mini").for_task("pope")):
        by_image.setdefault(sample.cluster, []).append(sample)
    full = [samples[:each] for samples in by_image.values() if len(samples) >= each]
    return [sample for samples in full[:images] for sample in samples]


def encoded(sample: Sample) -> Row:
    assert sample.image is not None
    assert sample.image.path is not None
    return {"bytes": sample.image.path.read_bytes(), "path": None}


def write(folder: Path, rows: list[Row], image: Any, split: str = "test") -> None:
    """One split; `image` is the feature of that column."""
    table = datasets.Dataset.from_list([{k: v for k, v in row.items() if k != "image"} for row in rows])
    features = datasets.Features({**table.features, "image": image})
    (folder / "data").mkdir(parents=True, exist_ok=True)
    saved = datasets.Dataset.from_list(rows, features=features)
    saved.to_parquet(str(folder / "data" / f"{split}-00000-of-00001.parquet"))


def pope(root: Path, images: int = 5, each: int = 6) -> Path:
    """Interleaved, so that questions about one image do not stand together."""
    found = sorted(enumerate(questions(images, each)), key=lambda pair: (pair[0] % each, pair[0]))
    rows = [
        {"question_id": str(number), "question": sample.question, "answer": sample.reference, "image": encoded(sample),
         "image_source": sample.cluster, "category": sample.tags["category"]}
        for number, (_, sample) in enumerate(found)
    ]  # fmt: skip
    write(root / "lmms" / "POPE", rows, datasets.Image())
    return root


def mme(root: Path) -> Path:
    """Two questions an image, in three categories, one of them of cognition."""
    categories = ("existence", "color", "code_reasoning")
    rows = [
        {"question_id": f"{sample.cluster}", "question": f"{sample.question} Please answer yes or no.",
         "answer": sample.reference.capitalize(), "category": categories[number // 2 % 3], "image": encoded(sample)}
        for number, sample in enumerate(questions(9, 2))
    ]  # fmt: skip
    write(root / "lmms" / "MME", rows, datasets.Image())
    return root


def seed(root: Path) -> Path:
    """Lists of images: one for most questions, two for the last one, which lmms-eval calls a video."""
    found = questions(3, 2)
    choices = {"choice_a": "yes", "choice_b": "no", "choice_c": "red", "choice_d": "blue"}
    rows = [
        {"question_id": str(number), "question": sample.question, "answer": "A" if sample.reference == "yes" else "B",
         "data_type": "image", **choices, "image": [encoded(sample)]}
        for number, sample in enumerate(found)
    ]  # fmt: skip
    rows.append({**rows[0], "question_id": "9", "data_type": "video", "image": [encoded(found[0]), encoded(found[-1])]})
    write(root / "lmms" / "SEED-Bench", rows, datasets.List(datasets.Image()))
    return root
