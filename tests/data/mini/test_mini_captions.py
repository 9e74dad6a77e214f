"""COCO and NoCaps files of the mini suite."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sqeval.data.mini.scenes import COLORS, RARE, SHAPES, Scene
from sqeval.data.mini.splits import evaluation_splits

KIND = re.compile(rf"({'|'.join(COLORS)}) ({'|'.join(SHAPES)})")


def load(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text())
    assert isinstance(value, dict)
    return value


def kinds(scene: Scene) -> Counter[tuple[str, str]]:
    return Counter((thing.color, thing.shape) for thing in scene.things)


def by_image(data: dict[str, Any]) -> dict[int, list[str]]:
    captions: dict[int, list[str]] = {}
    for row in data["annotations"]:
        assert set(row) == {"image_id", "id", "caption"}
        captions.setdefault(row["image_id"], []).append(row["caption"])
    assert len({row["id"] for row in data["annotations"]}) == len(data["annotations"])
    return captions


def test_coco_captions_name_exactly_what_is_there(mini_root: Path) -> None:
    data = load(mini_root / "coco/annotations/captions_val2014.json")
    assert set(data) == {"info", "licenses", "images", "annotations"}
    captions = by_image(data)
    assert list(captions) == [image["id"] for image in data["images"]]
    for image, scene in zip(data["images"], evaluation_splits().coco, strict=True):
        assert (mini_root / "coco/val2014" / image["file_name"]).is_file()
        assert len(captions[image["id"]]) == 5
        assert all(Counter(KIND.findall(c.lower())) == kinds(scene) for c in captions[image["id"]])


TEXTS = (
    "coco/annotations/captions_val2014.json",
    "nocaps/nocaps_val_4500_captions.json",
    "vqav2/v2_OpenEnded_mscoco_val2014_questions.json",
    "gqa/testdev_balanced_questions.json",
    "scienceqa/problems.json",
    "mmbench/mmbench_dev_mini.tsv",
)


@pytest.mark.parametrize("name", TEXTS)
def test_articles_agree(mini_root: Path, name: str) -> None:
    text = (mini_root / name).read_text()
    nouns = f"{'|'.join(SHAPES)}|background|object"
    assert not re.search(rf"\b[Aa] [aeiou]\w+ ({nouns})", text)
    assert not re.search(rf"\b[Aa]n [^aeiou\W]\w+ ({nouns})", text)


def test_karpathy_split_repeats_the_annotations(mini_root: Path) -> None:
    split = load(mini_root / "coco/dataset_coco.json")
    annotations = load(mini_root / "coco/annotations/captions_val2014.json")
    text = {row["id"]: row["caption"] for row in annotations["annotations"]}
    assert Counter(image["split"] for image in split["images"]) == {"test": 180, "val": 20}
    for imgid, image in enumerate(split["images"]):
        assert set(image) == {"filepath", "filename", "cocoid", "imgid", "split", "sentids", "sentences"}
        assert (image["filepath"], image["imgid"]) == ("val2014", imgid)
        assert image["filename"] == f"COCO_val2014_{image['cocoid']:012d}.png"
        assert [s["sentid"] for s in image["sentences"]] == image["sentids"]
        for sentence in image["sentences"]:
            assert set(sentence) == {"tokens", "raw", "imgid", "sentid"}
            assert text[sentence["sentid"]] == sentence["raw"]
            assert re.findall(r"[a-z]+", sentence["raw"].lower()) == sentence["tokens"]


def test_nocaps_domains_differ_in_what_training_has_shown(mini_root: Path) -> None:
    data = load(mini_root / "nocaps/nocaps_val_4500_captions.json")
    captions = by_image(data)
    assert Counter(i["domain"] for i in data["images"]) == {"in-domain": 40, "near-domain": 40, "out-domain": 40}
    for image in data["images"]:
        assert (mini_root / "nocaps/val" / image["file_name"]).is_file()
        assert image["file_name"] == f"{image['open_images_id']}.png"
        assert len(captions[image["id"]]) == 10
        (named,) = {frozenset(Counter(KIND.findall(c.lower())).items()) for c in captions[image["id"]]}
        rare = sum(number for kind, number in named if kind in RARE)
        total = sum(number for _, number in named)
        assert rare == {"in-domain": 0, "near-domain": 1, "out-domain": total}[image["domain"]]
