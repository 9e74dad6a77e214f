"""Builds the evaluation root of the mini suite: every benchmark in its official file formats, no download."""

from __future__ import annotations

from pathlib import Path

from sqeval.data.mini.cache import MINI_VERSION
from sqeval.data.mini.output import FIRST_IMAGE, LICENSE, coco_name, write_bytes, write_picture
from sqeval.data.mini.splits import evaluation_splits
from sqeval.data.mini.write_captions import write_coco_captions, write_nocaps
from sqeval.data.mini.write_gqa import write_gqa
from sqeval.data.mini.write_mmbench import write_mmbench
from sqeval.data.mini.write_pope import write_pope
from sqeval.data.mini.write_scienceqa import write_scienceqa
from sqeval.data.mini.write_vqav2 import write_vqav2

README = f"""# The mini suite of sqeval, version {MINI_VERSION}

Synthetic data: small pictures of colored shapes, drawn from exact scene graphs by a program (`sqeval.data.mini`), and
questions, answers and captions that follow from those graphs. The files have the formats of VQAv2, GQA, ScienceQA,
POPE, MMBench, COCO captions and NoCaps, and hold nothing of those data sets. The suite tests an evaluation harness and
a training loop; its scores rank no real model.

The same version of the program writes the same bytes on every machine. Licence: {LICENSE["name"]}
({LICENSE["url"]}).
"""


def build_evaluation(root: Path) -> None:
    """Write the evaluation files under the folder `root`: the same bytes on every machine."""
    splits = evaluation_splits()
    for image_id, scene in enumerate(splits.coco, FIRST_IMAGE):
        write_picture(root / "coco" / "val2014" / coco_name(image_id), scene)
    write_vqav2(root, splits.coco)
    write_pope(root, splits.coco)
    write_coco_captions(root, splits.coco)
    write_gqa(root, splits.gqa)
    write_scienceqa(root, splits.scienceqa)
    write_mmbench(root, splits.mmbench)
    write_nocaps(root, splits.nocaps)
    write_bytes(root / "README.md", README.encode())
