"""GQA: the official script's output on a toy set that exercises every measure, to twelve decimals."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from answering import answered, data_root, values, write_json

from sqeval.config import resolve
from sqeval.errors import DataError, UserError
from sqeval.evaluation import evaluate
from sqeval.task import Sample, Score
from sqeval_tasks.gqa import ATTENTIONS, CHOICES, GQA, QUESTIONS, SCENES

TASK = GQA()
GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = {"structural type": "structural", "semantic type": "semantic", "steps number": "steps", "words number": "words"}


def toy(root: Path, *, choices: bool, attentions: bool = False) -> list[Sample]:
    (root / "gqa").mkdir()
    shutil.copy(GOLDEN / "gqa_toy_questions.json", root / QUESTIONS)
    if choices:
        shutil.copy(GOLDEN / "gqa_toy_choices.json", root / CHOICES)
    if attentions:
        shutil.copy(GOLDEN / "gqa_toy_attentions.json", root / ATTENTIONS)
        shutil.copy(GOLDEN / "gqa_toy_sceneGraphs.json", root / SCENES)
    return TASK.samples(data_root(root))


def expected(name: str) -> dict[str, float]:
    """The official script's printed numbers by our metrics' names, as fractions; counts are checked elsewhere."""
    found: dict[str, float] = {}
    prefix = ""
    for line in (GOLDEN / name).read_text().splitlines():
        if line.startswith("Accuracy / "):
            prefix = f"accuracy/{NAMES[line.removeprefix('Accuracy / ').rstrip(':')]}="
        elif match := re.match(r"\s*([\w]+): ([\d.]+)(%?)", line):
            key = prefix + match[1] if prefix else match[1].lower()
            found[key] = float(match[2]) / (100 if match[3] else 1)
    return found


def found_on_toy(root: Path, *, choices: bool, attentions: bool = False) -> dict[str, float]:
    samples = toy(root, choices=choices, attentions=attentions)
    predictions = TASK.read_predictions(GOLDEN / "gqa_toy_predictions.json", samples)
    return values(TASK, answered(TASK, samples, lambda sample: predictions[sample.id]))


def test_every_number_of_the_official_script(tmp_path: Path) -> None:
    want = expected("gqa_toy_expected_full.txt")
    found = found_on_toy(tmp_path, choices=True, attentions=True)
    assert found.keys() == want.keys()
    assert {key: f"{value:.12f}" for key, value in found.items() if abs(value - want[key]) > 5e-13} == {}


def test_without_choices_there_is_no_validity(tmp_path: Path) -> None:
    want = expected("gqa_toy_expected_llava_mode.txt")
    found = found_on_toy(tmp_path, choices=False)
    assert found.keys() - want.keys() == {"consistency"}
    assert want.keys() - found.keys() == {"validity", "plausibility"}
    assert {key: value for key, value in found.items() if key in want and abs(value - want[key]) > 5e-13} == {}


def test_grounding_needs_a_map_for_every_balanced_question_and_the_scenes(tmp_path: Path) -> None:
    toy(tmp_path, choices=False, attentions=True)
    maps = json.loads((tmp_path / ATTENTIONS).read_text())
    write_json(tmp_path, ATTENTIONS, maps[1:])
    with pytest.raises(DataError, match=r"questions.json:\d+: question 1001 has no attention map in gqa/"):
        TASK.samples(data_root(tmp_path))
    write_json(tmp_path, ATTENTIONS, [*maps[1:], {**maps[0], "attention": [[1.0, 2.0]]}])
    with pytest.raises(DataError, match=r"attentions.json:\d+: attention: expected a square of numbers"):
        TASK.samples(data_root(tmp_path))
    write_json(tmp_path, ATTENTIONS, maps)
    write_json(tmp_path, SCENES, {"n2": json.loads((tmp_path / SCENES).read_text())["n2"]})
    with pytest.raises(DataError, match=r"annotations: object 12 is not in the scene of image n1"):
        TASK.samples(data_root(tmp_path))
    (tmp_path / SCENES).unlink()
    with pytest.raises(UserError, match=r"sceneGraphs.json is missing"):
        TASK.samples(data_root(tmp_path))


def test_no_consistency_unless_all_entailed_questions_were_asked(tmp_path: Path) -> None:
    samples = toy(tmp_path, choices=False)
    balanced = [sample for sample in samples if sample.reference["balanced"]]
    assert 0 < len(balanced) < len(samples)
    found = values(TASK, answered(TASK, balanced, TASK.gold))
    assert "consistency" not in found
    assert found["accuracy"] == 1.0


def test_sample_prompt_and_leading_zeros(tmp_path: Path) -> None:
    questions = json.loads((GOLDEN / "gqa_toy_questions.json").read_text())
    write_json(tmp_path, QUESTIONS, {"0042": questions["1001"]})
    (sample,) = TASK.samples(data_root(tmp_path))
    assert sample.id == "0042"
    assert sample.cluster == "gqa/images/n1.jpg"
    assert TASK.prompt(sample) == "Is it overcast?\nAnswer the question using a single word or phrase."
    assert TASK.score("No.", sample).values == {"accuracy": 1.0}
    assert TASK.score("no ", sample).values == {"accuracy": 0.0}
    assert TASK.score("", sample).parsed is None


def test_official_predictions_are_compared_as_they_are(tmp_path: Path) -> None:
    """LLaVA's converter, not the official script, drops the period and the capitals."""
    questions = json.loads((GOLDEN / "gqa_toy_questions.json").read_text())
    write_json(tmp_path, QUESTIONS, {"1001": questions["1001"]})
    (sample,) = samples = TASK.samples(data_root(tmp_path))
    path = write_json(tmp_path, "predictions.json", [{"questionId": "1001", "prediction": "No."}])
    final = TASK.read_predictions(path, samples)["1001"]
    assert TASK.score(final, sample) == Score("No.", {"accuracy": 0.0})
    path = write_json(tmp_path, "answers.json", [{"question_id": "1001", "text": "No."}])
    assert TASK.score(TASK.read_predictions(path, samples)["1001"], sample) == Score("no", {"accuracy": 1.0})
    assert TASK.submission(answered(TASK, samples, lambda sample: "No."))[1] == (
        b'[{"questionId": "1001", "prediction": "no"}]'
    )


@pytest.mark.parametrize("protocol", ["official", "llava", "lmms"])
def test_the_server_s_questions_have_no_score_and_a_submission(tmp_path: Path, protocol: str) -> None:
    """As a rule nothing is known of them but question and image."""
    asked = {key: {"question": text, "imageId": "n1"} for key, text in (("070", "Is it red?"), ("2", "Who?"))}
    write_json(tmp_path, "data/gqa/submission_all_questions.json", asked)
    rows = [{"questionId": key, "prediction": text} for key, text in (("2", "man"), ("070", "no"))]
    said = write_json(tmp_path, "said.json", rows)
    given = {"tasks": "gqa", "data": str(tmp_path / "data"), "out": str(tmp_path), "protocol": protocol, "name": "run"}
    outcome = evaluate(resolve({**given, "model": "replay", "ckpt": str(said)}), kind="score")
    metrics = outcome.metrics["gqa"]
    assert metrics["metrics"]["accuracy"]["value"] is None
    assert metrics["data_version"] == "submission (no score: the answers are not public)"
    (submission,) = outcome.hidden("gqa")
    assert json.loads(submission.read_bytes()) == [
        {"questionId": "070", "prediction": "no"}, {"questionId": "2", "prediction": "man"},
    ]  # fmt: skip
    prompts = [json.loads(line)["prompt"] for line in (outcome.folder / "gqa" / "samples.jsonl").open()]
    assert prompts[0] == "Is it red?\nAnswer the question using a single word or phrase."


@pytest.mark.parametrize(
    ("change", "expected_error"),
    [
        ({"answer": 3}, r"questions.json:2: answer: expected a string, found 3"),
        ({"isBalanced": "yes"}, r":2: isBalanced: expected true or false"),
        ({"types": []}, r":2: types: expected an object, found \[\]"),
        ({"semantic": [{"operation": "select", "argument": 1}]}, r":\d+: argument: expected a string, found 1"),
        ({"entailed": ["1002", 4]}, r":2: entailed\[1\]: expected a string, found 4"),
    ],
)
def test_malformed_records(tmp_path: Path, change: dict[str, object], expected_error: str) -> None:
    questions = json.loads((GOLDEN / "gqa_toy_questions.json").read_text())
    write_json(tmp_path, QUESTIONS, {"1001": {**questions["1001"], **change}})
    with pytest.raises(DataError, match=expected_error):
        TASK.samples(data_root(tmp_path))


def test_choices_must_cover_the_questions(tmp_path: Path) -> None:
    toy(tmp_path, choices=True)
    write_json(tmp_path, CHOICES, {"1001": {"valid": ["no"], "plausible": ["no"]}})
    with pytest.raises(DataError, match=r"question 1002 is not in gqa/testdev_balanced_choices.json"):
        TASK.samples(data_root(tmp_path))
