from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sqeval.errors import UserError
from sqeval.registry import GROUP, get_task, parse_tasks, task_names


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Installs a distribution with the given entry point and module."""

    def make(distribution: str, point: str, source: str, module: str) -> None:
        folder = tmp_path / distribution
        info = folder / f"{distribution}-2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{point}\n", "utf-8")
        (folder / f"{module}.py").write_text(source, "utf-8")
        monkeypatch.syspath_prepend(str(folder))

    return make


def test_only_the_plugin_asked_for_is_imported(site: Path) -> None:
    assert "shades" in task_names()
    sys.modules.pop("sqeval_tasks.vqav2", None)
    assert get_task("shades").name == "shades"
    assert "sqeval_tasks.vqav2" not in sys.modules


def test_tasks_come_in_the_order_given_each_once(site: Path) -> None:
    assert [task.name for task in parse_tasks("shades, pope,shades")] == ["shades", "pope"]


def test_an_unknown_name_gets_the_nearest(site: Path) -> None:
    with pytest.raises(UserError, match="unknown task 'shade'; did you mean 'shades'"):
        parse_tasks("pope,shade")
    with pytest.raises(UserError, match=r"unknown task 'xyzzy'; there are: .*shades"):
        get_task("xyzzy")
    with pytest.raises(UserError, match="name at least one"):
        parse_tasks(" ,")


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("bad_import", "import no_such_module_anywhere", "no_such_module_anywhere"),
        ("bad_syntax", "def", "SyntaxError"),
        ("bad_class", "Thing = int", "is not a sqeval.task.Task"),
        ("bad_missing", "", "AttributeError"),
        ("bad_name", "from shades import Shades as Thing", "calls itself 'shades'"),
        ("bad_abstract", "from sqeval.task import Task as Thing", "TypeError"),
    ],
)
def test_a_broken_plugin_is_told_with_its_distribution(
    name: str, source: str, words: str, install: object, site: Path
) -> None:
    assert callable(install)
    install(f"pkg-{name}", f"{name} = {name}_module:Thing", source, f"{name}_module")
    with pytest.raises(UserError, match=words) as caught:
        get_task(name)
    assert f"pkg-{name} 2" in str(caught.value)


def test_a_name_claimed_twice_is_told_with_both(install: object, site: Path) -> None:
    assert callable(install)
    install("rival", "shades = rival:Shades", "from shades import Shades", "rival")
    with pytest.raises(UserError, match=r"rival 2 .* and shades 1"):
        get_task("shades")
