"""POPE's real questions and every kind of file with answers to them, against the official evaluation written out.

`pope_questions.json.gz` holds image, question and label of POPE's COCO files (RUCAIBox/POPE, MIT): those of LLaVA's
tables (2,910 random questions), and the random ones of the current version (3,000).
"""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from answering import data_root, write_lines

from sqeval.config import RunConfig
from sqeval.data.join import Allow
from sqeval.errors import DataError
from sqeval.evaluation import evaluate
from sqeval.task import Sample
from sqeval_tasks.pope import CATEGORIES, POPE

TASK = POPE()
GOLDEN = Path(__file__).parents[1] / "golden" / "pope_questions.json.gz"
REAL: dict[str, list[tuple[str, str, str]]] = json.loads(gzip.decompress(GOLDEN.read_bytes()))
OFFSETS = {"adversarial": 0, "random": 10_000_000, "popular": 20_000_000}
SAID = ("Yes", "No", "yes, there is", "No.", "There is not one", "no", "Yes. Not sure", "None", "")


def write_questions(root: Path, current: bool = False) -> Path:
    for category in CATEGORIES:
        rows = REAL["random_current" if current and category == "random" else category]
        lines = [{"question_id": i, "image": a, "text": b, "label": c} for i, (a, b, c) in enumerate(rows, 1)]
        write_lines(root, f"pope/coco_pope_{category}.json", lines)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_questions(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module")
def samples(root: Path) -> list[Sample]:
    return TASK.samples(data_root(root))


def answers() -> dict[str, list[str]]:
    rng = random.Random(3)
    return {
        category: [rng.choice(SAID) if rng.random() < 0.2 else label.capitalize() for _, _, label in REAL[category]]
        for category in CATEGORIES
    }


def official(texts: list[str], labels: list[str]) -> dict[str, float]:
    """`evaluate.py` of POPE, by its rules: position by position."""
    counts = {"tp": 0, "fp": 0, "tn": 0, "fn": 0}
    for text, label in zip(texts, labels, strict=True):
        words = (text[: text.find(".")] if "." in text else text).replace(",", "").split(" ")
        yes = not ("No" in words or "not" in words or "no" in words)
        counts[("tp" if yes else "fn") if label == "yes" else ("fp" if yes else "tn")] += 1
    precision = counts["tp"] / (counts["tp"] + counts["fp"])
    recall = counts["tp"] / (counts["tp"] + counts["fn"])
    return {
        "f1": 2 * precision * recall / (precision + recall),
        "accuracy": (counts["tp"] + counts["tn"]) / len(labels),
        "precision": precision,
        "recall": recall,
        "yes_ratio": (counts["tp"] + counts["fp"]) / len(labels),
    }


def llava(said: dict[str, list[str]]) -> list[dict[str, Any]]:
    suffix = "\nAnswer the question using a single word or phrase."
    return [
        {"question_id": OFFSETS[category] + i, "prompt": question + suffix, "text": text, "answer_id": "x",
         "model_id": "llava", "metadata": {}}
        for category in ("adversarial", "popular", "random")
        for i, ((_, question, _), text) in enumerate(zip(REAL[category], said[category], strict=True), 1)
    ]  # fmt: skip


def by_sample(said: dict[str, list[str]]) -> dict[str, str]:
    return {f"{c}/{i}": text for c in CATEGORIES for i, text in enumerate(said[c], 1)}


def test_the_official_numbers_from_llava_s_file_without_an_image(root: Path, tmp_path: Path) -> None:
    said = answers()
    path = write_lines(tmp_path, "answers.jsonl", llava(said))
    config = RunConfig(tasks=("pope",), model="replay", ckpt=str(path), data=str(root), out=str(tmp_path / "out"))
    found = evaluate(config, kind="score").metrics["pope"]
    expected = {c: official(said[c], [label for _, _, label in REAL[c]]) for c in CATEGORIES}
    for category, measures in expected.items():
        for name, value in measures.items():
            assert found["metrics"][f"{name}/category={category}"]["value"] == pytest.approx(value, rel=1e-14)
    mean = sum(expected[c]["f1"] for c in CATEGORIES) / 3
    assert found["metrics"]["f1_mean"]["value"] == pytest.approx(mean, rel=1e-14)
    assert found["data_version"] == "2,910 random questions (LLaVA's tables)"
    assert found["counts"]["unparsed"] == sum(not text for texts in said.values() for text in texts)


def test_every_kind_of_file_gives_each_question_its_answer(samples: list[Sample], tmp_path: Path) -> None:
    said = answers()
    wanted = by_sample(said)
    assert TASK.read_predictions(write_lines(tmp_path, "l.jsonl", llava(said)), samples) == wanted
    for category in CATEGORIES:
        rows = list(zip(REAL[category], said[category], strict=True))
        write_lines(tmp_path, f"official/{category}.json", [{"question": q, "answer": a} for (_, q, _), a in rows])
        numbered = [{"question_id": i, "prompt": f"USER: {q} Say yes or no.", "text": a, "image": im}
                    for i, ((im, q, _), a) in enumerate(rows, 1)]  # fmt: skip
        write_lines(tmp_path, f"numbered/{OFFSETS[category]}.jsonl", numbered)
        bare = [{"question_id": str(i), "answer": a} for i, (_, a) in enumerate(rows, 1)]
        write_lines(tmp_path, f"bare/llava15_coco_pope_{category}_seed1.jsonl", bare)
    for folder in ("official", "numbered", "bare"):
        assert TASK.read_predictions(tmp_path / folder, samples) == wanted, folder


def test_numbers_come_before_the_order(samples: list[Sample], tmp_path: Path) -> None:
    """Whatever the order is, if the records have numbers that tell them apart, their category or their question."""
    said, rng = answers(), random.Random(5)
    asked = [{"question_id": row["question_id"], "question": row["prompt"].partition("\n")[0], "answer": row["text"]}
             for row in llava(said)]  # fmt: skip
    own = [{"question_id": i, "category": c, "answer": a} for c in CATEGORIES for i, a in enumerate(said[c], 1)]
    whole = [(q.lower(), a) for c in ("popular", "random", "adversarial")
             for (_, q, _), a in zip(REAL[c], said[c], strict=True)]  # fmt: skip
    ordered = [{"question_id": i, "question": q, "answer": a} for i, (q, a) in enumerate(whole)]
    rng.shuffle(asked)
    rng.shuffle(own)
    for rows in (asked, own, ordered):
        found = TASK.read_predictions(write_lines(tmp_path, "a.json", rows), samples)
        assert found == by_sample(said)


def test_questions_are_compared_where_the_category_is_given_too(tmp_path: Path) -> None:
    current = TASK.samples(data_root(write_questions(tmp_path, current=True)))
    rows = [{"question_id": i, "category": "random", "prompt": q, "text": "no"}
            for i, (_, q, _) in enumerate(REAL["random"], 1)]  # fmt: skip
    with pytest.raises(DataError, match=r"prompt: expected the question of random/\d+.*two versions"):
        TASK.read_predictions(write_lines(tmp_path, "l.jsonl", rows), current, Allow(missing=True))


def test_what_is_not_clear_is_refused(samples: list[Sample], tmp_path: Path) -> None:
    rows = [{"question_id": i, "text": a} for i, a in enumerate(answers()["random"], 1)]
    path = write_lines(tmp_path, "random_init_adversarial.jsonl", rows)
    with pytest.raises(DataError, match="the name holds random and adversarial: whose are the numbers"):
        TASK.read_predictions(path, samples, Allow(missing=True))
    both = [{"question": q, "answer": label, "text": "no"} for c in CATEGORIES for _, q, label in REAL[c]]
    with pytest.raises(DataError, match="answer: stands beside text: which is the model's"):
        TASK.read_predictions(write_lines(tmp_path, "both.json", both), samples)
    part = [{"question": q, "answer": "no"} for _, q, _ in REAL["popular"][:-1]]
    with pytest.raises(DataError, match=r"expected 3000 answers \(popular\) in the data's order, found 2999"):
        TASK.read_predictions(write_lines(tmp_path, "part.json", part), samples, Allow(missing=True))


def test_the_typing_error_of_the_first_version_does_not_matter(samples: list[Sample], tmp_path: Path) -> None:
    said = answers()
    rows = [{"question": q.replace("imange", "image"), "answer": a}
            for c in CATEGORIES for (_, q, _), a in zip(REAL[c], said[c], strict=True)]  # fmt: skip
    assert any("imange" in q for _, q, _ in REAL["popular"])
    assert TASK.read_predictions(write_lines(tmp_path, "a.json", rows), samples) == by_sample(said)


def test_answers_to_the_other_version_are_refused(tmp_path: Path) -> None:
    """Its random questions are others: joining by number would score answers against other questions."""
    current = TASK.samples(data_root(write_questions(tmp_path, current=True)))
    path = write_lines(tmp_path, "l.jsonl", llava(answers()))
    for allow in (Allow(), Allow(missing=True, extra=True)):
        with pytest.raises(DataError, match=r"prompt: expected the question of random/\d+.*two versions"):
            TASK.read_predictions(path, current, allow)


def test_a_single_category_alone(samples: list[Sample], tmp_path: Path) -> None:
    rows = [{"question": q, "answer": "no"} for _, q, _ in REAL["popular"]]
    path = write_lines(tmp_path, "p.json", rows)
    with pytest.raises(DataError, match=r"5910 samples without a prediction: random/1, .*--allow-missing"):
        TASK.read_predictions(path, samples)
    found = TASK.read_predictions(path, samples, Allow(missing=True))
    assert list(found) == [f"popular/{i}" for i in range(1, 3001)]


@pytest.mark.parametrize("key", [0, 30_000_000, "x", "9" * 30])
def test_a_number_of_no_question(samples: list[Sample], tmp_path: Path, key: object) -> None:
    rows = [*llava(answers()), {"question_id": key, "text": "yes"}]
    with pytest.raises(DataError, match=r"1 unknown ids|expected an id"):
        TASK.read_predictions(write_lines(tmp_path, "l.jsonl", rows), samples)
