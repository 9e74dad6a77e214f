"""What can go wrong, and the exit code that says so.

Exit codes: 0 done or pass; 1 uncaught failure; 2 usage or bad input; 3 regression; 4 inconclusive under
``--strict``; 5 not comparable, incomplete, or a hard gate failed.  The command line prints the message of a
`SqevalError` without a traceback and exits with its code; everything else is a defect and keeps its traceback.
"""

from __future__ import annotations

from pathlib import Path

EXIT_BAD_INPUT = 2
EXIT_REGRESSION = 3
EXIT_INCONCLUSIVE = 4
EXIT_INCOMPLETE = 5


class SqevalError(Exception):
    """Base of every expected failure; `exit_code` is what the process returns."""

    exit_code = EXIT_BAD_INPUT


class UserError(SqevalError):
    """Something the user can put right: one message that says what was wrong and what to do next."""


class DataError(UserError):
    """A data file with a bad record.

    The message reads ``file:line: field: what was expected``; parts that are not known are left out.
    """

    def __init__(
        self, problem: str, *, file: Path | str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        place = "" if file is None else str(file)
        if line is not None:
            place += f":{line}"
        super().__init__(": ".join(part for part in (place, field or "", problem) if part))
        self.problem, self.file, self.line, self.field = problem, file, line, field


class IncompleteError(SqevalError):
    """Results that exist but cannot be trusted as they stand: missing samples, errors over the limit."""

    exit_code = EXIT_INCOMPLETE
