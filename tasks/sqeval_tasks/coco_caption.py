"""COCO captions: describe the image in one sentence, compared with five people's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.data.collection import paused
from sqeval.data.entry import Entry, image_named
from sqeval.data.files import read_object, require_unique
from sqeval.data.root import DataRoot
from sqeval.java import find_java
from sqeval.metrics import column, ratio_of_sums
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import captions
from sqeval.stats.metric import Metric, mean
from sqeval.task import Sample, Score, Task, WantedFile

ANNOTATIONS = "coco/annotations/captions_val2014.json"
SPLIT = "coco/dataset_coco.json"
PROMPT = "Provide a brief description of the given image, your answer should be in one sentence."


class CocoCaption(Task):
    """The Karpathy test split, or, without the file that defines it, every annotated image.

    Which of the two it was is the data version. SPICE is not computed: its metric has no value.
    """

    name = "coco_caption"
    version = "1"
    description = "one-sentence image captions, scored by the official coco-caption evaluation (needs Java)"
    citation = "Chen et al. 2015, Microsoft COCO Captions; split: Karpathy and Fei-Fei 2015, CVPR"
    primary = "cider"
    files = (
        WantedFile(ANNOTATIONS, "cocodataset.org, 2014 Train/Val annotations"),
        WantedFile(SPLIT, "Karpathy's caption_datasets.zip", required=False),
        WantedFile("coco/val2014/COCO_val2014_*", "COCO 2014 validation images"),
    )
    splits: ClassVar[Mapping[str, str]] = {
        "karpathy-test": "5,000 images",
        "val2014": f"40,504 images (without {SPLIT})",
    }
    settings = Settings(max_new_tokens=128)
    predictions = (("image_id", "caption"), ("question_id", "text"))

    def require(self) -> None:
        find_java()

    @paused()
    def samples(self, root: DataRoot) -> list[Sample]:
        """In the order of the annotation file, as the official evaluation goes."""
        data = read_object(root.file(ANNOTATIONS))
        images = _images(data)
        references = _references(data, images)
        split_file = root.find(SPLIT)
        chosen = set(images) if split_file is None else _test_split(read_object(split_file), images)
        return [_sample(root, images[key], key, references[key]) for key in images if key in chosen]

    def prompt(self, sample: Sample) -> str:
        return PROMPT

    def gold(self, sample: Sample) -> str:
        """The first person's caption; no caption scores best on every metric."""
        first: str = sample.reference[0]
        return first

    def score(self, response: str | None, sample: Sample) -> Score:
        """The caption alone; its scores need the whole corpus."""
        return Score((response or "").strip() or None, {})

    def corpus_scores(self, records: Sequence[Record], samples: Sequence[Sample]) -> Sequence[Mapping[str, float]]:
        """Errored and empty answers are scored as the empty caption. Raises UserError without a working Java."""
        parsed = {record.id: record.parsed or "" for record in records}
        candidates = {sample.id: parsed[sample.id] for sample in samples if sample.id in parsed}
        scores = captions.caption_scores(candidates, {sample.id: sample.reference for sample in samples})
        return [scores[record.id] for record in records]

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        return [
            column("cider", records, "cider"),
            *(ratio_of_sums(f"bleu{n}", records, captions.BLEU_SUMS, captions.bleu(n)) for n in captions.BLEU_ORDERS),
            ratio_of_sums("meteor", records, captions.METEOR_SUMS, captions.meteor),
            column("rouge_l", records, "rouge_l"),
            mean("spice", [], [], []),  # of no image: it was not run
        ]

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str:
        return "karpathy-test" if root.find(SPLIT) else "val2014"

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        rows = [{"image_id": int(record.id), "caption": record.parsed or ""} for record in records]
        return ".json", json.dumps(rows, ensure_ascii=False).encode()


def _images(data: Entry) -> dict[int, Entry]:
    """Image entries by id, in the file's order."""
    keyed = [(entry.get("id", int), entry) for entry in data.entries("images")]
    require_unique(keyed, "id")
    return dict(keyed)


def _references(data: Entry, images: Mapping[int, Entry]) -> dict[int, list[str]]:
    """All captions of each image, in the file's order."""
    references: dict[int, list[str]] = {key: [] for key in images}
    for entry in data.entries("annotations"):
        key = entry.get("image_id", int)
        if key not in references:
            raise entry.error(f"caption of image {key}, which is not among the images", "image_id")
        references[key].append(entry.get("caption", str))
    return references


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
    if not references:
        raise image.error(f"expected captions of image {key} among the annotations, found none", "id")
    ref = image_named(root, "coco/val2014", image, "file_name")
    return Sample(id=str(key), image=ref, question=PROMPT, reference=references, cluster=ref.key)
