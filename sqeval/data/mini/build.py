"""Builds the evaluation root of the mini suite: every benchmark in its official file formats, no download."""

from __future__ import annotations

from pathlib import Path

from sqeval.data.mini.output import FIRST_IMAGE, coco_name, write_picture
from sqeval.data.mini.splits import evaluation_splits
from sqeval.data.mini.write_gqa import write_gqa
from sqeval.data.mini.write_pope import write_pope
from sqeval.data.mini.write_vqav2 import write_vqav2


def build_evaluation(root: Path) -> None:
    """Write the evaluation files under the folder `root`: the same bytes on every machine."""
    splits = evaluation_splits()
    for image_id, scene in enumerate(splits.coco, FIRST_IMAGE):
        write_picture(root / "coco" / "val2014" / coco_name(image_id), scene)
    write_vqav2(root, splits.coco)
    write_pope(root, splits.coco)
    write_gqa(root, splits.gqa)
