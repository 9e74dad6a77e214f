"""Which code scored: a hash that changes when a score could, and not when a comment does."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType

from sqeval.planner import digest
from sqeval.protocol import marked
from sqeval.task import Task

SCORING = ("sqeval.scoring", "sqeval.metrics")
"""Modules whose code is part of a score wherever a task uses them."""


def scorer_hash(task: Task) -> str:
    """SHA-256 of the task's version and protocol, of its module and those of its bases, and of all scoring code that
    they use.

    Comments, docstrings and formatting do not count.
    """
    own = [sys.modules[kind.__module__] for kind in type(task).__mro__ if issubclass(kind, Task) and kind is not Task]
    used: dict[str, ModuleType] = {}
    waiting = [*own]
    while waiting:
        module = waiting.pop()
        if module.__name__ not in used:
            used[module.__name__] = module
            waiting += _scoring_modules(module)
    return digest(task.version, [(name, _code(used[name])) for name in sorted(used)], *marked(task.protocol))


def _scoring_modules(module: ModuleType) -> Iterator[ModuleType]:
    """The modules of `SCORING` that `module` imports from, at any depth of its code."""
    for node in ast.walk(_tree(module)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith(SCORING) and name in sys.modules:
                yield sys.modules[name]


def _tree(module: ModuleType) -> ast.Module:
    """The module's syntax tree; empty for a module without source, of which the task's version alone tells."""
    try:
        return ast.parse(inspect.getsource(module))
    except OSError:
        return ast.Module(body=[], type_ignores=[])


def _code(module: ModuleType) -> str:
    """The module's syntax tree without docstrings."""
    tree = _tree(module)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return ast.dump(tree)
