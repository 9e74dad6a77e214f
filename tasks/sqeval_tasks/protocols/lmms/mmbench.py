"""MMBench as lmms-eval's `mmbench_en_dev_static` and `mmbench_en_test` have it, and its Chinese tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sqeval.data.mirror import Mirror
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import lmms, lmms_choice
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score
from sqeval_tasks.mmbench import MMBench
from sqeval_tasks.mmbench_cn import MMBenchCN

IMAGES = (
    "as the model is set up: its `image_aspect_ratio: original` reaches only checkpoints whose configuration has no "
    "such entry, and LLaVA-1.5's has one"
)
MATCHER = "its own matcher, of all five letters A to E; an A among four or more words may be the article"
METRICS = "circular accuracy alone"


class LmmsMMBench(MMBench):
    """Scored without a language model, as its static task does."""

    protocol = "lmms"
    differs: ClassVar[Mapping[str, str]] = {
        "data": "version 1.0 (4,329 rows of dev) before that of LLaVA's tables",
        "prompt": "hint and question in one line, then `There are several options:`, and an empty line before the "
        "request",
        "images": IMAGES,
        "scorer": f"{MATCHER}; what it cannot read goes through the extractor of `mmbench_en_dev_static`",
        "metrics": METRICS,
        "not reproduced": "`mmbench_en_dev` asks GPT-4o instead of the extractor, and then guesses; a missing option "
        "that its data hold as the word nan is matched there",
    }
    known: ClassVar[Sequence[str]] = (
        "mmbench_dev_en_20231003.tsv", "MMBench_DEV_EN.tsv",
        *(name for name in MMBench.known if name not in ("mmbench_dev_en_20231003.tsv", "MMBench_DEV_EN.tsv")),
    )  # fmt: skip
    extracts: ClassVar[bool] = True
    """Whether an answer that the matcher cannot read is looked at more closely."""

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.choices import MMBENCH_OF_LMMS

        return MMBENCH_OF_LMMS

    def prompt(self, sample: Sample) -> str:
        hint = sample.metadata["hint"]
        options = "\n".join(f"{letter}. {text}" for letter, text in sample.metadata["options"].items()).rstrip("\n")
        question = f"{hint} {sample.question}" if hint else sample.question
        return f"{question} There are several options:\n{options}\n\n{self.suffix}"

    def score(self, response: str | None, sample: Sample) -> Score:
        options, answer, response = sample.metadata["options"], sample.reference["answer"], lmms.said(response)
        letter = None if response is None else lmms_choice.matched(response, options)
        if letter is None and response is not None and self.extracts:
            letter = lmms_choice.extracted(response, sorted(options))
        return Score(letter, {} if answer is None else {"accuracy": float(letter == answer)})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        return [metric for metric in super().metrics(records) if metric.name.split("/")[0] == "circular"]


class LmmsMMBenchCN(LmmsMMBench, MMBenchCN):
    """Two files of it are at odds: the line before the options is in English."""

    differs: ClassVar[Mapping[str, str]] = {
        "prompt": "hint and question in one line, then `There are several options:`, in English as its code has it, an "
        "empty line, and another request in Chinese",
        "generation": "256 new tokens",
        "images": IMAGES,
        "scorer": f"{MATCHER}; what it cannot read is wrong",
        "metrics": METRICS,
        "not reproduced": "it asks GPT-4o about what its matcher cannot read, and then guesses; a missing hint that "
        "its data hold as the word nan is asked there",
    }
    known: ClassVar[Sequence[str]] = MMBenchCN.known
    suffix: ClassVar[str] = "请直接使用所提供的选项字母作为答案回答。"
    settings = Settings(max_new_tokens=256)
    extracts: ClassVar[bool] = False

    def mirrors(self) -> Mapping[str, Mirror | str]:
        return MMBenchCN.mirrors(self)
