"""LLaVA-Bench (In-the-Wild) as lmms-eval's `llava_in_the_wild` has it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.judged import Inquiry
from sqeval.model import Settings
from sqeval.scoring import lmms
from sqeval.task import Sample, Score
from sqeval_tasks.llava_wild import LLaVAWild

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


class LmmsLLaVAWild(LLaVAWild):
    """Another judge, and a reader that is content with any two numbers."""

    protocol = "lmms"
    judge = "gpt-4o-2024-11-20"
    judging = "captions, reference and response, no system message; two ratings of 1 to 10 at temperature 0"
    differs: ClassVar[Mapping[str, str]] = {
        "generation": "4,096 new tokens",
        "images": "as the model is set up: its `image_aspect_ratio: original` reaches only checkpoints whose "
        "configuration has no such entry, and LLaVA-1.5's has one",
        "judge": "GPT-4o of 2024-11-20 at temperature 0, without the system message",
        "scorer": "the first two numbers of the first line, whatever stands around them",
        "not reproduced": "a judge that fails counts there as -1 and -1 in the mean; here the response waits",
    }
    settings = Settings(max_new_tokens=4096)

    def inquire(self, response: str, sample: Sample, replies: Sequence[str]) -> Inquiry | None:
        official = super().inquire(lmms.said(response), sample, replies)
        return official and Inquiry(official.messages[1:], max_tokens=1024, temperature=0.0)

    def judged(self, sample: Sample, rounds: Sequence[Sequence[str]]) -> Score:
        return super().judged(sample, [[*replies[:-1], first_two(replies[-1])] for replies in rounds])


def first_two(reply: str) -> str:
    """The first two numbers of the first line as the official parser reads them; empty if there are not as many."""
    numbers = _NUMBER.findall(reply.strip().split("\n")[0])
    return " ".join(numbers[:2]) if len(numbers) > 1 else ""
