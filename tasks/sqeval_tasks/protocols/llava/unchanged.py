"""Benchmarks whose official protocol, as the tasks have it, is that of LLaVA-1.5's scripts.

Their prompts, limits and converters are what the tasks begin with, and either the benchmark's server scores (VQAv2,
VizWiz) or LLaVA's evaluator is the one that the task follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sqeval_tasks.llava_wild import LLaVAWild
from sqeval_tasks.mmvet import MMVet
from sqeval_tasks.pope import POPE
from sqeval_tasks.scienceqa import ScienceQA
from sqeval_tasks.textvqa import TextVQA
from sqeval_tasks.vizwiz import VizWiz
from sqeval_tasks.vqav2 import VQAv2

CROPPED = (
    "as the model is set up, as official; SQ-LLaVA's copy of the script crops: `--model-args image_aspect_ratio=crop`"
)


class LLaVAVQAv2(VQAv2):
    """convert_vqav2_for_submission.py."""

    protocol = "llava"


class LLaVAVizWiz(VizWiz):
    """convert_vizwiz_for_submission.py."""

    protocol = "llava"


class LLaVATextVQA(TextVQA):
    """eval_textvqa.py, with OCR tokens."""

    protocol = "llava"


class LLaVAPOPE(POPE):
    """eval_pope.py, category by category."""

    protocol = "llava"


class LLaVAScienceQA(ScienceQA):
    """eval_science_qa.py."""

    protocol = "llava"
    differs: ClassVar[Mapping[str, str]] = {"images": CROPPED}


class LLaVAMMVet(MMVet):
    """convert_mmvet_for_eval.py."""

    protocol = "llava"
    differs: ClassVar[Mapping[str, str]] = {"images": CROPPED}


class LLaVALLaVAWild(LLaVAWild):
    """eval_gpt_review_bench.py and summarize_gpt_review.py."""

    protocol = "llava"
    differs: ClassVar[Mapping[str, str]] = {"images": CROPPED}
