"""What the captioning benchmarks share: the prompt, the scores, and readers of COCO's annotation format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from sqeval.data.entry import Entry
from sqeval.data.files import require_unique
from sqeval.data.layout import Records
from sqeval.errors import UserError
from sqeval.java import find_java
from sqeval.metrics import cells, column, ratio_of_sums
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import captions
from sqeval.scoring.captions_spice import Spice, find_spice
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Task

PROMPT = "Provide a brief description of the given image, your answer should be in one sentence."
"""The whole user's turn. Source: question_gen.py of SQ-LLaVA's release."""
BY_IMAGE = (Records("images", "id"), Records("annotations", "image_id"))
"""COCO's format: an image's id is its sample's."""
RELEASE = "release_"
"""Prefix of what SQ-LLaVA's own evaluation reports; never to be mixed up with the official scores."""


class Captioning(Task):
    """One sentence an image, scored by the official coco-caption evaluation (needs Java).

    The references are all of the image's captions; images without (None, of a hidden test set) are asked, not scored.
    """

    primary = "cider"
    measure = "CIDEr-D"
    settings = Settings(max_new_tokens=128)
    predictions = (("image_id", "caption"), ("question_id", "text"))
    parts: ClassVar[str | None] = None
    """Name of the tag for whose cells everything is reported as well; the release evaluates each by itself."""

    def require(self) -> None:
        find_java()

    def not_computed(self) -> Mapping[str, str]:
        found = _spice()
        return {} if isinstance(found, Spice) else {"spice": found}

    def llava_question(self, sample: Sample, position: int) -> Mapping[str, Any]:
        number = int(sample.id) if sample.id.isdecimal() else sample.id
        return {**super().llava_question(sample, position), "question_id": number}

    def prompt(self, sample: Sample) -> str:
        return PROMPT

    def gold(self, sample: Sample) -> str:
        """The first person's caption; no caption scores best on every metric."""
        references: list[str] = sample.reference or [""]
        return references[0]

    def score(self, response: str | None, sample: Sample) -> Score:
        """The caption alone; its scores need the whole corpus."""
        return Score((response or "").strip() or None, {})

    def corpus_scores(self, records: Sequence[Record], samples: Sequence[Sample]) -> Sequence[Mapping[str, float]]:
        """Errored and empty answers are scored as the empty caption. Raises UserError without a working Java."""
        known = {sample.id: sample for sample in samples if sample.reference is not None}
        parsed = {record.id: record.parsed or "" for record in records}
        found = _spice()
        scores = captions.caption_scores(
            {key: parsed[key] for key in known if key in parsed},
            {key: sample.reference for key, sample in known.items()},
            groups={key: sample.tags[self.parts] for key, sample in known.items()} if self.parts else None,
            with_spice=found if isinstance(found, Spice) else None,
        )
        return [scores.get(record.id, {}) for record in records]

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        scored = [record for record in records if "cider" in record.scores]
        groups = {"": scored}
        if self.parts:
            groups |= {f"/{self.parts}={cell}": members for cell, members in cells(scored, self.parts).items()}
        by_name = [list(_official(members, end)) for end, members in groups.items()]
        found = [metric for same in zip(*by_name, strict=True) for metric in same]
        if self.parts:
            found += [column(f"cider_own_idf{end}", members, "cider_own_idf") for end, members in groups.items() if end]
        alone = {end: members for end, members in groups.items() if end or not self.parts}
        return found + [metric for end, members in alone.items() for metric in _release(members, end)]

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        rows = [{"image_id": int(record.id), "caption": record.parsed or ""} for record in records]
        return ".json", json.dumps(rows, ensure_ascii=False).encode()


def images_by_id(data: Entry) -> dict[int, Entry]:
    """Image entries of an annotation file by id, in the file's order. Raises DataError."""
    keyed = [(entry.get("id", int), entry) for entry in data.entries("images")]
    require_unique(keyed, "id")
    return dict(keyed)


def captions_by_image(data: Entry, images: Mapping[int, Entry]) -> dict[int, list[str]]:
    """All captions of each image, in the file's order. Raises DataError."""
    references: dict[int, list[str]] = {key: [] for key in images}
    for entry in data.entries("annotations"):
        key = entry.get("image_id", int)
        if key not in references:
            raise entry.error(f"caption of image {key}, which is not among the images", "image_id")
        references[key].append(entry.get("caption", str))
    return references


def require_captions(image: Entry, key: int, references: Sequence[str]) -> None:
    """Raise DataError about an image that nobody described: it could not be scored."""
    if not references:
        raise image.error(f"expected captions of image {key} among the annotations, found none", "id")


def _spice() -> Spice | str:
    """SPICE, or what it lacks."""
    try:
        return find_spice()
    except UserError as error:
        return str(error)


def coco_metrics(records: Sequence[Record], end: str = "", *, begin: str = "") -> Iterator[Metric]:
    """CIDEr, BLEU, METEOR and ROUGE-L from records with the scores of `captions.plain_scores`."""
    yield column(f"{begin}cider{end}", records, "cider")
    for n in captions.BLEU_ORDERS:
        yield ratio_of_sums(f"{begin}bleu{n}{end}", records, captions.BLEU_SUMS, captions.bleu(n))
    yield ratio_of_sums(f"{begin}meteor{end}", records, captions.METEOR_SUMS, captions.meteor)
    yield column(f"{begin}rouge_l{end}", records, "rouge_l")


def _official(records: Sequence[Record], end: str) -> Iterator[Metric]:
    yield from coco_metrics(records, end)
    yield _mean_spice("spice", records, end)


def _release(records: Sequence[Record], end: str) -> Iterator[Metric]:
    """What SQ-LLaVA's evaluation prints: CIDEr, BLEU-4, METEOR and SPICE of captions that it has cleaned."""
    bleu_sums, meteor_sums = ([RELEASE + name for name in sums] for sums in (captions.BLEU_SUMS, captions.METEOR_SUMS))
    yield column(f"{RELEASE}cider{end}", records, f"{RELEASE}cider")
    yield ratio_of_sums(f"{RELEASE}bleu4{end}", records, bleu_sums, captions.bleu(4))
    yield ratio_of_sums(f"{RELEASE}meteor{end}", records, meteor_sums, captions.meteor)
    yield _mean_spice(f"{RELEASE}spice", records, end)


def _mean_spice(name: str, records: Sequence[Record], end: str) -> Metric:
    """Of no image where SPICE could not run: its value is null, and `not_computed` has told why."""
    return column(f"{name}{end}", records if all(name in record.scores for record in records) else [], name)
