"""VQAv2: joining the two official files, scores, result files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from answering import answered, data_root, values, write_json, write_lines

from sqeval.errors import DataError
from sqeval.task import Sample
from sqeval_tasks.vqav2 import ANNOTATIONS, QUESTIONS, VQAv2

TASK = VQAv2()
Rows = list[dict[str, Any]]


def question(key: int, text: str) -> dict[str, Any]:
    return {"image_id": key // 1000, "question": text, "question_id": key}


def annotation(key: int, answers: list[str], answer_type: str = "other") -> dict[str, Any]:
    records = [{"answer": a, "answer_confidence": "yes", "answer_id": i + 1} for i, a in enumerate(answers)]
    return {
        "question_type": "what", "multiple_choice_answer": answers[0], "answers": records, "image_id": key // 1000,
        "answer_type": answer_type, "question_id": key,
    }  # fmt: skip


ASKED = [question(42001, "How many?"), question(42000, "Where is he looking?")]
ANSWERED = [
    annotation(42000, ["down"] * 6 + ["at the table"] * 2 + ["table", "Down."]),
    annotation(42001, ["2"] * 10, "number"),
]


def samples(root: Path, asked: Rows = ASKED, annotated: Rows = ANSWERED) -> list[Sample]:
    write_json(root, QUESTIONS, {"info": {}, "questions": asked})
    write_json(root, ANNOTATIONS, {"info": {}, "annotations": annotated})
    return TASK.samples(data_root(root))


def test_annotations_give_the_order(tmp_path: Path) -> None:
    first, second = samples(tmp_path)
    assert (first.id, first.question) == ("42000", "Where is he looking?")
    assert first.cluster == second.cluster == "coco/val2014/COCO_val2014_000000000042.jpg"
    assert second.tags == {"answer_type": "number", "question_type": "what"}
    assert TASK.prompt(first) == "Where is he looking?\nAnswer the question using a single word or phrase."


@pytest.mark.parametrize(
    ("response", "parsed", "accuracy"),
    [("Down", "down", 1.0), ("at the table", "at table", 0.6), ("the table.", "table", 0.3), ("", None, 0.0)],
)
def test_scores(tmp_path: Path, response: str, parsed: str | None, accuracy: float) -> None:
    score = TASK.score(response, samples(tmp_path)[0])
    assert score.parsed == parsed
    assert score.values["accuracy"] == pytest.approx(accuracy)


def test_unanimous_answers_are_compared_as_they_are(tmp_path: Path) -> None:
    sample = samples(tmp_path)[1]
    assert TASK.score("two", sample).values == {"accuracy": 0.0}
    assert TASK.score("2", sample).values == {"accuracy": 1.0}


def test_breakdowns(tmp_path: Path) -> None:
    found = values(TASK, answered(TASK, samples(tmp_path), lambda sample: "down"))
    assert found["accuracy"] == 0.5
    assert found["accuracy/answer_type=other"] == 1.0
    assert found["accuracy/answer_type=number"] == 0.0
    assert found["accuracy/question_type=what"] == 0.5


def test_result_file_of_the_evaluation_server(tmp_path: Path) -> None:
    rows = [{"question_id": 42001, "answer": "2"}, {"question_id": 42000, "answer": ""}]
    path = write_json(tmp_path, "results.json", rows)
    assert TASK.read_predictions(path, samples(tmp_path)) == {"42000": "", "42001": "2"}
    bad = write_json(tmp_path, "bad.json", [rows[0], {"question_id": 42000, "answer": 5}])
    with pytest.raises(DataError, match=r"bad.json:6: answer: expected a string, found 5"):
        TASK.read_predictions(bad, samples(tmp_path))
    with pytest.raises(DataError, match=r"expected an object with .*question_id, answer.* found the fields id"):
        TASK.read_predictions(write_lines(tmp_path, "other.json", [{"id": 1}]), samples(tmp_path))


def test_files_that_do_not_fit_together(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"questions.json:9: question_id: question 42000 has no annotation"):
        samples(tmp_path, annotated=ANSWERED[1:])
    with pytest.raises(DataError, match=r"annotations.json:4: question_id: annotation of question 42000"):
        samples(tmp_path, asked=ASKED[:1])
    with pytest.raises(DataError, match=r"questions.json:14: question_id: id 42001 occurs twice"):
        samples(tmp_path, asked=[*ASKED, ASKED[0]])
    moved = [{**ASKED[0], "image_id": 7}, ASKED[1]]
    with pytest.raises(DataError, match="image_id: expected image 7"):
        samples(tmp_path, asked=moved)


def test_annotators_must_be_told_apart(tmp_path: Path) -> None:
    double = {**ANSWERED[0], "answers": [{"answer": "a", "answer_id": 1}, {"answer": "b", "answer_id": 1}]}
    with pytest.raises(DataError, match="answers: expected answers with different answer_id"):
        samples(tmp_path, annotated=[double, ANSWERED[1]])
    without = {**ANSWERED[0], "answers": [{"answer": "a"}]}
    with pytest.raises(DataError, match="answer_id: expected an integer, found no such field"):
        samples(tmp_path, annotated=[without, ANSWERED[1]])
