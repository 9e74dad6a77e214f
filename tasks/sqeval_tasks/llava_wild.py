"""LLaVA-Bench (In-the-Wild): open answers, rated by a language model beside those of a GPT-4 that read captions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sqeval.data.entry import Entry, image_named
from sqeval.data.files import read_lines, require_unique
from sqeval.data.join import STRICT, Allow
from sqeval.data.layout import LINES, Records
from sqeval.data.mirror import Mirror
from sqeval.data.root import DataRoot
from sqeval.judged import Inquiry, JudgedTask, Verdicts
from sqeval.metrics import Floats, cells
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Size, WantedFile
from sqeval_tasks.llava_reviews import read_reviews

FOLDER, SOURCE = "llava-bench-in-the-wild", "liuhaotian/llava-bench-in-the-wild on the Hugging Face hub"
CATEGORIES = ("conv", "detail", "complex")
SYSTEM = "You are a helpful and precise assistant for checking the quality of the answer."
RULE = (
    "We would like to request your feedback on the performance of two AI assistants in response to the user question "
    "displayed above. The user asks the question on observing an image. For your reference, the visual content in the "
    "image is represented with a few sentences describing the image. \n"
    "Please rate the helpfulness, relevance, accuracy, level of details of their responses. Each assistant receives an "
    "overall score on a scale of 1 to 10, where a higher score indicates better overall performance.\n"
    "Please first output a single line containing only two values indicating the scores for Assistant 1 and 2, "
    "respectively. The two scores are separated by a space.\n"
    "In the subsequent line, please provide a comprehensive explanation of your evaluation, avoiding any potential "
    "bias and ensuring that the order in which the responses were presented does not affect your judgment."
)
"""LLaVA's rule.json (Apache-2.0), to the letter; it is the same for all three categories."""
UNREAD = (-1.0, -1.0)
"""What LLaVA's eval_gpt_review_bench.py notes for a reply without two numbers; it is averaged in like any other."""
NOTHING = (10.0, 0.0)
"""For a question without a response, which LLaVA does not know: the worst."""


class LLaVAWild(JudgedTask):
    """60 questions. The score is the model's mean rating in relation to that of the reference answers."""

    name = "llava_wild"
    version = "1"
    description = "open questions about 24 images, answered in relation to a text-only GPT-4"
    citation = "Liu et al. 2023, Visual Instruction Tuning, NeurIPS"
    primary = "relative"
    measure = "rating relative to GPT-4's"
    files = (
        WantedFile(f"{FOLDER}/questions.jsonl", SOURCE, records=(Records(LINES, "question_id"),)),
        WantedFile(f"{FOLDER}/context.jsonl", SOURCE, records=(Records(LINES, "image", of="image"),)),
        WantedFile(f"{FOLDER}/answers_gpt4.jsonl", SOURCE, records=(Records(LINES, "question_id"),)),
        WantedFile(f"{FOLDER}/images/*", f"{SOURCE}, images"),
    )
    splits: ClassVar[Mapping[str, str]] = {
        "conv": "17 questions of a conversation",
        "detail": "15 detailed descriptions",
        "complex": "28 questions that need reasoning",
    }
    sizes: ClassVar[Mapping[str, Size]] = {"": Size(60, 24)}
    settings = Settings(max_new_tokens=1024)
    judge = "gpt-4-0314"
    judging = "captions, reference and response; two ratings of 1 to 10 at temperature 0.2 (LLaVA-1.5: 3 rounds)"
    published = "question_id, content, tuple, LLaVA's reviews; or a folder with a file a round"

    def samples(self, root: DataRoot) -> list[Sample]:
        questions = read_lines(root.file(f"{FOLDER}/questions.jsonl"))
        require_unique(((_id(entry), entry) for entry in questions), "question_id")
        contexts = read_lines(root.file(f"{FOLDER}/context.jsonl"))
        require_unique(((entry.get("image", str), entry) for entry in contexts), "image")
        answers = read_lines(root.file(f"{FOLDER}/answers_gpt4.jsonl"))
        require_unique(((_id(entry), entry) for entry in answers), "question_id")
        captions = {entry.get("image", str): _caption(entry) for entry in contexts}
        references = {_id(entry): entry.get("text", str) for entry in answers}
        return [_sample(root, entry, captions, references) for entry in questions]

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.questions import LLAVA_WILD

        return LLAVA_WILD

    def llava_question(self, sample: Sample, position: int) -> Mapping[str, Any]:
        line = {**super().llava_question(sample, position), "question_id": int(sample.id)}
        return {**line, "category": sample.tags["category"]}

    def prompt(self, sample: Sample) -> str:
        return sample.question

    def gold(self, sample: Sample) -> str:
        return str(sample.reference)

    def inquire(self, response: str, sample: Sample, replies: Sequence[str]) -> Inquiry | None:
        if replies:
            return None
        text = (
            f"[Context]\n{sample.metadata['caption']}\n\n[Question]\n{sample.question}\n\n"
            f"[Assistant 1]\n{sample.reference}\n\n[End of Assistant 1]\n\n"
            f"[Assistant 2]\n{response}\n\n[End of Assistant 2]\n\n[System]\n{RULE}\n\n"
        )
        return Inquiry((("system", SYSTEM), ("user", text)), max_tokens=1024, temperature=0.2)

    def judged(self, sample: Sample, rounds: Sequence[Sequence[str]]) -> Score:
        found = [ratings(replies[-1]) for replies in rounds]
        read = [f"{first:g} {second:g}" for first, second in filter(None, found)]
        pairs = [pair or UNREAD for pair in found] or [NOTHING]
        values = {
            f"{name}{i}": value
            for i, pair in enumerate(pairs, 1)
            for name, value in zip(("reference", "answer"), pair, strict=True)
        }
        return Score(", ".join(read) if read and len(read) == len(found) else None, values)

    def read_judgements(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> Verdicts | None:
        """LLaVA's file of reviews, or a folder with those of several rounds."""
        return read_reviews(path, {sample.id: sample.tags["category"] for sample in samples}, allow)

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        """`relative`, then the mean ratings of answers and references as tenths, each over all and by category."""
        rounds = max((sum(name.startswith("answer") for name in r.scores) for r in records), default=1)
        groups = {"": list(records), **{f"/category={cell}": its for cell, its in cells(records, "category").items()}}
        measures = {"relative": relative, "answer": answer, "reference": reference}
        return [
            Metric(f"{name}{suffix}", [r.id for r in its], [r.cluster for r in its], _columns(its, rounds), function)
            for name, function in measures.items()
            for suffix, its in groups.items()
        ]


def ratings(reply: str) -> tuple[float, float] | None:
    """The two numbers of the first line, a single space or comma between them. `8, 7` has two, and is not read."""
    try:
        first, second = (float(part) for part in reply.split("\n")[0].replace(",", " ").split(" "))
    except ValueError:
        return None
    return (first, second) if math.isfinite(first) and math.isfinite(second) else None


def relative(sums: Floats) -> Floats:
    """Answer over reference, both rounded to 3 decimals first (LLaVA's summarize_gpt_review.py); mean over rounds.

    0 where the references have no positive rating: every reply was unreadable.
    """
    above, below = (_rounded(_means(sums, side)) for side in ("answer", "reference"))
    return np.asarray(np.divide(above, below, out=np.zeros(below.shape), where=below > 0).mean(axis=-1))


def _rounded(means: Floats) -> Floats:
    """To 3 decimals as Python's floats are: numpy multiplies by 1,000 first, and ties fall otherwise."""
    return np.array([round(mean, 3) for mean in means.ravel().tolist()]).reshape(means.shape)


def answer(sums: Floats) -> Floats:
    """Mean rating of the answers over 10."""
    return np.asarray(_means(sums, "answer").mean(axis=-1) / 10)


def reference(sums: Floats) -> Floats:
    """Mean rating of the references over 10."""
    return np.asarray(_means(sums, "reference").mean(axis=-1) / 10)


def _means(sums: Floats, side: str) -> Floats:
    """(..., 2 rounds + 1) to (..., rounds)."""
    pairs = sums[..., :-1].reshape(*sums.shape[:-1], -1, 2)
    return np.asarray(pairs[..., 0 if side == "reference" else 1] / sums[..., -1:])


def _columns(records: Sequence[Record], rounds: int) -> Floats:
    """Reference and answer of each round, and 1: (n, 2 rounds + 1)."""
    rows = []
    for record in records:
        pairs = [
            (record.scores.get(f"reference{i}", NOTHING[0]), record.scores.get(f"answer{i}", NOTHING[1]))
            for i in range(1, rounds + 1)
        ]
        rows.append([*(value for pair in pairs for value in pair), 1.0])
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2 * rounds + 1)


def _sample(root: DataRoot, entry: Entry, captions: Mapping[str, str], references: Mapping[str, str]) -> Sample:
    image, key = image_named(root, f"{FOLDER}/images", entry, "image"), _id(entry)
    if entry.get("image", str) not in captions:
        raise entry.error("the image has no caption in context.jsonl", "image")
    if key not in references:
        raise entry.error(f"question {key} has no answer in answers_gpt4.jsonl", "question_id")
    return Sample(
        id=key,
        image=image,
        question=entry.get("text", str),
        reference=references[key],
        cluster=image.key,
        tags={"category": entry.one_of("category", CATEGORIES)},
        metadata={"caption": captions[entry.get("image", str)]},
    )


def _id(entry: Entry) -> str:
    return str(entry.get("question_id", int))


def _caption(entry: Entry) -> str:
    """One text, or several that stand on lines of their own."""
    if isinstance(entry.value.get("caption"), list):
        return "\n".join(entry.strings("caption"))
    return entry.get("caption", str)
