"""TextVQA: LLaVA's prompt with OCR tokens, M4C's accuracy, LLaVA's answers by image and question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from answering import answered, data_root, write_json, write_lines

from sqeval.data.check import check_task
from sqeval.errors import DataError
from sqeval.model import Verbatim
from sqeval.task import Sample
from sqeval_tasks.textvqa import TextVQA

TASK = TextVQA()
FILE, OCR = "textvqa/TextVQA_0.5.1_val.json", "textvqa/TextVQA_Rosetta_OCR_v0.2_val.json"
SUFFIX = "\nAnswer the question using a single word or phrase."
Rows = list[dict[str, Any]]


def row(key: int, image: str, question: str, answers: list[str]) -> dict[str, Any]:
    return {"question_id": key, "image_id": image, "question": question, "answers": answers, "set_name": "val"}


ROWS = [
    row(
        34602, "003a", "what is the brand of This camera?", ["dakota"] * 6 + ["clos culombu"] * 2 + ["Dakota's", "nous"]
    ),
    row(34603, "003a", "what does it say?", ["It's a 1,000"] * 10),
    row(34604, "0041", "what does it say?", ["stop"] * 10),
]
TOKENS = [
    {"image_id": "003a", "ocr_tokens": ["DAKOTA", "DIGITAL"], "ocr_info": []},
    {"image_id": "0041", "ocr_tokens": []},
]


def samples(root: Path, rows: Rows = ROWS, tokens: Rows | None = TOKENS) -> list[Sample]:
    write_json(root, FILE, {"dataset_type": "val", "data": rows})
    if tokens is not None:
        write_json(root, OCR, {"data": tokens})
    return TASK.samples(data_root(root))


def test_the_prompt_has_the_tokens_also_where_there_are_none(tmp_path: Path) -> None:
    first, _, last = samples(tmp_path)
    assert TASK.prompt(first) == ("What is the brand of this camera?\nReference OCR token: DAKOTA, DIGITAL" + SUFFIX)
    assert TASK.prompt(last) == "What does it say?\nReference OCR token: " + SUFFIX
    assert first.id == "34602"
    assert first.cluster == "textvqa/train_images/003a.jpg"
    assert TASK.settings.max_new_tokens == 128
    assert TASK.data_version(data_root(tmp_path), []) == "val, with OCR tokens"


def test_without_tokens_answers_can_be_scored_but_nothing_asked(tmp_path: Path) -> None:
    rows = samples(tmp_path, tokens=None)
    assert TASK.prompt(rows[2]) == "What does it say?" + SUFFIX
    assert TASK.data_version(data_root(tmp_path), rows) == "val, without OCR tokens"
    assert [wanted.path for wanted in check_task(TASK, data_root(tmp_path)).missing] == [OCR, "textvqa/train_images/*"]


@pytest.mark.parametrize(
    ("response", "number", "parsed", "accuracy"),
    [
        ("Dakota.", 0, "dakota", 1.0),
        ("Clos Culombu", 0, "clos culombu", 0.6),
        ("dakota's", 0, "dakota 's", 0.3),
        ("it's 1000", 1, "it 's 1000", 1.0),
        ("STOP!", 2, "stop", 1.0),
        ("", 2, None, 0.0),
    ],
)
def test_both_sides_are_processed_always(
    tmp_path: Path, response: str, number: int, parsed: str | None, accuracy: float
) -> None:
    sample = samples(tmp_path)[number]
    for text in (response, Verbatim(response)):
        score = TASK.score(text, sample)
        assert score.parsed == parsed
        assert score.values["accuracy"] == pytest.approx(accuracy)


def official(prediction: str, answers: list[str]) -> float:
    """The evaluator's way, written out: a table of unique answers with their soft scores."""
    from sqeval.scoring.vqa import submitted

    processed = [submitted(answer) for answer in answers]
    table = {}
    for unique in set(processed):
        scores = []
        for i in range(len(processed)):
            others = [answer for j, answer in enumerate(processed) if j != i]
            scores.append(min(1, float(others.count(unique)) / 3))
        total = 0.0
        for score in scores:
            total += score
        table[unique] = total / len(scores)
    return table.get(submitted(prediction), 0.0)


@pytest.mark.parametrize("response", ["dakota", "clos culombu", "Dakota's", "nous", "other"])
def test_the_score_is_that_of_the_table_of_unique_answers(tmp_path: Path, response: str) -> None:
    sample = samples(tmp_path)[0]
    assert TASK.score(response, sample).values["accuracy"] == official(response, sample.reference)


@pytest.mark.parametrize("response", ["", "the", "an.", "a lot"])
def test_nothing_agrees_with_people_of_whose_answer_nothing_is_left(tmp_path: Path, response: str) -> None:
    rows = [{**ROWS[0], "answers": ["a"] * 8 + ["A", "the"]}]
    (sample,) = samples(tmp_path, rows)
    expected = official(response, sample.reference)
    assert expected == (0.0 if response == "a lot" else 1.0)
    assert TASK.score(response, sample).values["accuracy"] == expected


def llava(rows: Rows, texts: list[str]) -> Rows:
    def prompt(question: str) -> str:
        return f"{question.capitalize()}\nReference OCR token: x{SUFFIX}"

    pairs = zip(rows, texts, strict=True)
    return [{"question_id": r["image_id"], "text": text, "prompt": prompt(r["question"])} for r, text in pairs]


def test_llava_s_answers_are_found_by_image_and_question(tmp_path: Path) -> None:
    rows = samples(tmp_path)
    answers = llava(ROWS, ["a", "b", "c"])
    want = {"34602": "a", "34603": "b", "34604": "c"}
    assert TASK.read_predictions(write_lines(tmp_path, "l.jsonl", answers[::-1]), rows) == want
    tokens_first = {**answers[0], "prompt": f"Reference OCR token: x\n{ROWS[0]['question']}{SUFFIX}"}
    assert TASK.read_predictions(write_lines(tmp_path, "l.jsonl", [tokens_first, *answers[1:]]), rows) == want
    with pytest.raises(DataError, match=r"l.jsonl:4: prompt: id .* occurs twice"):
        TASK.read_predictions(write_lines(tmp_path, "l.jsonl", [*answers, answers[0]]), rows)
    with pytest.raises(DataError, match="1 samples without a prediction: 34604"):
        TASK.read_predictions(write_lines(tmp_path, "l.jsonl", answers[:2]), rows)
    with pytest.raises(DataError, match=r':1: prompt: nobody asks "what else\?" about image "003a"'):
        TASK.read_predictions(write_lines(tmp_path, "l.jsonl", [{**answers[0], "prompt": "What else?\nx"}]), rows)
    twins = samples(tmp_path, [*ROWS, row(7, "003a", "What does it say?", ["x"] * 10)])
    with pytest.raises(DataError, match="questions 34603 and 7 are the same"):
        TASK.read_predictions(write_lines(tmp_path, "l.jsonl", answers), twins)


def test_the_submission_holds_responses_and_scores_as_the_run_does(tmp_path: Path) -> None:
    """Processing an answer twice is once too often: ``whats`` would become ``what 's``."""
    rows = samples(tmp_path, [row(1, "003a", "?", ["what's"] * 10), row(2, "003a", "??", ["whats"] * 10)])
    spoken = answered(TASK, rows, lambda sample: "Whats")
    assert [record.scores["accuracy"] for record in spoken] == [0.0, 1.0]
    suffix, content = TASK.submission(spoken)
    assert json.loads(content) == [{"question_id": 1, "answer": "Whats"}, {"question_id": 2, "answer": "Whats"}]
    (tmp_path / f"s{suffix}").write_bytes(content)
    final = TASK.read_predictions(tmp_path / "s.json", rows)
    assert [r.scores for r in answered(TASK, rows, lambda s: final[s.id])] == [r.scores for r in spoken]


def test_the_test_split_has_no_score(tmp_path: Path) -> None:
    rows = [{k: v for k, v in r.items() if k != "answers"} for r in ROWS]
    write_json(tmp_path, FILE.replace("val", "test"), {"data": rows})
    write_json(tmp_path, OCR.replace("val", "test"), {"data": TOKENS})
    found = TASK.samples(data_root(tmp_path))
    assert found[0].cluster == "textvqa/test_images/003a.jpg"
    [accuracy] = TASK.metrics(answered(TASK, found, lambda sample: "x"))
    assert (accuracy.name, len(accuracy.ids)) == ("accuracy", 0)
    assert TASK.score("x", found[0]).values == {}
    assert TASK.gold(found[0]) == ""


@pytest.mark.parametrize(
    ("rows", "tokens", "expected"),
    [
        ([{**ROWS[0], "answers": ["x"] * 9}], TOKENS, r"val.json:\d+: answers: expected 10 answers, found 9"),
        ([{**ROWS[0], "image_id": "ffff"}], TOKENS, r"image_id: image ffff has no OCR tokens in textvqa/TextVQA_Ros"),
        ([{**ROWS[0], "image_id": "../x"}], TOKENS, r"image_id: .*leaves the data root"),
        ([ROWS[0], ROWS[0]], TOKENS, r"question_id: id 34602 occurs twice"),
        ([{**ROWS[0], "question_id": "1"}], TOKENS, r"question_id: expected an integer"),
        (ROWS, [*TOKENS, TOKENS[0]], r"OCR_v0.2_val.json:\d+: image_id: id \"003a\" occurs twice"),
        (ROWS, [{**TOKENS[0], "ocr_tokens": [3]}], r"ocr_tokens\[0\]: expected a string, found 3"),
    ],
)
def test_malformed_records(tmp_path: Path, rows: Rows, tokens: Rows, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        samples(tmp_path, rows, tokens)
