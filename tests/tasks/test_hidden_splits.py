"""A split without answers goes through the whole harness: responses are kept, nothing is claimed about them."""

from __future__ import annotations

import json
from pathlib import Path

from answering import write_json

from sqeval.boards import boards
from sqeval.comparing import compare_runs
from sqeval.comparison import Rules
from sqeval.config import resolve
from sqeval.evaluation import Outcome, evaluate
from sqeval.report.rows import as_rows
from sqeval.runs import load_run
from sqeval.stats.gate import Verdict
from sqeval_tasks.vqav2 import TEST_DEV

IDS = [4002, 4000, 7001]


def scored(folder: Path, name: str, answer: str) -> Outcome:
    path = write_json(folder, f"{name}.json", [{"question_id": key, "answer": answer} for key in IDS])
    given = {"tasks": "vqav2", "data": str(folder / "data"), "out": str(folder / "runs"), "name": name}
    return evaluate(resolve({**given, "model": "replay", "ckpt": str(path)}), kind="score")


def test_responses_are_kept_and_have_no_score(tmp_path: Path) -> None:
    questions = [{"image_id": key // 1000, "question": "What?", "question_id": key} for key in IDS]
    write_json(tmp_path / "data", TEST_DEV, {"questions": questions})
    outcome = scored(tmp_path, "cups", "cup")
    metrics = outcome.metrics["vqav2"]
    assert metrics["metrics"] == {
        "accuracy": {"value": None, "stderr": None, "ci95": None, "n": 0, "clusters": 0}
    }  # fmt: skip
    assert metrics["counts"]["n"] == len(IDS)
    assert metrics["data_version"] == "test-dev (no score: the answers are not public)"
    assert outcome.hidden("vqav2") == [outcome.folder / "vqav2" / "submission.json"]
    submission = json.loads((outcome.folder / "vqav2" / "submission.json").read_text())
    assert submission == [{"question_id": key, "answer": "cup"} for key in IDS]

    runs = [load_run(outcome.folder), load_run(scored(tmp_path, "dogs", "dog").folder)]
    [comparison] = compare_runs(*runs, Rules()).tasks
    assert comparison.verdict is Verdict.INCOMPARABLE
    [reason] = comparison.reasons
    assert reason.startswith("there is no score: the answers are not public; ")
    assert [row["value"] for row in as_rows(boards(runs))] == [None, None]
