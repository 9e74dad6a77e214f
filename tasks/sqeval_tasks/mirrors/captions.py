"""Mirrors of the captioning benchmarks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqeval.data.mirror import Files, Mirror, Part, Table
from sqeval_tasks import coco_caption, nocaps


def _coco(out: Files, rows: Table) -> None:
    """The name of the image's file stands where the id of the question does."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for row in rows:
        name = row.get("question_id", str)
        found = re.fullmatch(r"COCO_val2014_(\d{12})(?:\.\w+)?", name)
        if found is None:
            raise row.error(f"expected the name of an image of COCO val2014, found {name!r}", "question_id")
        number, name = int(found.group(1)), f"COCO_val2014_{found.group(1)}.jpg"
        images.append({"id": number, "file_name": name})
        annotations += [
            {"image_id": number, "id": len(annotations) + i, "caption": caption}
            for i, caption in enumerate(row.strings("answer"))
        ]
        out.image(f"coco/val2014/{name}", row)
    out.json(coco_caption.ANNOTATIONS, {"images": images, "annotations": annotations})


COCO_CAPTION: Mapping[str, Mirror | str] = {
    "val2014": Mirror("COCO-Caption", (Part("val", ("question_id", "image", "answer")),), _coco)
}


def _nocaps_test(out: Files, rows: Table) -> None:
    images = []
    for row in rows:
        images.append({"id": row.get("image_id", int), "file_name": row.get("image_file_name", str)})
        out.image(f"{nocaps.TEST.images}/{images[-1]['file_name']}", row)
    out.json(nocaps.TEST.questions, {"images": images})


NOCAPS: Mapping[str, Mirror | str] = {
    "val": "the mirror does not tell the domains, without which the official scores cannot be computed",
    "test": Mirror("NoCaps", (Part("test", ("image_id", "image_file_name", "image")),), _nocaps_test),
}
FLICKR30K: Mapping[str, Mirror | str] = {
    "": "the mirror does not tell which of its 31,783 images are Karpathy's test split",
}
