"""MMBench as in LLaVA-1.5's tables: the upload that convert_mmbench_for_submission.py makes, read by the server of the
time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sqeval.scoring import choice
from sqeval.task import Sample, Score
from sqeval_tasks.mmbench import MMBench
from sqeval_tasks.mmbench_cn import MMBenchCN


class LLaVAMMBench(MMBench):
    """The matcher of late 2023 to mid-2025."""

    protocol = "llava"
    differs: ClassVar[Mapping[str, str]] = {
        "scorer": "the matcher of late 2023: the option's letter may stand anywhere, `answer is B` is no sign, and an "
        "option's text is found in a response of any length",
        "not reproduced": "the server asked a language model about what it could not read, and then guessed; here that "
        "is wrong",
    }

    def score(self, response: str | None, sample: Sample) -> Score:
        letter = None if response is None else choice.mmbench_letter_2023(response, sample.metadata["options"])
        answer = sample.reference["answer"]
        return Score(letter, {} if answer is None else {"accuracy": float(letter == answer)})


class LLaVAMMBenchCN(LLaVAMMBench, MMBenchCN):
    """The same in Chinese."""
