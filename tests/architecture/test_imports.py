"""Who may import whom, read from the source of every module."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ROOTS = {
    "sqeval": REPOSITORY / "sqeval",
    "sqllava": REPOSITORY / "sqllava",
    "sqeval_tasks": REPOSITORY / "tasks" / "sqeval_tasks",
}


@dataclass(frozen=True)
class Import:
    """One imported module; `lazy` inside a function, `typing` under ``if TYPE_CHECKING``."""

    file: str
    line: int
    module: str
    lazy: bool
    typing: bool

    @property
    def top(self) -> str:
        return self.module.split(".")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def imports(package: str) -> list[Import]:
    root = ROOTS[package]
    found = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root.parent).as_posix()
        found += [Import(name, *rest) for rest in _walk(ast.parse(path.read_text("utf-8")), name, False, False)]
    return found


def _walk(node: ast.AST, name: str, lazy: bool, typing: bool) -> Iterator[tuple[int, str, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield child.lineno, alias.name, lazy, typing
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{name}:{child.lineno}: relative import; write the package's name"
            for alias in child.names:
                yield child.lineno, f"{child.module}.{alias.name}", lazy, typing
        in_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        yield from _walk(child, name, lazy or in_function, typing or for_types)


def broken(package: str, *banned: str) -> list[Import]:
    return [found for found in imports(package) if found.top in banned]


def test_sqeval_knows_no_task_and_no_model() -> None:
    """But for its adapters, which are told when they are used."""
    adapters = ("sqeval/models/sqllava.py", "sqeval/models/hf/shared.py")
    wrong = [
        i for i in broken("sqeval", "sqeval_tasks", "sqllava") if not (i.file in adapters and (i.lazy or i.typing))
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_tasks_know_only_sqeval() -> None:
    allowed = {"sqeval", "sqeval_tasks", "numpy"} | sys.stdlib_module_names
    bridge = {"datasets", "loguru", "PIL"}  # what lmms-eval's tasks are made of; imported when one is used
    wrong = [
        i
        for i in imports("sqeval_tasks")
        if i.top not in allowed
        and not (i.file.startswith("sqeval_tasks/lmms/") and i.top in bridge and (i.lazy or i.typing))
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_tasks_do_not_lean_on_the_command_line_or_the_runner() -> None:
    wrong = [
        i for i in imports("sqeval_tasks") if i.module.startswith(("sqeval.cli", "sqeval.runner", "sqeval.report"))
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_sqllava_knows_neither_but_for_one_hook() -> None:
    """The hook fetches the mini data and evaluates during training, and imports the harness when it is called."""
    hook = "sqllava/hooks.py"
    wrong = [i for i in broken("sqllava", "sqeval", "sqeval_tasks") if not (i.file == hook and i.lazy)]
    wrong += broken("sqllava", "sqeval_tasks")
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("package", ["sqeval/scoring/", "sqeval/stats/"])
def test_scoring_and_stats_are_numpy_and_standard_library(package: str) -> None:
    allowed = {"numpy", "sqeval"} | sys.stdlib_module_names
    wrong = [i for i in imports("sqeval") if i.file.startswith(package) and i.top not in allowed]
    wrong = [i for i in wrong if not (i.file.startswith("sqeval/scoring/captions") and i.top == "pycocoevalcap")]
    assert not wrong, "\n".join(map(str, wrong))


def test_command_modules_import_nothing_heavy() -> None:
    allowed = {"typer"} | sys.stdlib_module_names
    light = ("sqeval.errors", "sqeval.__version__", "sqeval.cli")
    wrong = [
        i
        for i in imports("sqeval")
        if i.file.startswith("sqeval/cli/")
        and not (i.lazy or i.typing or i.top in allowed or i.module.startswith(light))
    ]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("package", sorted(ROOTS))
def test_nothing_is_pickled(package: str) -> None:
    wrong = broken(package, "pickle", "cloudpickle", "dill", "shelve", "marshal")
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("package", sorted(ROOTS))
def test_torchvision_is_not_needed(package: str) -> None:
    assert not broken(package, "torchvision")
