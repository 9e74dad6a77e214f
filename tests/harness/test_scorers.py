"""The scorer's hash changes with the code that scores and with nothing else."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from sqeval.registry import get_task
from sqeval.scorers import scorer_hash

SOURCE = Path(sys.modules["sqeval.scorers"].__file__ or "").parents[1] / "tasks" / "sqeval_tasks" / "vqav2.py"


def task_from(source: str, folder: Path, name: str) -> Any:
    """The VQAv2 task of another version of its file."""
    path = folder / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("another_vqav2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["another_vqav2"] = module
    spec.loader.exec_module(module)
    return module.VQAv2()


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    sys.modules.pop("another_vqav2", None)


def test_comments_and_docstrings_do_not_count(tmp_path: Path) -> None:
    source = SOURCE.read_text(encoding="utf-8")
    before = scorer_hash(task_from(source, tmp_path, "a"))
    assert scorer_hash(task_from(source + "\n# a remark\n", tmp_path, "b")) == before
    changed = source.replace('name = "vqav2"', 'name = "vqav3"')
    assert changed != source
    assert scorer_hash(task_from(changed, tmp_path, "c")) != before


def test_tasks_that_score_alike_differ_by_their_own_code() -> None:
    names = ["vqav2", "gqa", "pope", "mmbench", "scienceqa", "coco_caption"]
    assert len({scorer_hash(get_task(name)) for name in names}) == len(names)


def test_scoring_code_counts_for_the_tasks_that_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import inspect

    from sqeval.scoring import yesno

    before = {name: scorer_hash(get_task(name)) for name in ("pope", "gqa")}
    original = inspect.getsource

    def edited(module: Any) -> str:
        return original(module) + ("\nEDITED = 1\n" if module is yesno else "")

    monkeypatch.setattr(inspect, "getsource", edited)
    assert scorer_hash(get_task("pope")) != before["pope"]
    assert scorer_hash(get_task("gqa")) == before["gqa"]
