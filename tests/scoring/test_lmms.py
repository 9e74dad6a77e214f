"""lmms-eval's own results: `lmms_cases.json` holds what the functions of its release 0.7.3 returned for our inputs."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sqeval.scoring import lmms, lmms_choice, yesno

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "lmms_cases.json").read_text("utf-8"))
VAL = json.loads(gzip.decompress((GOLDEN / "vizwiz_val_answers.json.gz").read_bytes()))


@pytest.mark.parametrize(("response", "expected"), CASES["said"])
def test_said(response: str, expected: str) -> None:
    """Its `strip_reasoning_tags` with the tags of its command line, and the strip that follows."""
    assert lmms.said(response) == expected


@pytest.mark.parametrize(("prediction", "answers", "expected"), CASES["vqav2"])
def test_vqav2(prediction: str, answers: list[str], expected: float) -> None:
    assert lmms.vqa_accuracy(prediction, answers) == expected


@pytest.mark.parametrize(("prediction", "answers", "expected"), CASES["vizwiz_and_textvqa"])
def test_vizwiz_and_textvqa(prediction: str, answers: list[str], expected: float) -> None:
    assert lmms.soft_accuracy(prediction, answers) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda people: "unanswerable", 52.12),
        (lambda people: "Unanswerable", 52.12),
        (lambda people: Counter(people).most_common(1)[0][0], 94.11),
        (lambda people: people[0], 73.51),
        (lambda people: people[2].upper() + ".", 75.33),
    ],
)
def test_vizwiz_validation_set(answer: Callable[[list[str]], str], expected: float) -> None:
    """The rule of both sides processed, on all 4,319 questions; the official evaluator gives 52.12 and 94.01, ..."""
    total = sum(lmms.soft_accuracy(answer(row["answers"]), row["answers"]) for row in VAL)
    assert round(100 * total / len(VAL), 2) == expected


@pytest.mark.parametrize(("prediction", "gold", "expected"), CASES["gqa"])
def test_gqa(prediction: str, gold: str, expected: float) -> None:
    assert float(lmms.exact(prediction) == lmms.exact(gold)) == expected


@pytest.mark.parametrize(("response", "choices", "answer", "expected"), CASES["scienceqa"])
def test_scienceqa(response: str, choices: int, answer: int, expected: float) -> None:
    assert float(lmms.scienceqa_letter(response) == "ABCDE"[answer]) == expected


@pytest.mark.parametrize(("response", "options", "matched", "static"), CASES["mmbench"])
def test_mmbench(response: str, options: dict[str, str], matched: str | None, static: str | None) -> None:
    assert lmms_choice.matched(response, options) == matched
    assert (matched or lmms_choice.extracted(response, sorted(options))) == static


@pytest.mark.parametrize("case", CASES["pope"])
def test_pope(case: dict[str, Any]) -> None:
    outcomes = [lmms.pope_outcome(lmms.pope_answer(response), label) for response, label in case["pairs"]]
    counts = np.array([outcomes.count(name) for name in lmms.POPE_COUNTS], dtype=np.float64)
    assert counts.sum() == len(case["pairs"])
    functions = {
        "accuracy": yesno.accuracy, "precision": yesno.precision, "recall": yesno.recall, "f1_score": yesno.f1,
        "yes_ratio": lmms.true_yes_ratio,
    }  # fmt: skip
    assert {name: float(function(counts)) for name, function in functions.items()} == {
        name: case[name] for name in functions
    }
    assert lmms.true_yes_ratio(np.stack([counts, 0 * counts])).tolist() == [case["yes_ratio"], 0.0]
