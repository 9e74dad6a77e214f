"""Writes the training split: images, region labels, alignment captions and instruction conversations.

coco/train2014/COCO_train2014_%012d.png   pictures
llava/regions.json       what stands where, for the vision tower's own pretraining
llava/alignment.json     stage 1: image and caption
llava/instruct.json      stage 2: conversations of several turns, with text-only samples among them
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqeval.data.mini.draw import draw, png
from sqeval.data.mini.instruct import conversation, text_only, to_llava
from sqeval.data.mini.language import full_caption
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import RADIUS, Scene, sample_scene
from sqeval.data.mini.statements import describe

SCENES = 8000
CONVERSATIONS = 3
"""Conversations a scene."""
DESCRIPTIONS = 3
"""Descriptions a scene, besides its full caption."""
SENTENCES = 8
"""Sentences a description."""
TEXT_SHARE = 12
"""One text-only sample for so many with an image."""


def build_training(root: Path, scenes: int = SCENES) -> None:
    """Write the training files under `root`."""
    folder = root / "coco" / "train2014"
    folder.mkdir(parents=True)
    (root / "llava").mkdir()
    regions: list[dict[str, Any]] = []
    alignment: list[dict[str, Any]] = []
    instruct: list[dict[str, Any]] = []
    for i in range(scenes):
        scene = sample_scene("train", i)
        name = f"coco/train2014/COCO_train2014_{i + 1:012d}.png"
        (root / name).write_bytes(png(draw(scene)))
        regions.append(
            {
                "image": name,
                "labels": {"background": scene.background},
                "regions": [_region(scene, k) for k in range(len(scene.things))],
            }
        )
        alignment.append(to_llava(f"a{i}", name, [("", full_caption(scene))]))
        for k in range(DESCRIPTIONS):
            alignment.append(to_llava(f"a{i}-{k}", name, [("", describe(scene, Rng("describe", i, k), SENTENCES))]))
        for k in range(CONVERSATIONS):
            instruct.append(to_llava(f"i{i}-{k}", name, conversation(scene, k)))
            if len(instruct) % TEXT_SHARE == 0:
                instruct.append(to_llava(f"t{i}-{k}", None, text_only(Rng("text", i, k))))
    for stem, value in (("regions", regions), ("alignment", alignment), ("instruct", instruct)):
        (root / "llava" / f"{stem}.json").write_text(json.dumps(value, separators=(",", ":")), encoding="utf-8")


def _region(scene: Scene, index: int) -> dict[str, Any]:
    """Bounding box in pixels, x, y, width, height, and class labels of one object."""
    thing = scene.things[index]
    r = RADIUS[thing.size]
    return {
        "box": [thing.x - r, thing.y - r, 2 * r, 2 * r],
        "labels": {"shape": thing.shape, "color": thing.color, "size": thing.size, "place": thing.place},
    }
