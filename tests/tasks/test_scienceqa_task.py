"""ScienceQA: LLaVA's prompt, the official table's cells, both result formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from answering import answered, data_root, values, write_json, write_lines

from sqeval.errors import DataError
from sqeval.task import Sample
from sqeval_tasks.scienceqa import PROBLEMS, SPLITS, ScienceQA

TASK = ScienceQA()


def problem(**fields: Any) -> dict[str, Any]:
    return {
        "question": "Which is  bigger?", "choices": ["the sun", "the moon"], "answer": 0, "hint": "", "image": None,
        "task": "closed choice", "grade": "grade6", "subject": "natural science", "topic": "physics",
        "category": "c", "skill": "s", "lecture": "", "solution": "", "split": "test", **fields,
    }  # fmt: skip


DATA = {
    "3": problem(),
    "5": problem(image="image.png", hint="Look at  the   picture.", answer=1, grade="grade7"),
    "8": problem(image="image.png", subject="language science", choices=list("vwxyz"), answer=4),
    "9": problem(split="train"),
}


def samples(root: Path, data: dict[str, Any] = DATA, test: list[str] = ["8", "3", "5"]) -> list[Sample]:  # noqa: B006
    write_json(root, PROBLEMS, data)
    write_json(root, SPLITS, {"train": ["9"], "test": test})
    return TASK.samples(data_root(root))


def test_samples_follow_the_split(tmp_path: Path) -> None:
    first, second, third = samples(tmp_path)
    assert [first.id, second.id, third.id] == ["8", "3", "5"]
    assert second.image is None
    assert second.cluster != first.cluster == "scienceqa/images/test/8/image.png"
    assert third.tags == {"subject": "NAT", "grade": "G7-12", "topic": "physics", "text": "yes", "image": "yes"}
    assert TASK.settings.max_new_tokens == 1024


def test_prompt_collapses_pairs_of_spaces_once(tmp_path: Path) -> None:
    _, plain, with_hint = samples(tmp_path)
    suffix = "\nAnswer with the option's letter from the given choices directly."
    assert TASK.prompt(plain) == "Which is bigger?\nA. the sun\nB. the moon" + suffix
    assert TASK.prompt(with_hint) == (
        "Context: Look at the  picture.\nWhich is bigger?\nA. the sun\nB. the moon" + suffix
    )


def test_letters_beyond_the_choices_and_unreadable_answers_are_wrong(tmp_path: Path) -> None:
    five, two, _ = samples(tmp_path)
    assert TASK.score("E", five).values == {"accuracy": 1.0}
    assert TASK.score("E", two).values == {"accuracy": 0.0}
    assert TASK.score("E", two).parsed == "E"
    assert TASK.score("a", two).parsed is None
    assert TASK.score("", two).parsed is None


def test_metrics_are_the_official_cells(tmp_path: Path) -> None:
    found = values(TASK, answered(TASK, samples(tmp_path), lambda sample: "B"))
    assert found == {
        "img_accuracy": 0.5, "accuracy": 1 / 3, "accuracy/subject=LAN": 0.0, "accuracy/subject=NAT": 0.5,
        "accuracy/context=TXT": 1.0, "accuracy/context=IMG": 0.5, "accuracy/context=NO": 0.0,
        "accuracy/grade=G1-6": 0.0, "accuracy/grade=G7-12": 1.0, "accuracy/topic=physics": 1 / 3,
    }  # fmt: skip


@pytest.mark.parametrize("indent", [None, 1])
def test_official_results_are_indices(tmp_path: Path, indent: int | None) -> None:
    asked = samples(tmp_path)
    path = write_json(tmp_path, "results.json", {"acc": 1, "results": {"3": 0, "5": -1, "8": 4}})
    if indent is None:
        write_lines(tmp_path, "results.json", [{"acc": 1, "results": {"3": 0, "5": -1, "8": 4}}])
    assert TASK.read_predictions(path, asked) == {"3": "A", "5": "", "8": "E"}


def test_bad_results(tmp_path: Path) -> None:
    asked = samples(tmp_path)
    with pytest.raises(DataError, match="1 samples without a prediction: 8"):
        TASK.read_predictions(write_json(tmp_path, "r.json", {"results": {"3": 0, "5": 1}}), asked)
    with pytest.raises(DataError, match=r"r.json:2: 5: expected an integer, found \"B\""):
        TASK.read_predictions(write_json(tmp_path, "r.json", {"results": {"3": 0, "5": "B", "8": 1}}), asked)
    (tmp_path / "twice.json").write_text('{"results":\n{"3": 0,\n"5": 1, "8": 1,\n"3": 1}}')
    with pytest.raises(DataError, match=r'twice.json:4: key "3" occurs twice'):
        TASK.read_predictions(tmp_path / "twice.json", asked)
    with pytest.raises(DataError, match="no such file"):
        TASK.read_predictions(tmp_path / "missing.json", asked)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"answer": 2}, r"problems.json:2: answer: expected the position of one of 2 choices, found 2"),
        ({"choices": ["one"]}, r":2: choices: expected 2 to 5 choices, found 1"),
        ({"subject": "history"}, r":2: subject: expected one of \"natural science\""),
        ({"grade": "grade13"}, r":2: grade: expected one of"),
        ({"image": "../../x.png"}, r":2: image: .*leaves the data root"),
        ({"hint": 4}, r":2: hint: expected a string, found 4"),
    ],
)
def test_malformed_records(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        samples(tmp_path, {"1": problem(**change)}, ["1"])


def test_the_split_names_problems_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pid_splits.json:1: test: problem 77 is not in"):
        samples(tmp_path, test=["3", "77"])
    with pytest.raises(DataError, match="test: problem 3 occurs twice"):
        samples(tmp_path, test=["3", "3"])
