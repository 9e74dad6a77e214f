"""One line of what `sqeval doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """`PROBLEM` stops `sqeval run`; `WARNING` stops or slows a part of it."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report; `remedy` is what to type or to do."""

    name: str
    state: State
    found: str
    remedy: str | None = None
