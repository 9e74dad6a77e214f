"""Captions: COCO's five a picture with a Karpathy-style split, and NoCaps' ten a picture with domains.

Chen et al. 2015; Karpathy and Fei-Fei 2015; Agrawal et al. 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqeval.data.mini.language import captions, more_captions
from sqeval.data.mini.output import FIRST_IMAGE, INFO, LICENSE, coco_name, write_json, write_picture
from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import SIDE, Scene

VALIDATION_SHARE = 10
"""One picture in so many belongs to the Karpathy validation split, the others to the test split."""


def write_coco_captions(root: Path, scenes: Sequence[Scene]) -> None:
    """Write the annotations of all pictures and the split; both number the captions alike."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    split: list[dict[str, Any]] = []
    for imgid, scene in enumerate(scenes):
        image_id, name = FIRST_IMAGE + imgid, coco_name(FIRST_IMAGE + imgid)
        texts = captions(scene)
        sentids = list(range(len(annotations) + 1, len(annotations) + 1 + len(texts)))
        images.append(_image(image_id, name))
        annotations += [
            {"image_id": image_id, "id": id, "caption": text} for id, text in zip(sentids, texts, strict=True)
        ]
        split.append(
            {
                "filepath": "val2014",
                "filename": name,
                "cocoid": image_id,
                "imgid": imgid,
                "split": "test" if (imgid + 1) % VALIDATION_SHARE else "val",
                "sentids": sentids,
                "sentences": [
                    {"tokens": _tokens(text), "raw": text, "imgid": imgid, "sentid": id}
                    for id, text in zip(sentids, texts, strict=True)
                ],
            }
        )
    write_json(root / "coco" / "annotations" / "captions_val2014.json", _document(images, annotations))
    write_json(root / "coco" / "dataset_coco.json", {"images": split, "dataset": "coco"})


def write_nocaps(root: Path, domains: Mapping[str, Sequence[Scene]]) -> None:
    """Write pictures and annotations; the domain says how many objects are combinations unseen in training."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for domain, scenes in domains.items():
        for scene in scenes:
            image_id = len(images)
            open_images_id = Rng("open images", scene.seed).bytes(8).hex()
            name = f"{open_images_id}.png"
            write_picture(root / "nocaps" / "val" / name, scene)
            images.append({**_image(image_id, name), "open_images_id": open_images_id, "domain": domain})
            for text in captions(scene) + more_captions(scene):
                annotations.append({"image_id": image_id, "id": len(annotations), "caption": text})
    write_json(root / "nocaps" / "nocaps_val_4500_captions.json", _document(images, annotations))


def _document(images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"info": INFO, "licenses": [LICENSE], "images": images, "annotations": annotations}


def _image(image_id: int, file_name: str) -> dict[str, Any]:
    return {
        "id": image_id,
        "file_name": file_name,
        "width": SIDE,
        "height": SIDE,
        "license": LICENSE["id"],
        "coco_url": "",
        "flickr_url": "",
        "date_captured": INFO["date_created"],
    }


def _tokens(text: str) -> list[str]:
    """Lower-case words without punctuation."""
    return text.lower().replace(",", "").replace(":", "").strip(".").split()
