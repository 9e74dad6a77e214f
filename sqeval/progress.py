"""How far a run has come, on stderr: bars on a terminal, a line for each task that is done elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import TaskID


class Bar(Protocol):
    """Progress of one task."""

    def advance(self, done: int = 1, failed: int = 0) -> None:
        """So many more questions are answered, some of which failed."""

    def scoring(self) -> None:
        """All are answered, and the scores are computed."""

    def judged(self, done: int) -> None:
        """So many responses are judged."""

    def finish(self) -> None:
        """The task is done."""


class Progress(Protocol):
    """Where a run reports to."""

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """Shown while something takes long that cannot be counted."""

    def note(self, what: str) -> None:
        """A line that stays: something the user should know was done."""

    def tasks(self, counts: Mapping[str, tuple[int, int]]) -> AbstractContextManager[Mapping[str, Bar]]:
        """Tasks that are under way together: how many questions each has, and how many were answered before."""


class Silent:
    """Says nothing: for programs that call `evaluate`."""

    def waiting(self, what: str) -> AbstractContextManager[object]:
        return nullcontext()

    def note(self, what: str) -> None:
        pass

    def tasks(self, counts: Mapping[str, tuple[int, int]]) -> AbstractContextManager[Mapping[str, Bar]]:
        return nullcontext({name: _Counter() for name in counts})


class Lines:
    """A line when a task is done: for logs. Nothing else, so that logs stay short."""

    def waiting(self, what: str) -> AbstractContextManager[object]:
        return nullcontext()

    def note(self, what: str) -> None:
        print(what, file=sys.stderr, flush=True)

    def tasks(self, counts: Mapping[str, tuple[int, int]]) -> AbstractContextManager[Mapping[str, Bar]]:
        return nullcontext({name: _Line(name, kept) for name, (_, kept) in counts.items()})


class Bars:
    """A bar a task with its rate and the time left: for terminals."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)

    def waiting(self, what: str) -> AbstractContextManager[object]:
        return self._console.status(what)

    def note(self, what: str) -> None:
        # Through the console of the bars and of `waiting`, which draw themselves anew below this line.
        self._console.print(what, style="dim", markup=False, highlight=False)

    @contextmanager
    def tasks(self, counts: Mapping[str, tuple[int, int]]) -> Iterator[Mapping[str, Bar]]:
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
            yield {
                name: _RichBar(progress, progress.add_task(name, total=total, completed=kept, rate="", failed=""))
                for name, (total, kept) in counts.items()
            }


class _Counter:
    def __init__(self) -> None:
        self.done = self.failed = 0

    def advance(self, done: int = 1, failed: int = 0) -> None:
        self.done += done
        self.failed += failed

    def scoring(self) -> None:
        pass

    def judged(self, done: int) -> None:
        pass

    def finish(self) -> None:
        pass


class _Line(_Counter):
    def __init__(self, name: str, kept: int) -> None:
        super().__init__()
        self._name, self._kept = name, kept

    def finish(self) -> None:
        parts = [f"{self.done:,} questions answered"] if self.done else []
        parts += [f"{self.failed:,} errored"] if self.failed else []
        parts += [f"{self._kept:,} answers kept from before"] if self._kept else []
        print(f"{self._name}: {', '.join(parts)}", file=sys.stderr, flush=True)


class _RichBar(_Counter):
    def __init__(self, progress: object, bar: TaskID) -> None:
        from rich.progress import Progress as RichProgress

        super().__init__()
        assert isinstance(progress, RichProgress)
        self._began = time.monotonic()
        self._progress, self._bar, self._rate = progress, bar, "kept"

    def advance(self, done: int = 1, failed: int = 0) -> None:
        super().advance(done, failed)
        self._rate = f"{self.done / max(time.monotonic() - self._began, 1e-9):,.1f}/s"
        errored = f"{self.failed:,} errored" if self.failed else ""
        self._progress.update(self._bar, advance=done, rate=self._rate, failed=errored)

    def scoring(self) -> None:
        self._progress.update(self._bar, rate="scoring")

    def judged(self, done: int) -> None:
        self._progress.update(self._bar, rate=f"{done:,} judged")

    def finish(self) -> None:
        self._progress.update(self._bar, rate=self._rate)


def progress_for_stderr() -> Progress:
    """Bars if a person watches, lines if not."""
    return Bars() if sys.stderr.isatty() else Lines()
