"""MM-Vet: open questions that need several capabilities at once, scored by a language model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sqeval.data.entry import Entry, image_named
from sqeval.data.files import read_object, read_table
from sqeval.data.join import STRICT, Allow, joined
from sqeval.data.layout import TABLE, Records
from sqeval.data.mirror import Mirror
from sqeval.data.predictions import is_object_with, read_by_id
from sqeval.data.root import DataRoot
from sqeval.judged import Inquiry, JudgedTask, Verdicts
from sqeval.metrics import Floats, column
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Size, WantedFile
from sqeval_tasks.mmvet_grades import read_grades

CAPABILITIES = ("rec", "ocr", "know", "gen", "spat", "math")
_MEME = (
    "Can you explain this meme? | This meme is poking fun at the fact that the names of the countries Iceland and "
    "Greenland are misleading. Despite its name, Iceland is known for its beautiful green landscapes, while Greenland "
    "is mostly covered in ice and snow. The meme is saying that the person has trust issues because the names of these "
    "countries do not accurately represent their landscapes. | "
)
PROMPT = (
    "Compare the ground truth and prediction from AI models, to give a correctness score for the prediction. <AND> in "
    "the ground truth means it is totally right only when all elements in the ground truth are present in the "
    "prediction, and <OR> means it is totally right when any one element in the ground truth is present in the "
    "prediction. The correctness score is 0.0 (totally wrong), 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, or 1.0 "
    "(totally right). Just complete the last space of the correctness score.\n\n"
    "Question | Ground truth | Prediction | Correctness\n"
    "--- | --- | --- | ---\n"
    "What is x in the equation? | -1 <AND> -5 | x = 3 | 0.0\n"
    "What is x in the equation? | -1 <AND> -5 | x = -1 | 0.5\n"
    "What is x in the equation? | -1 <AND> -5 | x = -5 | 0.5\n"
    "What is x in the equation? | -1 <AND> -5 | x = -5 or 5 | 0.5\n"
    "What is x in the equation? | -1 <AND> -5 | x = -1 or x = -5 | 1.0\n"
    f"{_MEME}The meme talks about Iceland and Greenland. It's pointing out that despite their names, Iceland is not "
    "very icy and Greenland isn't very green. | 0.4\n"
    f"{_MEME}The meme is using humor to point out the misleading nature of Iceland's and Greenland's names. Iceland, "
    "despite its name, has lush green landscapes while Greenland is mostly covered in ice and snow. The text 'This is "
    "why I have trust issues' is a playful way to suggest that these contradictions can lead to distrust or confusion. "
    "The humor in this meme is derived from the unexpected contrast between the names of the countries and their "
    "actual physical characteristics. | 1.0\n"
)
"""MM-Vet's evaluator, mm-vet_evaluator.py (Apache-2.0), to the letter."""
AGAIN = "\nPredict the correctness of the answer (digit): "
"""Follows the question once a reply could not be read."""
TEMPERATURES = (0.0, 0.0, 0.5, 1.0, 1.5)
"""Of each call of a round. The evaluator makes a sixth call and never reads its reply; that one is saved."""


class MMVet(JudgedTask):
    """218 questions; the judge gives each response between 0 and 1 in steps of 0.1."""

    name = "mmvet"
    version = "1"
    description = "open questions that combine recognition, OCR, knowledge, generation, space and mathematics"
    citation = "Yu et al. 2024, MM-Vet: Evaluating Large Multimodal Models for Integrated Capabilities, ICML"
    primary = "score"
    measure = "mean grade"
    files = (
        WantedFile("mmvet/mm-vet.json", "yuweihao/MM-Vet, release v1, mm-vet.zip", records=(Records(TABLE),)),
        WantedFile("mmvet/images/*", "the same, images"),
    )
    splits: ClassVar[Mapping[str, str]] = {"v1": "218 questions on 200 images"}
    sizes: ClassVar[Mapping[str, Size]] = {"": Size(218, 200)}
    settings = Settings(max_new_tokens=1024)
    judge = "gpt-4-0613"
    judging = "few-shot table, one number of 3 tokens at temperature 0, up to 5 tries (the paper: 5 rounds)"
    published = "{v1_0: {model, content, score}}, the evaluator's grades"

    def samples(self, root: DataRoot) -> list[Sample]:
        return [_sample(root, key, entry) for key, entry in read_table(root.file("mmvet/mm-vet.json")).items()]

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.questions import MMVET

        return MMVET

    def llava_question(self, sample: Sample, position: int) -> Mapping[str, Any]:
        return {**super().llava_question(sample, position), "question_id": int(sample.id.removeprefix("v1_"))}

    def prompt(self, sample: Sample) -> str:
        return sample.question

    def gold(self, sample: Sample) -> str:
        return str(sample.reference)

    def inquire(self, response: str, sample: Sample, replies: Sequence[str]) -> Inquiry | None:
        if len(replies) == len(TEMPERATURES) or (replies and grade(replies[-1]) is not None):
            return None
        truth = sample.reference.replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
        row = " | ".join([sample.question, truth, response, ""])
        text = f"{PROMPT}\n{row}{AGAIN if replies else ''}"
        return Inquiry((("user", text),), max_tokens=3, temperature=TEMPERATURES[len(replies)])

    def judged(self, sample: Sample, rounds: Sequence[Sequence[str]]) -> Score:
        """A round without a grade counts as 0, as in the evaluator."""
        grades = [grade(replies[-1]) for replies in rounds]
        read = [f"{value:g}" for value in grades if value is not None]
        values = [value or 0.0 for value in grades]
        by_round = {f"round{i}": value for i, value in enumerate(values, 1)}
        parsed = ", ".join(read) if read and len(read) == len(grades) else None
        return Score(parsed, {"score": sum(values) / max(1, len(values)), **by_round})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        """Capabilities overlap, their combinations do not. Combinations are named in the order of the paper: the
        evaluator's names change from run to run."""
        found = [column("score", records, "score")]
        named = [(record, record.tags["capabilities"].split("_")) for record in records]
        for capability in CAPABILITIES:
            members = [record for record, its in named if capability in its]
            if members:
                found.append(column(f"score/capability={capability}", members, "score"))
        for combination in sorted({record.tags["capabilities"] for record in records}):
            members = [record for record in records if record.tags["capabilities"] == combination]
            found.append(column(f"score/integration={combination}", members, "score"))
        return [*found, *_spread(records)]

    def read_predictions(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> dict[str, str]:
        """The official result file, one object of id and response; LLaVA's lines, whose ids are numbers."""
        ids = {sample.id for sample in samples}
        if is_object_with(path, *ids):
            official = read_object(path, unique_keys=not allow.duplicates)
            chosen = joined(path, list(official.value), list(official.value), ids, allow)
            return {key: official.get(key, str) for key in chosen}
        return read_by_id(
            path,
            self.predictions,
            ids,
            rename=lambda key: f"v1_{key}" if key.isdecimal() else key,
            allow=allow,
        )

    def read_judgements(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> Verdicts | None:
        """The evaluator's file of grades, which its authors and others publish."""
        return read_grades(path, {sample.id for sample in samples}, allow)

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        """The official result file, which the authors' own judge takes."""
        answers = {record.id: record.response or "" for record in records}
        return ".json", json.dumps(answers, ensure_ascii=False, indent=1).encode()


def grade(reply: str) -> float | None:
    """The number before the first space, if it lies in 0..1."""
    try:
        value = float(reply.split(" ")[0].strip())
    except ValueError:
        return None
    return value if 0.0 <= value <= 1.0 else None


def _spread(records: Sequence[Record]) -> list[Metric]:
    """Standard deviation of the rounds' totals, over the rounds and not one less, as in the evaluator."""
    rounds = sorted({name for record in records for name in record.scores if name.startswith("round")})
    if len(rounds) < 2:
        return []
    columns = np.array([[*(record.scores.get(name, 0.0) for name in rounds), 1.0] for record in records])

    def spread(sums: Floats) -> Floats:
        return np.asarray(np.std(sums[..., :-1] / sums[..., -1:], axis=-1))

    ids, clusters = [record.id for record in records], [record.cluster for record in records]
    return [Metric("std", ids, clusters, columns, spread, higher_is_better=False)]


def _sample(root: DataRoot, key: str, entry: Entry) -> Sample:
    image = image_named(root, "mmvet/images", entry, "imagename")
    given = entry.strings("capability")
    unknown = [name for name in given if name not in CAPABILITIES]
    if unknown or not given:
        found = ", ".join(unknown) or "none"
        raise entry.error(f"expected some of {', '.join(CAPABILITIES)}, found {found}", "capability")
    return Sample(
        id=key,
        image=image,
        question=entry.get("question", str),
        reference=entry.get("answer", str),
        cluster=image.key,
        tags={"capabilities": "_".join(name for name in CAPABILITIES if name in given)},
    )
