"""ScienceQA: multiple-choice questions of school science, half of them with an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sqeval.data.entry import Entry, image_named
from sqeval.data.files import read_object, read_table
from sqeval.data.join import STRICT, Allow
from sqeval.data.layout import ALL, TABLE, Records
from sqeval.data.mirror import Mirror
from sqeval.data.predictions import is_object_with, read_by_id, read_numbers
from sqeval.data.root import DataRoot
from sqeval.metrics import column, means
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import choice
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Size, Task, WantedFile

PROBLEMS = "scienceqa/problems.json"
SPLITS = "scienceqa/pid_splits.json"
SOURCE = "lupantech/ScienceQA, data/scienceqa"
SUBJECTS = {"natural science": "NAT", "social science": "SOC", "language science": "LAN"}
GRADES = {f"grade{n}": "G1-6" if n <= 6 else "G7-12" for n in range(1, 13)}
LETTERS = "ABCDE"


class ScienceQA(Task):
    """The test split, questions without image included. Tables of LLaVA and its descendants show the IMG accuracy."""

    name = "scienceqa"
    version = "1"
    description = "multiple-choice school science; the accuracy shown is that of questions with an image"
    citation = "Lu et al. 2022, Learn to Explain, NeurIPS"
    primary = "img_accuracy"
    measure = "accuracy on questions with an image (IMG)"
    files = (
        WantedFile(PROBLEMS, SOURCE, records=(Records(TABLE),)),
        WantedFile(SPLITS, SOURCE, records=(Records(ALL),)),
        WantedFile("scienceqa/images/test/*/*", "lupantech/ScienceQA, images"),
    )
    splits: ClassVar[Mapping[str, str]] = {"test": "4,241 questions, 2,017 of them with an image"}
    sizes: ClassVar[Mapping[str, Size]] = {"": Size(4_241, 2_017)}
    llava_file = ".json"
    settings = Settings(max_new_tokens=1024)

    def samples(self, root: DataRoot) -> list[Sample]:
        problems = read_table(root.file(PROBLEMS))
        splits = read_object(root.file(SPLITS))
        samples: dict[str, Sample] = {}
        for pid in splits.strings("test"):
            if pid not in problems or pid in samples:
                raise splits.error(
                    f"problem {pid} {'occurs twice' if pid in samples else f'is not in {PROBLEMS}'}", "test"
                )
            samples[pid] = _sample(root, pid, problems[pid])
        return list(samples.values())

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.choices import SCIENCEQA

        return SCIENCEQA

    def llava_question(self, sample: Sample, position: int) -> Mapping[str, Any]:
        """As in ``llava_test_CQM-A.json``: a conversation, to which LLaVA's script adds the request."""
        image = {} if sample.image is None else {"image": sample.image.key.removeprefix("scienceqa/images/test/")}
        text = ("<image>\n" if image else "") + self.prompt(sample).rpartition("\n")[0]
        turns = [{"from": "human", "value": text}, {"from": "gpt", "value": self.gold(sample)}]
        return {"id": sample.id, **image, "conversations": turns}

    def prompt(self, sample: Sample) -> str:
        """LLaVA-1.5's format; pairs of spaces become one space, once, as in its question file."""
        hint = sample.metadata["hint"]
        options = [f"{letter}. {text}" for letter, text in zip(LETTERS, sample.metadata["choices"], strict=False)]
        text = "\n".join([*([f"Context: {hint}"] if hint else []), sample.question, *options])
        question = text.replace("  ", " ").strip()
        return f"{question}\nAnswer with the option's letter from the given choices directly."

    def gold(self, sample: Sample) -> str:
        return LETTERS[sample.reference]

    def score(self, response: str | None, sample: Sample) -> Score:
        letter = None if response is None else choice.scienceqa_letter(response)
        index = choice.letter_index(letter, len(sample.metadata["choices"]))
        return Score(letter, {"accuracy": float(index == sample.reference)})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        """The official table's cells; TXT and IMG overlap, as they do there."""
        with_image = [record for record in records if record.tags["image"] == "yes"]
        with_text = [record for record in records if record.tags["text"] == "yes"]
        with_neither = [record for record in records if (record.tags["text"], record.tags["image"]) == ("no", "no")]
        contexts = {"TXT": with_text, "IMG": with_image, "NO": with_neither}
        return [
            column("img_accuracy", with_image, "accuracy"),
            *means(records, "accuracy", ["subject"]),
            *(column(f"accuracy/context={name}", members, "accuracy") for name, members in contexts.items() if members),
            *means(records, "accuracy", ["grade", "topic"])[1:],
        ]

    def read_predictions(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> dict[str, str]:
        """Also the official ``{"results": {pid: index of the choice}}``, which LLaVA's evaluation writes as well; an
        index that is no choice is no answer. And LLaVA's other file, of ``correct`` and ``incorrect`` responses."""
        ids = {sample.id for sample in samples}
        indices = read_numbers(path, "results", ids, allow)
        if indices is None:
            if is_object_with(path, "incorrect"):
                sorted_out = read_object(path)
                entries = [*sorted_out.entries("correct"), *sorted_out.entries("incorrect")]
                return read_by_id(path, (("question_id", "pred"),), ids, entries=entries, allow=allow)
            return read_by_id(path, self.predictions, ids, allow=allow)
        choices = {sample.id: len(sample.metadata["choices"]) for sample in samples}
        return {pid: LETTERS[i] if 0 <= i < choices[pid] else "" for pid, i in indices.items()}


def _sample(root: DataRoot, pid: str, entry: Entry) -> Sample:
    choices, answer, hint = entry.strings("choices"), entry.get("answer", int), entry.get("hint", str, "")
    if not 2 <= len(choices) <= len(LETTERS):
        raise entry.error(f"expected 2 to {len(LETTERS)} choices, found {len(choices)}", "choices")
    if not 0 <= answer < len(choices):
        raise entry.error(f"expected the position of one of {len(choices)} choices, found {answer}", "answer")
    image = None
    if entry.value.get("image") is not None:
        image = image_named(root, f"scienceqa/images/test/{pid}", entry, "image")
    return Sample(
        id=pid,
        image=image,
        question=entry.get("question", str),
        reference=answer,
        cluster=f"scienceqa/problem/{pid}" if image is None else image.key,
        tags={
            "subject": SUBJECTS[entry.one_of("subject", SUBJECTS)],
            "grade": GRADES[entry.one_of("grade", GRADES)],
            "topic": entry.get("topic", str),
            "text": "yes" if hint else "no",
            "image": "no" if image is None else "yes",
        },
        metadata={"choices": choices, "hint": hint},
    )
