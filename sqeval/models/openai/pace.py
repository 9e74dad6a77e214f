"""How fast a server may be asked, by all threads together."""

from __future__ import annotations

import time
from threading import Event, Lock


class Pace:
    """At most `rpm` questions a minute, evenly spaced; None: any number."""

    def __init__(self, rpm: float | None) -> None:
        self._gap = 60 / rpm if rpm else 0.0
        self._next = 0.0
        self._lock = Lock()

    def wait(self, stopped: Event) -> None:
        """Until it is this question's turn, or `stopped` is set."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        if turn > now:
            stopped.wait(turn - now)

    def rest(self, seconds: float) -> None:
        """Nobody asks for so long: the server has had enough."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)
