"""Final answers from official result files stay final: in the run folder, when resumed, and when scored again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sqeval.config import RunConfig
from sqeval.data.root import resolve_root
from sqeval.errors import DataError
from sqeval.evaluation import evaluate
from sqeval.rundir import SAMPLES, read_records
from sqeval_tasks.vqav2 import VQAv2

TASK = VQAv2()


@pytest.fixture
def shouted() -> dict[int, str]:
    """Right answers in capitals; those with letters are wrong where all people agree, unless they are processed."""
    return {int(sample.id): TASK.gold(sample).upper() for sample in TASK.samples(resolve_root("mini"))}


def scored(out: Path, name: str, predictions: Path, *, fresh: bool = False) -> tuple[Path, Any]:
    config = RunConfig(tasks=("vqav2",), data="mini", out=str(out), name=name, model="replay", ckpt=str(predictions))
    outcome = evaluate(config, kind="score", fresh=fresh)
    return outcome.folder, outcome.metrics["vqav2"]["metrics"]["accuracy"]["value"]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows), "utf-8")
    return path


def test_final_answers_stay_final(tmp_path: Path, shouted: dict[int, str]) -> None:
    official = written(tmp_path / "a.json", [{"question_id": key, "answer": text} for key, text in shouted.items()])
    spoken = written(tmp_path / "b.json", [{"question_id": key, "text": text} for key, text in shouted.items()])
    folder, value = scored(tmp_path, "final", official)
    assert scored(tmp_path, "spoken", spoken)[1] == 1.0
    assert value < 0.99
    other = written(tmp_path / SAMPLES, json.loads(spoken.read_bytes()))  # not every file of that name is ours
    assert scored(tmp_path, "other", other)[1] == 1.0

    assert scored(tmp_path, "again", folder)[1] == value
    assert scored(tmp_path, "samples", folder / "vqav2" / SAMPLES)[1] == value
    renamed = tmp_path / "renamed.jsonl"
    renamed.write_bytes((folder / "vqav2" / SAMPLES).read_bytes())
    assert scored(tmp_path, "renamed", renamed)[1] == value

    (folder / "vqav2" / "metrics.json").unlink()
    assert scored(tmp_path, "final", official)[1] == value
    assert all(record.verbatim for record in read_records(folder / "vqav2" / SAMPLES)[0])
    assert json.loads((folder / "vqav2" / "submission.json").read_text("utf-8")) == [
        {"question_id": key, "answer": text} for key, text in shouted.items()
    ]


def test_a_bad_file_neither_starts_a_run_nor_ends_one(tmp_path: Path, shouted: dict[int, str]) -> None:
    rows = [{"question_id": key, "answer": text} for key, text in shouted.items()]
    path = written(tmp_path / "a.json", rows[1:])
    with pytest.raises(DataError, match="1 samples without a prediction"):
        scored(tmp_path / "out", "run", path)
    assert list((tmp_path / "out").iterdir()) == []
    folder, _ = scored(tmp_path / "out", "run", written(path, rows))
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with pytest.raises(DataError, match="occurs twice"):
        scored(tmp_path / "out", "run", written(path, [*rows, rows[0]]), fresh=True)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
