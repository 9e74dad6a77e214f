"""Flickr30k captions: describe the image in one sentence, compared with five people's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar

from sqeval.data.collection import paused
from sqeval.data.entry import Entry, image_named
from sqeval.data.files import read_object, require_unique
from sqeval.data.join import STRICT, Allow
from sqeval.data.layout import Records
from sqeval.data.mirror import Mirror
from sqeval.data.predictions import read_by_id
from sqeval.data.root import DataRoot
from sqeval.records import Record
from sqeval.task import Sample, Size, WantedFile
from sqeval_tasks.captioning import PROMPT, Captioning

SPLIT = "flickr30k/dataset_flickr30k.json"
IMAGES = "flickr30k/flickr30k-images"


class Flickr30k(Captioning):
    """Karpathy's test split. Some mirrors call all 31,783 images "test": their numbers are not comparable.

    An image's id is its file's name without suffix. Files of predictions may also give the whole name, or the number
    that the split file gives the image.
    """

    name = "flickr30k"
    version = "1"
    description = "one-sentence captions of Flickr30k's Karpathy test split, scored as COCO captions (needs Java)"
    citation = "Young et al. 2014, TACL; split: Karpathy and Fei-Fei 2015, CVPR"
    files = (
        WantedFile(SPLIT, "Karpathy's caption_datasets.zip", records=(Records("images", "filename", of="image"),)),
        WantedFile(f"{IMAGES}/*", "Flickr30k's request form, flickr30k-images.tar.gz"),
    )
    splits: ClassVar[Mapping[str, str]] = {"test": "1,000 images of 31,014 in the split file"}
    sizes: ClassVar[Mapping[str, Size]] = {"": Size(1_000, 1_000)}

    @paused()
    def samples(self, root: DataRoot) -> list[Sample]:
        data = read_object(root.file(SPLIT))
        chosen = [e for e in data.entries("images") if e.one_of("split", ("train", "val", "test")) == "test"]
        require_unique(((_id(entry), entry) for entry in chosen), "filename")
        require_unique(((entry.get("imgid", int), entry) for entry in chosen), "imgid")
        return [_sample(root, entry) for entry in chosen]

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.captions import FLICKR30K

        return FLICKR30K

    def read_predictions(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> dict[str, str]:
        known = {sample.id for sample in samples}
        numbers = {sample.metadata["imgid"]: sample.id for sample in samples}

        def rename(key: str) -> str:
            name = PurePosixPath(key).stem
            return name if name in known else numbers.get(key, key)

        return read_by_id(path, self.predictions, known, rename=rename, allow=allow)

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        """There is no server; the file is in COCO's result format, for other people's scorers."""
        rows = [{"image_id": record.id, "caption": record.parsed or ""} for record in records]
        return ".json", json.dumps(rows, ensure_ascii=False).encode()


def _id(entry: Entry) -> str:
    return PurePosixPath(entry.get("filename", str)).stem


def _sample(root: DataRoot, entry: Entry) -> Sample:
    references = entry.column("sentences", "raw", str)
    if not references:
        raise entry.error("expected at least one caption, found none", "sentences")
    image = image_named(root, IMAGES, entry, "filename")
    number = {"imgid": str(entry.get("imgid", int))}
    return Sample(_id(entry), image, PROMPT, references, cluster=image.key, metadata=number)
