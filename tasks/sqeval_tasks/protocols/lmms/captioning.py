"""Captions as lmms-eval's `coco2014_cap_val`, `coco_karpathy_test`, `flickr30k_test` and `nocaps_val` have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from sqeval.data.root import DataRoot
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import captions, lmms
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score
from sqeval_tasks.captioning import Captioning
from sqeval_tasks.coco_caption import SPLIT, CocoCaption
from sqeval_tasks.flickr30k import Flickr30k
from sqeval_tasks.nocaps import NoCaps

PROMPT = "Provide a one-sentence caption for the provided image."
KARPATHY_PROMPT = "Describe the image briefly."
METRICS = ("cider", *(f"bleu{n}" for n in captions.BLEU_ORDERS), "meteor", "rouge_l")
SAME = {
    "prompt": f"`{PROMPT}`",
    "generation": "64 new tokens",
    "metrics": "CIDEr, BLEU, METEOR and ROUGE-L, without SPICE and without SQ-LLaVA's",
    "not reproduced": "a run with `--limit` takes CIDEr's frequencies from its images alone there",
}


class LmmsCaptioning(Captioning):
    """The official scores of captions that were asked for in other words."""

    protocol = "lmms"
    settings = Settings(max_new_tokens=64)
    differs: ClassVar[Mapping[str, str]] = SAME

    def not_computed(self) -> Mapping[str, str]:
        return {}

    def prompt(self, sample: Sample) -> str:
        return PROMPT

    def score(self, response: str | None, sample: Sample) -> Score:
        return super().score(lmms.said(response), sample)

    def corpus_scores(self, records: Sequence[Record], samples: Sequence[Sample]) -> Sequence[Mapping[str, float]]:
        """Without SPICE, which takes longer than all the rest."""
        known = {sample.id: sample for sample in samples if sample.reference is not None}
        parsed = {record.id: record.parsed or "" for record in records}
        scores = captions.caption_scores(
            {key: parsed[key] for key in known if key in parsed},
            {key: sample.reference for key, sample in known.items()},
            groups={key: sample.tags[self.parts] for key, sample in known.items()} if self.parts else None,
        )
        return [scores.get(record.id, {}) for record in records]

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        return [metric for metric in super().metrics(records) if metric.name in METRICS]


class LmmsCocoCaption(LmmsCaptioning, CocoCaption):
    """Each of the two splits with the words of its own."""

    differs: ClassVar[Mapping[str, str]] = {
        **SAME,
        "prompt": f"Karpathy's test split `{KARPATHY_PROMPT}`, all of val2014 `{PROMPT}`",
    }

    def samples(self, root: DataRoot) -> list[Sample]:
        request = PROMPT if root.find(SPLIT) is None else KARPATHY_PROMPT
        return [replace(sample, question=request) for sample in super().samples(root)]

    def prompt(self, sample: Sample) -> str:
        return sample.question


class LmmsFlickr30k(LmmsCaptioning, Flickr30k):
    """Karpathy's split here, all images there."""

    differs: ClassVar[Mapping[str, str]] = {
        **SAME,
        "not reproduced": "its `test` is all 31,783 images, which the split file does not list; "
        + SAME["not reproduced"],
    }


class LmmsNoCaps(LmmsCaptioning, NoCaps):
    """No domains."""

    differs: ClassVar[Mapping[str, str]] = {**SAME, "metrics": f"{SAME['metrics']}; no domains"}
