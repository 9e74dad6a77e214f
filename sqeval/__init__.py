"""sqeval: official scores with honest error bars for vision-language checkpoints.

Names are imported when they are first used, so that ``import sqeval`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqeval.api import compare, leaderboard, load_run, run, score
    from sqeval.errors import DataError, IncompleteError, SqevalError, UserError
    from sqeval.runs import Run, TaskRun
    from sqeval.shown import Comparison, Leaderboard

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "DataError",
    "IncompleteError",
    "Leaderboard",
    "Run",
    "SqevalError",
    "TaskRun",
    "UserError",
    "compare",
    "leaderboard",
    "load_run",
    "run",
    "score",
]

_MODULES = {
    "api": ("compare", "leaderboard", "load_run", "run", "score"),
    "errors": ("DataError", "IncompleteError", "SqevalError", "UserError"),
    "runs": ("Run", "TaskRun"),
    "shown": ("Comparison", "Leaderboard"),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"sqeval.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
