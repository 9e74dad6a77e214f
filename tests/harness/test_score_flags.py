"""`sqeval score` as it is typed: what is missing is shown and counted apart, and no image has to be there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sqeval.cli.app import app

CATEGORIES = ("random", "popular", "adversarial")
THINGS = (("cat", "yes"), ("dog", "no"), ("cup", "yes"), ("bus", "no"))
ROWS = [
    {
        "question_id": i,
        "image": f"COCO_val2014_{i:012d}.jpg",
        "text": f"Is there a {name} in the image?",
        "label": label,
    }
    for i, (name, label) in enumerate(THINGS, 1)
]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("root/pope").mkdir(parents=True)
    for category in CATEGORIES:
        Path(f"root/pope/coco_pope_{category}.json").write_text(
            "".join(json.dumps(row) + "\n" for row in ROWS), "utf-8"
        )


def score(rows: list[dict[str, Any]], *flags: str, code: int = 0, name: str = "run") -> tuple[Any, dict[str, Any]]:
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    given = [
        "score",
        "--task",
        "pope",
        "--data",
        "root",
        "--predictions",
        "answers.jsonl",
        "--out",
        "o",
        "--name",
        name,
    ]
    result: Any = CliRunner().invoke(app, [*given, *flags])
    assert result.exit_code == code, (result.exception, result.output)
    path = Path(f"o/{name}/pope/metrics.json")
    return result, json.loads(path.read_bytes()) if path.is_file() else {}


ANSWERS = [{"question_id": f"{category}/{row['question_id']}", "text": str(row["label"]).capitalize()}
           for category in CATEGORIES for row in ROWS]  # fmt: skip


def test_no_image_is_needed_and_every_metric_is_shown() -> None:
    result, metrics = score(ANSWERS)
    assert metrics["metrics"]["f1_mean"]["value"] == 1.0
    assert "yes_ratio/category=adversarial" in result.stdout
    assert "100.00" in result.stdout
    assert "50.00" in result.stdout
    assert result.stdout.splitlines()[-1] == "o/run"


def test_missing_predictions_are_wrong_and_are_not_empty_ones() -> None:
    empty = [{**row, "text": ""} if row["question_id"] == "random/1" else row for row in ANSWERS[:-2]]
    result, found = score(empty, code=2)
    assert found == {}
    assert "2 samples without a prediction: adversarial/3, adversarial/4" in result.stderr
    assert "--allow-missing" in result.stderr
    result, found = score(empty, "--allow-missing")
    assert found["counts"] == {"n": 12, "scored": 9, "unparsed": 1, "errored": 0, "missing": 2, "truncated": 0}
    assert "1 unparsed, 2 missing of 12" in result.stdout
    assert found["metrics"]["accuracy/category=adversarial"]["value"] == 0.5
    samples = [json.loads(line) for line in Path("o/run/pope/samples.jsonl").read_text("utf-8").splitlines()]
    assert [s["finish_reason"] for s in samples[-2:]] == ["missing", "missing"]
    assert [s["response"] for s in (samples[0], samples[-1])] == ["", None]
    assert json.loads(Path("o/run/run.json").read_bytes())["config"]["model_args"] == {"allow_missing": "true"}


def test_a_run_with_missing_predictions_is_scored_again() -> None:
    _, found = score(ANSWERS[:-2], "--allow-missing")
    result: Any = CliRunner().invoke(app, ["score", "--predictions", "o/run", "--out", "o", "--name", "again"])
    assert result.exit_code == 0, result.output
    again = json.loads(Path("o/again/pope/metrics.json").read_bytes())
    assert (again["counts"], again["metrics"]) == (found["counts"], found["metrics"])


def test_a_part_is_scored_as_if_there_were_no_more_and_is_not_ranked() -> None:
    score(ANSWERS, name="whole")
    kept = [row for row in ANSWERS if not row["question_id"].endswith("/2")]
    result, _ = score(kept, code=2)
    assert "--allow-part leaves them out" in result.stderr
    result, found = score(kept, "--allow-part")
    assert found["counts"]["n"] == 9
    assert found["data_version"] == "9 of 12 samples"
    assert "data version 9 of 12 samples" in result.stdout
    assert "3" in next(line for line in result.stdout.splitlines() if "f1/category=random" in line).split()
    shown: Any = CliRunner().invoke(app, ["leaderboard", "o", "--format", "json"])
    rows = {row["run"]: (row["standing"], row["flags"]) for row in json.loads(shown.stdout)["rows"]}
    assert rows == {"whole": ("full", ""), "run": ("partial", "a part")}
    score(kept, "--allow-missing", name="missing")
    shown = CliRunner().invoke(app, ["leaderboard", "o", "--format", "json"])
    rows = {row["run"]: (row["standing"], row["flags"]) for row in json.loads(shown.stdout)["rows"]}
    assert rows["missing"] == ("partial", "3 missing")


def test_one_category_of_pope_has_its_own_f1() -> None:
    rows = [row for row in ANSWERS if row["question_id"].startswith("adversarial")]
    rows[1] = {**rows[1], "text": "Yes"}
    _, found = score(rows, "--allow-part")
    values = {name: metric["value"] for name, metric in found["metrics"].items()}
    assert values["f1_mean"] == values["f1/category=adversarial"] == values["f1"] == 0.8


def test_a_limited_run_that_is_whole_is_no_part() -> None:
    """All that it was asked is there: frequencies of captions are still those of all samples."""
    given = ["--tasks", "pope", "--data", "mini", "--model", "majority", "--limit", "20", "--out", "o", "--name", "few"]
    run: Any = CliRunner().invoke(app, ["run", *given])
    assert run.exit_code == 0, run.output
    again: Any = CliRunner().invoke(
        app, ["score", "--predictions", "o/few", "--allow-part", "--out", "o", "--name", "two"]
    )
    assert again.exit_code == 0, again.output
    few, two = (json.loads(Path(f"o/{name}/pope/metrics.json").read_bytes()) for name in ("few", "two"))
    assert (two["data_version"], two["metrics"]) == (few["data_version"], few["metrics"])
    assert two["hashes"]["prompts"] == few["hashes"]["prompts"]


def test_what_is_allowed_belongs_to_the_run() -> None:
    score(ANSWERS, "--allow-missing")
    result, _ = score(ANSWERS, code=2)
    assert "model_args" in result.stderr
    score(
        [*ANSWERS, ANSWERS[0], {"question_id": "x", "text": "no"}], "--allow-extra", "--allow-duplicates", name="other"
    )


def test_a_replay_takes_no_other_setting() -> None:
    given = ["run", "--tasks", "pope", "--data", "root", "--model", "replay", "--ckpt", "root", "--model-args", "a=b"]
    result: Any = CliRunner().invoke(app, given)
    assert result.exit_code == 2
