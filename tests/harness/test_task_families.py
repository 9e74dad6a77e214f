"""Tasks of another collection, by names with a colon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from shades import Shades
from typer.testing import CliRunner

from sqeval.cli.tasks import app
from sqeval.config import RunConfig
from sqeval.errors import UserError
from sqeval.evaluation import evaluate
from sqeval.registry import FAMILIES, get_family, get_task, parse_tasks, task_names

SOURCE = """
from shades import Shades

class Paint:
    def names(self):
        return ["shades", "tints"]

    def task(self, name):
        return type("Painted", (Shades,), {"name": f"paint:{name}"})()
"""


@pytest.fixture
def paint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A family of tasks and a broken one, installed."""
    info = tmp_path / "families" / "paint-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: paint\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[{FAMILIES}]\npaint = paint:Paint\nrust = no_such_module:Rust\n", "utf-8")
    (tmp_path / "families" / "paint.py").write_text(SOURCE, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "families"))


def test_a_task_of_a_family_runs_beside_others(paint: None, config: Callable[..., RunConfig]) -> None:
    outcome = evaluate(config(tasks=("shades", "paint:shades"), model="majority"))
    assert set(outcome.metrics) == {"shades", "paint:shades"}
    values = [found["metrics"] for found in outcome.metrics.values()]
    assert values[0] == values[1]
    assert evaluate(config(tasks=("shades", "paint:shades"), model="majority")).untouched


def test_all_means_no_family(paint: None, site: Path) -> None:
    assert "paint:shades" not in task_names()
    assert "paint:shades" not in [task.name for task in parse_tasks("all")]
    assert isinstance(get_task("paint:tints"), Shades)


def test_its_names_are_listed(paint: None) -> None:
    done = CliRunner().invoke(app, ["list", "--family", "paint"])
    assert done.stdout.split() == ["paint:shades", "paint:tints"]


def test_unknown_and_broken_families_are_told(paint: None) -> None:
    with pytest.raises(UserError, match=r"unknown family of tasks 'pant'; there are: .*paint"):
        get_task("pant:shades")
    with pytest.raises(UserError, match=r"family 'rust' of paint 1 \(no_such_module:Rust\) cannot be loaded"):
        get_family("rust")
