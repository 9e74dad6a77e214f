"""VizWiz: questions that blind people asked about pictures they took; many cannot be answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sqeval.data.entry import Entry, image_named
from sqeval.data.files import read_list, require_unique
from sqeval.data.join import STRICT, Allow
from sqeval.data.layout import LIST, Records
from sqeval.data.mirror import Mirror
from sqeval.data.predictions import read_by_id
from sqeval.data.root import DataRoot
from sqeval.data.splits import Split, all_files, present
from sqeval.data.submission import answers_file
from sqeval.errors import UserError
from sqeval.java import find_java
from sqeval.metrics import means, ratio_of_sums
from sqeval.model import Settings, Verbatim
from sqeval.records import Record
from sqeval.scoring import vizwiz, vqa
from sqeval.scoring.captions import plain_scores
from sqeval.stats.metric import Metric
from sqeval.task import NOTHING, Sample, Score, Size, Task, WantedFile
from sqeval_tasks import llava
from sqeval_tasks.captioning import coco_metrics

SOURCE = "vizwiz.org, VQA, annotations"
SPLITS = tuple(
    Split(
        name,
        (
            WantedFile(f"vizwiz/{name}.json", f"{SOURCE} (for {name})", records=(Records(LIST, "image"),)),
            WantedFile(f"vizwiz/{name}/*", f"vizwiz.org, VQA, {name} images"),
        ),
        f"vizwiz/{name}",
        public=name == "val",
    )
    for name in ("val", "test")
)
AS_CAPTIONS = "answer_"
"""Prefix of the scores of answers as captions."""
MEASURES = {
    "unanswerable_ap": vizwiz.average_precision,
    "unanswerable_f1": vizwiz.f1,
    "unanswerable_precision": vizwiz.precision,
    "unanswerable_recall": vizwiz.recall,
}


class VizWiz(Task):
    """The validation split or, where it is not there, the test split, whose answers only the server knows.

    A question has no number: its id is the name of its image. The server's second task, whether a question can be
    answered, is measured on the same answers: "unanswerable" says that it cannot. The official evaluator also holds
    answers against people's as captions are held against captions: ``answer_cider`` and its like, which need Java.
    """

    name = "vizwiz"
    version = "2"
    description = "questions of blind people about their own pictures, which may be unanswerable"
    citation = "Gurari et al. 2018, VizWiz Grand Challenge: Answering Visual Questions from Blind People, CVPR"
    primary = "accuracy"
    measure = "VizWiz's VQA accuracy"
    files = all_files(SPLITS)
    splits: ClassVar[Mapping[str, str]] = {
        "val": "4,319 questions, an image each",
        "test": "8,000 questions, without answers; read where val is not there",
    }
    selectable = tuple(split.name for split in SPLITS)
    sizes: ClassVar[Mapping[str, Size]] = {"val": Size(4_319, 4_319), "test": Size(8_000, 8_000)}
    settings = Settings(max_new_tokens=128)
    results: ClassVar[tuple[tuple[str, str], ...]] = (("image", "answer"),)

    def wanted(self, root: DataRoot) -> Sequence[WantedFile]:
        return present(root, SPLITS).files

    def samples(self, root: DataRoot) -> list[Sample]:
        split = present(root, SPLITS)
        entries = read_list(root.file(split.questions))
        require_unique(((entry.get("image", str), entry) for entry in entries), "image")
        return [_sample(root, split, entry) for entry in entries]

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.vqa import VIZWIZ

        return VIZWIZ

    def llava_question(self, sample: Sample, position: int) -> Mapping[str, Any]:
        return {**super().llava_question(sample, position), "question_id": position}

    def from_llava(self, lines: Sequence[Entry], split: str | None) -> Mapping[str, Any]:
        return {"vizwiz/test.json": llava.vizwiz(lines, split, self.prompt(NOTHING))}

    def prompt(self, sample: Sample) -> str:
        """LLaVA's: the first letter is a capital, and no other is."""
        return (
            f"{sample.question.capitalize()}\n"
            "When the provided information is insufficient, respond with 'Unanswerable'.\n"
            "Answer the question using a single word or phrase."
        )

    def gold(self, sample: Sample) -> str:
        if sample.reference is None:
            return ""
        answers: list[str] = sample.reference["answers"]
        return max(dict.fromkeys(answers), key=lambda answer: vizwiz.accuracy(vqa.submitted(answer), answers))

    def score(self, response: str | None, sample: Sample) -> Score:
        """What is parsed is the answer to submit: LLaVA's converter processes it as that for VQAv2 does."""
        answer = response if response is None or isinstance(response, Verbatim) else vqa.submitted(response)
        parsed = answer if answer and answer.strip() else None
        if sample.reference is None:
            return Score(parsed, {})
        accuracy = 0.0 if answer is None else vizwiz.accuracy(answer, sample.reference["answers"])
        outcome = vizwiz.outcome(answer, sample.reference["answerable"])
        return Score(parsed, {"accuracy": accuracy, **{count: float(count == outcome) for count in vizwiz.COUNTS}})

    def not_computed(self) -> Mapping[str, str]:
        try:
            find_java()
        except UserError as error:
            return {metric.name: str(error) for metric in coco_metrics([], begin=AS_CAPTIONS)}
        return {}

    def corpus_scores(
        self, records: Sequence[Record], samples: Sequence[Sample]
    ) -> Sequence[Mapping[str, float]] | None:
        """Answers as captions. Those of other questions would change CIDEr's frequencies, so all samples count."""
        known = {sample.id: sample for sample in samples if sample.reference is not None}
        if not known or self.not_computed():
            return None
        answers = {record.id: record.parsed or "" for record in records if record.id in known}
        scores = plain_scores(answers, {key: sample.reference["answers"] for key, sample in known.items()})
        return [scores.get(record.id, {}) for record in records]

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        scored = [record for record in records if record.reference is not None]
        found = means(scored, "accuracy", ["answer_type"], percent_first=True)
        if not scored:
            return found
        said = scored if all("cider" in record.scores for record in scored) else []
        answerability = (ratio_of_sums(name, scored, vizwiz.COUNTS, f) for name, f in MEASURES.items())
        return [*found, *answerability, *coco_metrics(said, begin=AS_CAPTIONS)]

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str:
        return present(root, SPLITS).version

    def read_predictions(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> dict[str, str]:
        """The id may also be the image's name without suffix, as in the hub's copy, or LLaVA's number: the position of
        the question in the file."""
        ids = [sample.id for sample in samples]
        names = {str(i): name for i, name in enumerate(ids)} | {Path(name).stem: name for name in ids}
        formats = (*self.predictions, ("image", "text"))
        return read_by_id(
            path, formats, set(ids), final=self.results, rename=lambda key: names.get(key, key), allow=allow
        )

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        """The official result file."""
        answers = {record.id: record.parsed or "" for record in records}
        return answers_file(answers, "image")

    def other_submissions(self, records: Sequence[Record]) -> Mapping[str, bytes]:
        """For the answerability challenge: 0 where the answer is "unanswerable", 1 elsewhere."""
        rows = [{"image": r.id, "answerable": float(not vizwiz.declines(r.parsed or ""))} for r in records]
        return {".answerability.json": json.dumps(rows).encode()}


def _sample(root: DataRoot, split: Split, entry: Entry) -> Sample:
    image = image_named(root, split.images, entry, "image")
    known = split.public
    return Sample(
        id=entry.get("image", str),
        image=image,
        question=entry.get("question", str),
        reference=_reference(entry) if known else None,
        cluster=image.key,
        tags={"answer_type": entry.get("answer_type", str)} if known else {},
    )


def _reference(entry: Entry) -> dict[str, object]:
    """The answers, and whether there can be one. Copies of the file without the field `answerable` say the same by the
    answer's type."""
    answers = entry.column("answers", "answer", str)
    if not answers:
        raise entry.error("expected at least one answer", "answers")
    by_type = int(entry.get("answer_type", str) != vizwiz.UNANSWERABLE)
    answerable = entry.get("answerable", int, by_type)
    if answerable not in (0, 1):
        raise entry.error(f"expected 0 or 1, found {answerable}", "answerable")
    return {"answers": answers, "answerable": bool(answerable)}
