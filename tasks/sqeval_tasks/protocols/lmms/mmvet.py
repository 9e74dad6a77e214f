"""MM-Vet as lmms-eval's `mmvet` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.judged import Inquiry
from sqeval.model import Settings
from sqeval.scoring import lmms
from sqeval.task import Sample, Score
from sqeval_tasks import mmvet

PREFIX = "First please perform reasoning, and think step by step to provide best answer to the following question: \n\n"
PROMPT = mmvet.PROMPT.replace("\n\nQuestion |", "\ngpt_query_prompt |")
"""The evaluator's, with an empty line lost and a word replaced in the table's head."""
TEMPERATURES = (0.0, 0.5, 1.0, 1.5)
"""Of the calls whose replies are read; between them it makes calls whose replies are not, and those are saved."""


class LmmsMMVet(mmvet.MMVet):
    """The model is asked to reason first, and another judge grades."""

    protocol = "lmms"
    judge = "gpt-4o-2024-11-20"
    judging = "the few-shot table with another head, 128 tokens at temperature 0, up to 4 tries"
    differs: ClassVar[Mapping[str, str]] = {
        "prompt": "begins with a request to reason step by step",
        "generation": "temperature 0.2, sampled: its adapters `llava` and `llava_hf` pay no heed to `do_sample: false`",
        "judge": "GPT-4o of 2024-11-20, 128 tokens; the table's head says `gpt_query_prompt` for `Question`; "
        "temperatures 0, 0.5, 1, 1.5 and no second question",
        "not reproduced": "a grade outside 0 to 1 makes it ask forever; here it is not read",
    }
    settings = Settings(max_new_tokens=1024, temperature=0.2)

    def prompt(self, sample: Sample) -> str:
        return PREFIX + sample.question

    def inquire(self, response: str, sample: Sample, replies: Sequence[str]) -> Inquiry | None:
        if len(replies) == len(TEMPERATURES) or (replies and mmvet.grade(replies[-1].strip()) is not None):
            return None
        truth = sample.reference.replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
        text = f"{PROMPT}\n{sample.question} | {truth} | {lmms.said(response)} |"
        return Inquiry((("user", text),), max_tokens=128, temperature=TEMPERATURES[len(replies)])

    def judged(self, sample: Sample, rounds: Sequence[Sequence[str]]) -> Score:
        return super().judged(sample, [[reply.strip() for reply in replies] for replies in rounds])
