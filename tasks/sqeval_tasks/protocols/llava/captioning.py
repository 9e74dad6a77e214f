"""Captions as SQ-LLaVA's scripts make and score them (captioning.sh, model_cap.py, eval_image_caption.py); LLaVA's own
have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.metrics import column
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.stats.metric import Metric
from sqeval_tasks.captioning import RELEASE, Captioning
from sqeval_tasks.coco_caption import CocoCaption
from sqeval_tasks.flickr30k import Flickr30k
from sqeval_tasks.nocaps import NoCaps

SAME = {
    "generation": "1,024 new tokens, temperature 0.2, sampled",
    "images": "cropped to a square, not padded: `--model-args image_aspect_ratio=crop`",
    "scorer": "captions in lower case without marks, cut to 20 words and references to 50",
    "metrics": "CIDEr, BLEU-4, METEOR and SPICE of these, under names that begin with `release_`",
}
LEFT_OUT = "in-domain"


class LLaVACaptioning(Captioning):
    """What the release prints, and nothing else."""

    protocol = "llava"
    primary = f"{RELEASE}cider"
    measure = "CIDEr-D of cleaned captions"
    settings = Settings(max_new_tokens=1024, temperature=0.2)
    image_aspect_ratio = "crop"
    differs: ClassVar[Mapping[str, str]] = SAME

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        release = [m for m in super().metrics(records) if m.name.startswith(RELEASE) and not m.name.endswith(LEFT_OUT)]
        first = [metric for metric in release if metric.name == self.primary]
        others = [metric for metric in release if metric.name != self.primary]
        return [*(first or [column(self.primary, [], self.primary)]), *others]


class LLaVACocoCaption(LLaVACaptioning, CocoCaption):
    """Karpathy's test split."""


class LLaVAFlickr30k(LLaVACaptioning, Flickr30k):
    """Karpathy's test split."""


class LLaVANoCaps(LLaVACaptioning, NoCaps):
    """Two domains, each by itself."""

    primary = f"{RELEASE}cider/domain=near-domain"
    measure = "CIDEr-D of cleaned captions, near-domain alone"
    settings = Settings(max_new_tokens=1024)
    differs: ClassVar[Mapping[str, str]] = {
        **SAME,
        "generation": "1,024 new tokens",
        "metrics": f"{SAME['metrics']}; near-domain and out-domain alone, each with document frequencies of its own",
    }
