"""docs/reference says what the code says, and real files are what its schemas describe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from judge_server import judging
from judged_data import write_mmvet
from pages import REPOSITORY, type_line
from pydantic import ValidationError

from docs.generate import schemas
from sqeval.config import resolve
from sqeval.evaluation import evaluate

COUNT = 20


def test_it_is_up_to_date() -> None:
    command = [sys.executable, "-m", "docs.generate", "--check"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def read(folder: Path) -> int:
    """Read every file of a run folder by its model; the number of files."""
    schemas.Run.model_validate_json((folder / "run.json").read_bytes())
    metrics, samples = [*folder.glob("*/metrics.json")], [*folder.glob("*/samples.jsonl")]
    for file in metrics:
        schemas.Metrics.model_validate_json(file.read_bytes())
    for file in samples:
        for line in file.read_bytes().splitlines():
            schemas.Sample.model_validate_json(line)
    return 1 + len(metrics) + len(samples)


def run(out: Path, **settings: Any) -> Path:
    return evaluate(resolve({"data": "mini", "out": str(out), "limit": COUNT, "name": "run", **settings})).folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("out"), tasks="gqa,pope", ckpt="mini")


def test_run_folders(folder: Path, tmp_path: Path) -> None:
    assert read(folder) == 5
    assert read(run(tmp_path, tasks="mmbench,scienceqa", model="majority", protocol="lmms")) == 5
    [baseline, *others] = sorted((REPOSITORY / "results" / "baselines").iterdir())
    assert all(read(stored) > 1 for stored in (baseline, *others))


def test_a_judged_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with judging(lambda question, number: "0.5") as court:
        monkeypatch.setenv("OPENAI_BASE_URL", court.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        data = str(write_mmvet(tmp_path / "data"))
        assert read(run(tmp_path, tasks="mmvet", model="majority", data=data, judge="judge")) == 3


def test_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Image.new("RGB", (48, 48), "red").save("photos/red.png")
    type_line("sqeval ask --ckpt mini --images photos -n 2 --answer -o red.questions.jsonl")
    [line] = Path("red.questions.jsonl").read_text("utf-8").splitlines()
    assert len(schemas.Questions.model_validate_json(line).questions) == 2


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("run.json", {"status": "done"}),
        ("run.json", {"more": 1}),
        ("gqa/metrics.json", {"primary": None}),
        ("gqa/metrics.json", {"counts": {"n": "20"}}),
    ],
)
def test_what_a_schema_refuses(file: str, change: dict[str, Any], folder: Path) -> None:
    changed = json.loads((folder / file).read_text("utf-8")) | change
    with pytest.raises(ValidationError):
        (schemas.Run if file == "run.json" else schemas.Metrics).model_validate_json(json.dumps(changed))
