"""LLaVA-Bench: the judge's prompt to the letter, LLaVA's parser, LLaVA's summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from answering import answered, data_root, values, write_lines
from judged_data import write_llava_wild

from sqeval.errors import DataError
from sqeval.records import Record
from sqeval.task import Sample
from sqeval_tasks.llava_wild import LLaVAWild, ratings

TASK = LLaVAWild()
FOLDER = "llava-bench-in-the-wild"
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "judge_prompts.json").read_text("utf-8"))


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    return TASK.samples(data_root(write_llava_wild(tmp_path)))


def test_references_are_joined_by_id(samples: list[Sample]) -> None:
    assert [sample.reference for sample in samples] == ["A hill.", "A hill with a tree.", "Because.", "Nothing."]
    assert TASK.prompt(samples[0]) == "What is it?"
    assert TASK.settings.max_new_tokens == 1024
    assert samples[2].cluster == samples[3].cluster == f"{FOLDER}/images/002.jpg"


@pytest.mark.parametrize(("number", "category"), [(0, "conv"), (1, "detail"), (2, "complex")])
def test_the_judge_s_prompt_is_llava_s(samples: list[Sample], number: int, category: str) -> None:
    rule = GOLDEN["llavaw_rules"][f"llava_bench_{category}"]
    inquiry = TASK.inquire("Mine.", samples[number], [])
    assert inquiry is not None
    role, caption = rule["role"], "Two people.\nThey talk." if number == 2 else "A hill in the sun."
    expected = (
        f"[Context]\n{caption}\n\n[Question]\n{samples[number].question}\n\n"
        f"[{role} 1]\n{samples[number].reference}\n\n[End of {role} 1]\n\n"
        f"[{role} 2]\nMine.\n\n[End of {role} 2]\n\n[System]\n{rule['prompt']}\n\n"
    )
    assert inquiry.messages == (("system", GOLDEN["llavaw_system"]), ("user", expected))
    assert (inquiry.max_tokens, inquiry.temperature) == (1024, 0.2)
    assert TASK.inquire("Mine.", samples[number], ["?"]) is None  # LLaVA asks once


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("8 7", (8, 7)),
        ("8.5 7\nBecause 1 2", (8.5, 7)),
        ("8,7", (8, 7)),
        ("8, 7", None),  # comma and space are two separators
        ("8  7", None),
        ("8 7 ", None),
        ("\n8 7", None),
        ("Assistant 1: 8", None),
        ("nan 7", None),
        ("", None),
    ],
)
def test_ratings_are_two_numbers_in_the_first_line(reply: str, expected: tuple[float, float] | None) -> None:
    assert ratings(reply) == expected


def judged(samples: Sequence[Sample], rounds: Sequence[Sequence[str]]) -> list[Record]:
    plain = answered(TASK, samples, lambda sample: "x")
    scores = [TASK.judged(sample, [[reply] for reply in its]) for sample, its in zip(samples, rounds, strict=True)]
    return [r.but(parsed=s.parsed, scores=s.values) for r, s in zip(plain, scores, strict=True)]


def summary(pairs: Sequence[tuple[float, float]]) -> float:
    """LLaVA's, written out."""
    first, second = (round(float(mean), 3) for mean in np.asarray(pairs).mean(0))
    return round(second / first * 100, 1)


def test_the_summary_is_llava_s(samples: list[Sample]) -> None:
    pairs = [(9.0, 7.0), (8.0, 8.5), (8.0, 3.0), (9.0, 4.0)]
    found = values(TASK, judged(samples, [[f"{a} {b}\nSo it is."] for a, b in pairs]))
    assert round(100 * found["relative"], 1) == summary(pairs)
    assert round(100 * found["relative/category=complex"], 1) == summary(pairs[2:])
    assert round(100 * found["relative/category=conv"], 1) == summary(pairs[:1])
    assert found["answer"] == pytest.approx(0.5625)
    assert found["reference/category=detail"] == pytest.approx(0.8)


def test_means_are_rounded_before_they_are_divided(samples: list[Sample]) -> None:
    pairs = [(7.0, 2.0), (7.0, 2.0), (8.0, 3.0)]
    found = values(TASK, judged(samples[:3], [[f"{a} {b}"] for a, b in pairs]))
    assert found["relative"] == 2.333 / 7.333


def test_a_reply_that_cannot_be_read_is_averaged_in_as_llava_does_it(samples: list[Sample]) -> None:
    records = judged(samples, [["9 7"], ["I cannot say."], ["8 3"], ["9 4"]])
    assert [record.parsed for record in records] == ["9 7", None, "8 3", "9 4"]
    found = values(TASK, records)
    assert round(100 * found["relative"], 1) == summary([(9, 7), (-1, -1), (8, 3), (9, 4)])
    assert values(TASK, judged(samples, [["?"]] * 4))["relative"] == 0.0  # and never -1 / -1


def test_a_question_without_a_response_counts_against_the_model(samples: list[Sample]) -> None:
    full = judged(samples, [["9 7", "8 8"]] * 4)
    errored = answered(TASK, samples, lambda sample: None)[:1]
    found = values(TASK, [*errored, *full[1:]])
    rounds = [summary([(10, 0), *[pair] * 3]) for pair in ((9, 7), (8, 8))]
    assert 100 * found["relative"] == pytest.approx(sum(rounds) / 2, abs=0.05)
    assert values(TASK, full)["relative"] == pytest.approx((7 / 9 + 1) / 2, abs=1e-3)


@pytest.mark.parametrize(
    ("file", "row", "expected"),
    [
        ("questions", {"question_id": 9}, r"questions.jsonl:5: question_id: question 9 has no answer"),
        ("questions", {"question_id": 0}, r"questions.jsonl:5: question_id: id \"0\" occurs twice"),
        ("questions", {"question_id": 3, "image": "003.jpg"}, r"questions.jsonl:5: .*occurs twice"),
        ("context", {"image": "001.jpg", "caption": "x"}, r"context.jsonl:3: image: .*occurs twice"),
        ("context", {"image": "003.jpg", "caption": 3}, r"context.jsonl:3: caption: expected a string, found 3"),
        ("context", {"image": "003.jpg", "caption": [3]}, r"context.jsonl:3: caption\[0\]: expected a string"),
        ("answers_gpt4", {"question_id": 9}, r"answers_gpt4.jsonl:5: text: expected a string"),
    ],
)
def test_malformed_records(tmp_path: Path, file: str, row: dict[str, object], expected: str) -> None:
    path = write_llava_wild(tmp_path) / FOLDER / f"{file}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    base = {"image": "001.jpg", "category": "conv", "text": "?"} if file == "questions" else {}
    write_lines(tmp_path, f"{FOLDER}/{file}.jsonl", [*rows, base | row])
    with pytest.raises(DataError, match=expected):
        TASK.samples(data_root(tmp_path))


def test_an_unknown_category_and_an_image_without_caption(tmp_path: Path) -> None:
    root = data_root(write_llava_wild(tmp_path))
    row = {"question_id": 0, "image": "001.jpg", "category": "poetry", "text": "?"}
    write_lines(tmp_path, f"{FOLDER}/questions.jsonl", [row])
    with pytest.raises(DataError, match=r"questions.jsonl:1: category: expected one of \"conv\", "):
        TASK.samples(root)
    write_lines(tmp_path, f"{FOLDER}/questions.jsonl", [{**row, "category": "conv", "image": "009.jpg"}])
    with pytest.raises(DataError, match=r"questions.jsonl:1: image: the image has no caption in context.jsonl"):
        TASK.samples(root)
