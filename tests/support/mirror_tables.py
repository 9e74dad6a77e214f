"""Copies of data roots in the columns of the mirrors on the hub, as parquet files that `datasets` writes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets

Row = dict[str, Any]
CATEGORIES = ("random", "popular", "adversarial")


def write_table(folder: Path, rows: list[Row], split: str, config: str | None = None) -> None:
    """Rows as one split; ``image`` holds encoded bytes or None."""
    features = datasets.Dataset.from_list([{k: v for k, v in row.items() if k != "image"} for row in rows]).features
    if any("image" in row for row in rows):
        features["image"] = datasets.Image()
        rows = [{**row, "image": row["image"] and {"bytes": row["image"], "path": None}} for row in rows]
    place = folder / (config or "data")
    place.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_list(rows, features=features).to_parquet(place / f"{split}-00000-of-00001.parquet")


def write_card(folder: Path, tables: dict[str, str]) -> None:
    """The card that names configurations: split by name."""
    configs = [
        {"config_name": name, "data_files": [{"split": split, "path": f"{name}/{split}-*"}]}
        for name, split in tables.items()
    ]
    (folder / "README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n", "utf-8")


def load(path: Path) -> Any:
    return json.loads(path.read_bytes())


def lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def image(root: Path, name: str) -> bytes:
    """The image's bytes, whatever its suffix."""
    path = root / name
    return (path if path.exists() else path.with_suffix(".png")).read_bytes()


def vqav2(root: Path, out: Path) -> None:
    questions = load(root / "vqav2/v2_OpenEnded_mscoco_val2014_questions.json")["questions"]
    annotations = {a["question_id"]: a for a in load(root / "vqav2/v2_mscoco_val2014_annotations.json")["annotations"]}
    rows = [
        {**annotations[q["question_id"]], **q,
         "image": image(root, f"coco/val2014/COCO_val2014_{q['image_id']:012d}.jpg")}
        for q in questions
    ]  # fmt: skip
    write_table(out / "VQAv2", rows, "validation")


def gqa(root: Path, out: Path) -> None:
    records = load(root / "gqa/testdev_balanced_questions.json")
    kept = ("imageId", "question", "answer", "fullAnswer", "isBalanced", "groups", "types", "semantic", "semanticStr")
    rows = [
        {"id": key, **{name: record[name] for name in kept}, "entailed": str(record["entailed"])}
        for key, record in records.items()
    ]
    names = dict.fromkeys(row["imageId"] for row in rows)
    images = [{"id": name, "image": image(root, f"gqa/images/{name}.jpg")} for name in names]
    write_table(out / "GQA", rows, "testdev", "testdev_balanced_instructions")
    write_table(out / "GQA", images, "testdev", "testdev_balanced_images")
    write_card(out / "GQA", dict.fromkeys(("testdev_balanced_instructions", "testdev_balanced_images"), "testdev"))


def pope(root: Path, out: Path) -> None:
    rows = [
        {"id": str(i), "question_id": str(line["question_id"]), "question": line["text"], "answer": line["label"],
         "image_source": Path(line["image"]).stem, "image": image(root, f"coco/val2014/{line['image']}"),
         "category": category}
        for category in CATEGORIES
        for i, line in enumerate(lines(root / f"pope/coco_pope_{category}.json"))
    ]  # fmt: skip
    write_table(out / "POPE", rows, "test")


def scienceqa(root: Path, out: Path) -> None:
    problems = load(root / "scienceqa/problems.json")

    def row(pid: str) -> Row:
        problem = problems[pid]
        name = problem["image"]
        found = None if name is None else image(root, f"scienceqa/images/test/{pid}/{name}")
        return {**{k: v for k, v in problem.items() if k not in ("split", "image")}, "image": found}

    rows = [row(pid) for pid in load(root / "scienceqa/pid_splits.json")["test"]]
    write_table(out / "ScienceQA", rows, "test", "ScienceQA-FULL")
    write_card(out / "ScienceQA", {"ScienceQA-FULL": "test"})


def mmbench(root: Path, out: Path) -> None:
    [path] = (root / "mmbench").glob("*.tsv")
    header, *body = (line.split("\t") for line in path.read_text("utf-8").splitlines())
    cells = [dict(zip(header, line, strict=True)) for line in body]
    pictures = {row["index"]: row["image"] for row in cells}

    def encoded(text: str) -> bytes:
        return base64.b64decode(pictures.get(text, text))

    rows = [
        {"comment": None, "source": None, **{k: v or None for k, v in row.items()}, "index": int(row["index"]),
         "image": encoded(row["image"])}
        for row in cells
    ]  # fmt: skip
    write_table(out / "MMBench_EN", rows, "dev")


def coco_caption(root: Path, out: Path) -> None:
    data = load(root / "coco/annotations/captions_val2014.json")
    write_table(out / "COCO-Caption", [*_captioned(root, data)], "val")


def _captioned(root: Path, data: Any) -> Iterator[Row]:
    for entry in data["images"]:
        captions = [a["caption"] for a in data["annotations"] if a["image_id"] == entry["id"]]
        name = entry["file_name"]
        yield {"question_id": name, "image": image(root, f"coco/val2014/{name}"), "answer": captions}
