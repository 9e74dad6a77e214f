"""VQAv2: joining the two official files, scores, result files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from answering import answered, data_root, values, write_json, write_lines
from hypothesis import given
from hypothesis import strategies as st

from sqeval.data.root import resolve_root
from sqeval.errors import DataError
from sqeval.model import Verbatim
from sqeval.scoring import vqa
from sqeval.task import Sample, Score
from sqeval_tasks.vqav2 import ANNOTATIONS, QUESTIONS, TEST, TEST_DEV, VQAv2

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
    [
        ("Down", "down", 1.0),
        ("at the table", "at table", 0.6),
        ("the table.", "table", 0.3),
        ("The.", None, 0.0),
        ("", None, 0.0),
    ],
)
def test_scores(tmp_path: Path, response: str, parsed: str | None, accuracy: float) -> None:
    score = TASK.score(response, samples(tmp_path)[0])
    assert score.parsed == parsed
    assert score.values["accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize(("text", "answers"), [("Yes", ["yes"] * 10), ("two.", ["2"] * 10)])
def test_a_response_is_processed_and_a_final_answer_is_not(tmp_path: Path, text: str, answers: list[str]) -> None:
    """The published protocol processes responses before submission; the evaluator normalises nothing here."""
    sample = samples(tmp_path, ASKED[1:], [annotation(42000, answers)])[0]
    assert TASK.score(text, sample) == Score(answers[0], {"accuracy": 1.0})
    assert TASK.score(Verbatim(text), sample) == Score(text, {"accuracy": 0.0})
    assert TASK.score(Verbatim(answers[0]), sample).values == {"accuracy": 1.0}


@given(text=st.text(alphabet="yesYES.,!-' \n2two", max_size=8), people=st.lists(st.sampled_from(["yes", "2", "Yes"])))
def test_final_answers_get_what_the_evaluator_gives(text: str, people: list[str]) -> None:
    answers = ["yes", *people]
    sample = Sample("1", None, "?", answers, "1")
    assert TASK.score(Verbatim(text), sample).values == {"accuracy": vqa.accuracy(text, answers)}
    assert TASK.score(text, sample).values == {"accuracy": vqa.accuracy(vqa.submitted(text), answers)}


def test_capitals_cost_nothing_on_the_mini_suite() -> None:
    mini = TASK.samples(resolve_root("mini"))
    assert values(TASK, answered(TASK, mini, lambda sample: TASK.gold(sample).capitalize()))["accuracy"] > 0.99
    shouted = values(TASK, answered(TASK, mini, lambda sample: Verbatim(TASK.gold(sample).capitalize())))
    assert shouted["accuracy"] < 0.99


def test_the_submission_scores_as_the_run_does(tmp_path: Path) -> None:
    mini = TASK.samples(resolve_root("mini"))
    spoken = answered(TASK, mini, lambda sample: f"{TASK.gold(sample).upper()}." if int(sample.id) % 3 else "It is")
    suffix, content = TASK.submission(spoken)
    path = tmp_path / f"submission{suffix}"
    path.write_bytes(content)
    final = TASK.read_predictions(path, mini)
    assert {type(answer) for answer in final.values()} == {Verbatim}
    again = answered(TASK, mini, lambda sample: final[sample.id])
    assert [record.scores for record in again] == [record.scores for record in spoken]
    assert TASK.submission(again) == (suffix, content)


def test_breakdowns(tmp_path: Path) -> None:
    found = values(TASK, answered(TASK, samples(tmp_path), lambda sample: "down"))
    assert found["accuracy"] == 0.5
    assert found["accuracy/answer_type=other"] == 1.0
    assert found["accuracy/answer_type=number"] == 0.0
    assert found["accuracy/question_type=what"] == 0.5


def test_result_file_of_the_evaluation_server(tmp_path: Path) -> None:
    rows = [{"question_id": 42001, "answer": "2"}, {"question_id": 42000, "answer": ""}]
    path = write_json(tmp_path, "results.json", rows)
    found = TASK.read_predictions(path, samples(tmp_path))
    assert found == {"42000": "", "42001": "2"}
    assert {type(answer) for answer in found.values()} == {Verbatim}
    spoken = write_lines(tmp_path, "answers.jsonl", [{"question_id": row["question_id"], "text": "2"} for row in rows])
    assert {type(answer) for answer in TASK.read_predictions(spoken, samples(tmp_path)).values()} == {str}
    bad = write_json(tmp_path, "bad.json", [rows[0], {"question_id": 42000, "answer": 5}])
    with pytest.raises(DataError, match=r"bad.json:6: answer: expected a string, found 5"):
        TASK.read_predictions(bad, samples(tmp_path))
    with pytest.raises(DataError, match=r"expected an object with .*question_id, answer.* found the fields .id.$"):
        TASK.read_predictions(write_lines(tmp_path, "other.json", [{"id": 1}]), samples(tmp_path))


def test_files_that_do_not_fit_together(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"questions.json:9: question_id: question 42000 has no annotation"):
        samples(tmp_path, annotated=ANSWERED[1:])
    with pytest.raises(DataError, match=r"annotations.json:4: question_id: no question 42000 in"):
        samples(tmp_path, asked=ASKED[:1])
    with pytest.raises(DataError, match=r"questions.json:14: question_id: id 42001 occurs twice"):
        samples(tmp_path, asked=[*ASKED, ASKED[0]])
    moved = [{**ASKED[0], "image_id": 7}, ASKED[1]]
    with pytest.raises(DataError, match="image_id: expected image 7"):
        samples(tmp_path, asked=moved)


def test_the_training_split_has_answers_and_comes_last(tmp_path: Path) -> None:
    """It is what the evaluator's own example of a result file is about."""
    of_train = [name.replace("val2014", "train2014") for name in (QUESTIONS, ANNOTATIONS)]
    write_json(tmp_path, of_train[0], {"info": {}, "questions": ASKED})
    write_json(tmp_path, of_train[1], {"info": {}, "annotations": ANSWERED})
    found = TASK.samples(data_root(tmp_path))
    assert found[0].cluster == "coco/train2014/COCO_train2014_000000000042.jpg"
    assert TASK.data_version(data_root(tmp_path), found) == "train"
    assert TASK.score("the table.", found[0]).values["accuracy"] == pytest.approx(0.3)
    hidden(tmp_path)
    assert TASK.data_version(data_root(tmp_path), found).startswith("test-dev")
    write_json(tmp_path, of_train[1], {"info": {}, "annotations": ANSWERED[:1]})
    (tmp_path / TEST_DEV).unlink()
    with pytest.raises(DataError, match=r"question 42001 has no annotation in v2_mscoco_train2014_annotations\.json"):
        TASK.samples(data_root(tmp_path))


HIDDEN = [{"image_id": 1, "question": "What?", "question_id": key} for key in (1002, 1000)]


def hidden(root: Path, questions: Rows = HIDDEN, name: str = TEST_DEV) -> list[Sample]:
    write_json(root, name, {"info": {}, "questions": questions})
    return TASK.samples(data_root(root))


def test_a_hidden_split_has_no_score(tmp_path: Path) -> None:
    found = hidden(tmp_path)
    assert [sample.id for sample in found] == ["1002", "1000"]
    assert found[0].cluster == "coco/test2015/COCO_test2015_000000000001.jpg"
    assert TASK.prompt(found[0]) == "What?\nAnswer the question using a single word or phrase."
    assert TASK.gold(found[0]) == ""
    assert TASK.data_version(data_root(tmp_path), found) == "test-dev (no score: the answers are not public)"
    records = answered(TASK, found, lambda sample: "Two dogs." if sample is found[0] else None)
    assert [record.parsed for record in records] == ["2 dogs", None]
    assert [(metric.name, len(metric.ids)) for metric in TASK.metrics(records)] == [("accuracy", 0)]


def server_takes(content: bytes, wanted: set[int]) -> bool:
    """What the official code that reads result files insists on."""
    rows = json.loads(content)
    assert isinstance(rows, list)
    ids = [row["question_id"] for row in rows]
    assert all(type(key) is int for key in ids)
    assert all(type(row["answer"]) is str and row.keys() == {"question_id", "answer"} for row in rows)
    return len(set(ids)) == len(ids) and set(ids) == wanted


def test_the_submission_of_test_dev_holds_all_of_test(tmp_path: Path) -> None:
    records = answered(TASK, hidden(tmp_path), lambda sample: "Yes")
    assert server_takes(TASK.submission(records)[1], {1000, 1002})
    hidden(tmp_path, [*HIDDEN, {**HIDDEN[0], "question_id": 1001}], TEST)
    assert server_takes(TASK.submission(records)[1], {1000, 1001, 1002})
    assert json.loads(TASK.submission(records)[1])[-1] == {"question_id": 1001, "answer": ""}
    with pytest.raises(
        DataError, match=r"dev2015_questions.json:\d+: question_id: question 1000 of test-dev is not in"
    ):
        hidden(tmp_path, HIDDEN[:1], TEST)


def test_val_comes_first_and_test_last(tmp_path: Path) -> None:
    root = data_root(tmp_path)
    assert [wanted.path for wanted in TASK.wanted(root)] == [QUESTIONS, ANNOTATIONS, "coco/val2014/COCO_val2014_*"]
    assert len(hidden(tmp_path, HIDDEN, TEST)) == 2
    assert TASK.data_version(root, []) == "test (no score: the answers are not public)"
    assert [wanted.path for wanted in TASK.wanted(root)] == [TEST, "coco/test2015/COCO_test2015_*"]
    assert server_takes(TASK.submission(answered(TASK, TASK.samples(root), lambda s: "no"))[1], {1000, 1002})
    hidden(tmp_path)
    assert [wanted.path for wanted in TASK.wanted(root)][:2] == [TEST_DEV, TEST]
    assert len(samples(tmp_path)) == 2
    assert TASK.data_version(root, []) == "val"
    assert server_takes(TASK.submission(answered(TASK, TASK.samples(root), lambda s: "no"))[1], {42000, 42001})


def test_annotators_must_be_told_apart(tmp_path: Path) -> None:
    double = {**ANSWERED[0], "answers": [{"answer": "a", "answer_id": 1}, {"answer": "b", "answer_id": 1}]}
    with pytest.raises(DataError, match="answers: expected answers with different answer_id"):
        samples(tmp_path, annotated=[double, ANSWERED[1]])
    without = {**ANSWERED[0], "answers": [{"answer": "a"}]}
    with pytest.raises(DataError, match="answer_id: expected an integer, found no such field"):
        samples(tmp_path, annotated=[without, ANSWERED[1]])
