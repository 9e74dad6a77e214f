"""VQAv2: open-ended questions about COCO images, ten human answers each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from sys import intern
from typing import Any, ClassVar

from sqeval.data.collection import paused
from sqeval.data.entry import Entry
from sqeval.data.images import ImageRef
from sqeval.data.layout import Records
from sqeval.data.mirror import Mirror
from sqeval.data.root import DataRoot
from sqeval.data.splits import Split, all_files, present
from sqeval.data.submission import answers_file
from sqeval.data.typed import Row, Rows
from sqeval.metrics import means
from sqeval.model import Settings, Verbatim
from sqeval.records import Record
from sqeval.scoring import vqa
from sqeval.stats.metric import Metric
from sqeval.task import NOTHING, Sample, Score, Size, Task, WantedFile
from sqeval_tasks import llava

TEST_DEV = "vqav2/v2_OpenEnded_mscoco_test-dev2015_questions.json"
TEST = "vqav2/v2_OpenEnded_mscoco_test2015_questions.json"
SOURCE = "visualqa.org, VQA v2.0"
TEST_IMAGES = WantedFile("coco/test2015/COCO_test2015_*", "COCO 2015 test images (for test-dev and test)")
VAL, TRAIN = (
    Split(
        name,
        (
            WantedFile(
                f"vqav2/v2_OpenEnded_mscoco_{name}2014_questions.json",
                f"{SOURCE} (for {name})",
                records=(Records("questions", "question_id"),),
            ),
            WantedFile(
                f"vqav2/v2_mscoco_{name}2014_annotations.json",
                f"{SOURCE} (for {name})",
                records=(Records("annotations", "question_id"),),
            ),
            WantedFile(f"coco/{name}2014/COCO_{name}2014_*", f"COCO 2014 {images} images (for {name})"),
        ),
        f"coco/{name}2014/COCO_{name}2014_",
    )
    for name, images in (("val", "validation"), ("train", "training"))
)
QUESTIONS, ANNOTATIONS, _ = (wanted.path for wanted in VAL.files)
HIDDEN = (
    Split(
        "test-dev",
        (
            WantedFile(TEST_DEV, f"{SOURCE} (for test-dev)", records=(Records("questions", "question_id"),)),
            WantedFile(TEST, f"{SOURCE}; the server wants test-dev's answers among all of test", required=False),
            TEST_IMAGES,
        ),
        "coco/test2015/COCO_test2015_",
        public=False,
    ),
    Split(
        "test",
        (WantedFile(TEST, f"{SOURCE} (for test)", records=(Records("questions", "question_id"),)), TEST_IMAGES),
        "coco/test2015/COCO_test2015_",
        public=False,
    ),
)
TAGS = ("answer_type", "question_type")
SPLITS = (VAL, *HIDDEN, TRAIN)


class Question(Row):
    """A record of ``questions``."""

    question_id: int
    image_id: int
    question: str


class Answer(Row):
    """What an annotator answered."""

    answer: str
    answer_id: int


class Annotation(Row):
    """A record of ``annotations``."""

    question_id: int
    image_id: int
    question_type: str
    answer_type: str
    answers: list[Answer]


class VQAv2(Task):
    """The first of val, test-dev, test and train that the data root holds. Only the evaluation server knows the answers
    of test-dev and test: their responses become a submission and have no score. Of train are the results that the
    official evaluator comes with."""

    name = "vqav2"
    version = "2"
    description = "open-ended visual question answering, scored by agreement with ten people"
    citation = "Goyal et al. 2017, Making the V in VQA Matter, CVPR"
    primary = "accuracy"
    measure = "VQA accuracy"
    files = all_files(SPLITS)
    splits: ClassVar[Mapping[str, str]] = {
        "val": "214,354 questions on 40,504 images",
        "test-dev": "107,394 questions, without answers; read where val is not there",
        "test": "447,793 questions on 81,434 images, without answers; read where neither is there",
        "train": "443,757 questions on 82,783 images; read where nothing else is there",
    }
    selectable = tuple(split.name for split in SPLITS)
    sizes: ClassVar[Mapping[str, Size]] = {
        "val": Size(214_354, 40_504),
        "test-dev": Size(107_394),
        "test": Size(447_793, 81_434),
        "train": Size(443_757, 82_783),
    }
    settings = Settings(max_new_tokens=128)
    results: ClassVar[tuple[tuple[str, str], ...]] = (("question_id", "answer"),)

    def __init__(self) -> None:
        self._unasked: list[str] = []
        """Ids that the submission has to hold besides those that were asked."""

    def wanted(self, root: DataRoot) -> Sequence[WantedFile]:
        return present(root, SPLITS).files

    @paused()
    def samples(self, root: DataRoot) -> list[Sample]:
        split = present(root, SPLITS)
        questions = Rows(root.file(split.questions), "questions", Question)
        asked = questions.keyed("question_id")
        self._unasked = _unasked(root, questions, asked) if split.questions == TEST_DEV else []
        images = _images(root, split, asked.values())
        if not split.public:
            return _samples(asked.values(), images)
        annotations = Rows(root.file(split.files[1].path), "annotations", Annotation)
        return _annotated(annotations, questions, asked, images)

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.vqa import VQAV2

        return VQAV2

    def llava_question(self, sample: Sample, position: int) -> Mapping[str, Any]:
        return {**super().llava_question(sample, position), "question_id": int(sample.id)}

    def from_llava(self, lines: Sequence[Entry], split: str | None) -> Mapping[str, Any]:
        return llava.vqav2(lines, {hidden.name: hidden.questions for hidden in HIDDEN}, split, self.prompt(NOTHING))

    def prompt(self, sample: Sample) -> str:
        return f"{sample.question}\nAnswer the question using a single word or phrase."

    def gold(self, sample: Sample) -> str:
        return "" if sample.reference is None else vqa.best_answer(sample.reference)

    def score(self, response: str | None, sample: Sample) -> Score:
        """What is parsed is the answer to submit. An empty one is shown as unparsed and scored as the official code
        does: it may agree with somebody."""
        known = sample.reference is not None
        if response is None:
            return Score(None, {"accuracy": 0.0} if known else {})
        answer = str(response) if isinstance(response, Verbatim) else vqa.submitted(response)
        values = {"accuracy": vqa.accuracy(answer, sample.reference)} if known else {}
        return Score(answer if answer.strip() else None, values)

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        scored = [record for record in records if record.reference is not None]
        return means(scored, "accuracy", TAGS, percent_first=True)

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str:
        return present(root, SPLITS).version

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        """The official result file: the evaluator gives for it the accuracy that these records have.

        That of test-dev holds all questions of test, the others with empty answers, as LLaVA's converter has it.
        """
        answers = {record.id: record.parsed or "" for record in records}
        return answers_file(answers, "question_id", self._unasked, number=True)


def _unasked(root: DataRoot, questions: Rows[Question], asked: Mapping[int, Question]) -> list[str]:
    """Ids of test that test-dev does not ask; none if the file of test is not there."""
    path = root.find(TEST)
    if path is None:
        return []
    test = Rows(path, "questions", Question).keyed("question_id")
    for number, key in enumerate(asked):
        if key not in test:
            raise questions.error(number, f"question {key} of test-dev is not in {TEST}", "question_id")
    return [str(key) for key in test if key not in asked]


def _images(root: DataRoot, split: Split, questions: Iterable[Question]) -> dict[int, ImageRef]:
    numbers = dict.fromkeys(question.image_id for question in questions)
    return {number: root.image(f"{split.images}{number:012d}.jpg") for number in numbers}


def _samples(questions: Iterable[Question], images: Mapping[int, ImageRef]) -> list[Sample]:
    """Questions whose answers are hidden."""
    return [
        Sample(str(asked.question_id), image := images[asked.image_id], asked.question, None, image.key)
        for asked in questions
    ]


def _annotated(
    annotations: Rows[Annotation],
    questions: Rows[Question],
    asked: Mapping[int, Question],
    images: Mapping[int, ImageRef],
) -> list[Sample]:
    """In the order of `annotations`, of which each of `questions`, by id, has one.

    Two million answers are few different ones: each is kept once, where scoring finds it in the processor's cache.
    Raises DataError, for annotators that cannot be told apart as well: the official code does it by their ids.
    """
    samples, tags, open_, usual = [], _Tags(), dict(asked), [0]
    for number, annotation in enumerate(annotations):
        key, answers = annotation.question_id, annotation.answers
        question = open_.pop(key, None)
        if question is None:
            problem = f"id {key} occurs twice" if key in asked else f"no question {key} in {questions.file.name}"
            raise annotations.error(number, problem, "question_id")
        if annotation.image_id != question.image_id:
            problem = f"expected image {question.image_id} as in {questions.file.name}"
            raise annotations.error(number, problem, "image_id")
        ids = [answer.answer_id for answer in answers]
        if ids != usual:
            if not ids or len(set(ids)) < len(ids):
                raise annotations.error(number, "expected answers with different answer_id", "answers")
            usual = ids  # those of the next ones, as a rule
        reference = [intern(answer.answer) for answer in answers]
        image, own = images[question.image_id], tags[annotation.answer_type, annotation.question_type]
        samples.append(Sample(str(key), image, question.question, reference, image.key, own))
    for number, key in enumerate(asked):
        if key in open_:
            problem = f"question {key} has no annotation in {annotations.file.name}"
            raise questions.error(number, problem, "question_id")
    return samples


class _Tags(dict[tuple[str, str], dict[str, str]]):
    """The tags of an answer type and a question type, one object for all samples that have them."""

    def __missing__(self, types: tuple[str, str]) -> dict[str, str]:
        self[types] = tags = dict(zip(TAGS, types, strict=True))
        return tags
