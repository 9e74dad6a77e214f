"""How far a run has come, on stderr: bars on a terminal, a line a task elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import TaskID


class Bar(Protocol):
    """Progress of one task."""

    def advance(self, failed: bool = False) -> None:
        """One more question is answered, or failed."""


class Progress(Protocol):
    """Where a run reports to."""

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """Shown while something takes long that cannot be counted."""

    def note(self, what: str) -> None:
        """A line that stays: something the user should know was done."""

    def task(self, name: str, total: int, done: int) -> AbstractContextManager[Bar]:
        """A task of `total` questions, of which `done` were answered before."""


class Silent:
    """Says nothing: for programs that call `evaluate`."""

    def waiting(self, what: str) -> AbstractContextManager[object]:
        return nullcontext()

    def note(self, what: str) -> None:
        pass

    def task(self, name: str, total: int, done: int) -> AbstractContextManager[Bar]:
        return nullcontext(_Counter())


class Lines:
    """A line when a task is done: for logs."""

    def waiting(self, what: str) -> AbstractContextManager[object]:
        return nullcontext()

    def note(self, what: str) -> None:
        print(what, file=sys.stderr, flush=True)

    @contextmanager
    def task(self, name: str, total: int, done: int) -> Iterator[Bar]:
        counter, began = _Counter(), time.monotonic()
        yield counter
        if not counter.done:
            print(f"{name}: {done:,} answers kept from before, scored again", file=sys.stderr, flush=True)
            return
        seconds = time.monotonic() - began
        parts = [f"{name}: {counter.done:,} questions in {seconds:.1f} s ({counter.done / max(seconds, 1e-9):,.1f}/s)"]
        parts += [f"{counter.failed:,} errored"] if counter.failed else []
        parts += [f"{done:,} kept from before"] if done else []
        print(", ".join(parts), file=sys.stderr, flush=True)


class Bars:
    """A bar a task with its rate and the time left: for terminals."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)

    def waiting(self, what: str) -> AbstractContextManager[object]:
        return self._console.status(what)

    def note(self, what: str) -> None:
        # Through the console of `waiting`, which draws its line anew below this one.
        self._console.print(what, style="dim", markup=False, highlight=False)

    @contextmanager
    def task(self, name: str, total: int, done: int) -> Iterator[Bar]:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description:<12}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failed]}", style="yellow", markup=False),
        )
        with RichProgress(*columns, console=self._console) as progress:
            yield _RichBar(progress, progress.add_task(name, total=total, completed=done, rate="", failed=""))


class _Counter:
    def __init__(self) -> None:
        self.done = self.failed = 0
        self.began = time.monotonic()

    def advance(self, failed: bool = False) -> None:
        self.done += 1
        self.failed += failed


class _RichBar(_Counter):
    def __init__(self, progress: object, bar: TaskID) -> None:
        from rich.progress import Progress as RichProgress

        super().__init__()
        assert isinstance(progress, RichProgress)
        self._progress, self._bar = progress, bar

    def advance(self, failed: bool = False) -> None:
        super().advance(failed)
        rate = self.done / max(time.monotonic() - self.began, 1e-9)
        errored = f"{self.failed:,} errored" if self.failed else ""
        self._progress.update(self._bar, advance=1, rate=f"{rate:,.1f}/s", failed=errored)


def progress_for_stderr() -> Progress:
    """Bars if a person watches, lines if not."""
    return Bars() if sys.stderr.isatty() else Lines()
