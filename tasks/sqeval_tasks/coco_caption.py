"""COCO captions: describe the image in one sentence, compared with five people's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar

from sqeval.data.collection import paused
from sqeval.data.entry import Entry, image_named
from sqeval.data.files import read_object
from sqeval.data.join import STRICT, Allow
from sqeval.data.layout import Records
from sqeval.data.mirror import Mirror
from sqeval.data.predictions import read_by_id
from sqeval.data.root import DataRoot
from sqeval.task import Sample, Size, WantedFile
from sqeval_tasks.captioning import BY_IMAGE, PROMPT, Captioning, captions_by_image, images_by_id, require_captions

ANNOTATIONS = "coco/annotations/captions_val2014.json"
SPLIT = "coco/dataset_coco.json"


class CocoCaption(Captioning):
    """The Karpathy test split, or, without the file that defines it, every annotated image.

    Which of the two it was is the data version.
    """

    name = "coco_caption"
    version = "2"
    description = "one-sentence image captions, scored by the official coco-caption evaluation (needs Java)"
    citation = "Chen et al. 2015, Microsoft COCO Captions; split: Karpathy and Fei-Fei 2015, CVPR"
    files = (
        WantedFile(ANNOTATIONS, "cocodataset.org, 2014 Train/Val annotations", records=BY_IMAGE),
        WantedFile(SPLIT, "Karpathy's caption_datasets.zip", required=False, records=(Records("images", "cocoid"),)),
        WantedFile("coco/val2014/COCO_val2014_*", "COCO 2014 validation images"),
    )
    splits: ClassVar[Mapping[str, str]] = {
        "karpathy-test": "5,000 images",
        "val2014": f"40,504 images (without {SPLIT})",
    }
    selectable = ("karpathy-test", "val2014")
    sizes: ClassVar[Mapping[str, Size]] = {"karpathy-test": Size(5_000, 5_000), "val2014": Size(40_504, 40_504)}

    @paused()
    def samples(self, root: DataRoot) -> list[Sample]:
        """In the order of the annotation file, as the official evaluation goes."""
        data = read_object(root.file(ANNOTATIONS))
        images = images_by_id(data)
        references = captions_by_image(data, images)
        split_file = _split_file(root)
        chosen = set(images) if split_file is None else _test_split(read_object(split_file), images)
        return [_sample(root, images[key], key, references[key]) for key in images if key in chosen]

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.captions import COCO_CAPTION

        return COCO_CAPTION

    def read_predictions(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> dict[str, str]:
        """An image may also be named by its file, or by its number with zeros before it."""
        ids = {sample.id for sample in samples}
        names = {PurePosixPath(sample.image.key).stem: sample.id for sample in samples if sample.image is not None}

        def rename(key: str) -> str:
            return key if key in ids else names.get(PurePosixPath(key).stem, key.lstrip("0"))

        return read_by_id(path, self.predictions, ids, rename=rename, allow=allow)

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str:
        return "karpathy-test" if _split_file(root) else "val2014"


def _split_file(root: DataRoot) -> Path | None:
    """What tells the images of karpathy-test from the others; None if all are wanted."""
    if root.split is None:
        return root.find(SPLIT)
    return root.file(SPLIT) if root.split == "karpathy-test" else None


def _test_split(data: Entry, images: Mapping[int, Entry]) -> set[int]:
    chosen: set[int] = set()
    for entry in data.entries("images"):
        if entry.one_of("split", ("train", "restval", "val", "test")) == "test":
            key = entry.get("cocoid", int)
            if key not in images:
                raise entry.error(f"image {key} is not in {ANNOTATIONS}", "cocoid")
            chosen.add(key)
    return chosen


def _sample(root: DataRoot, image: Entry, key: int, references: list[str]) -> Sample:
    require_captions(image, key, references)
    ref = image_named(root, "coco/val2014", image, "file_name")
    return Sample(id=str(key), image=ref, question=PROMPT, reference=references, cluster=ref.key)
