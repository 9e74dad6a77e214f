"""Preparing what the model needs next while it computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
_SECONDS = 0.1


def ahead(items: Iterable[T], depth: int) -> Iterator[T]:
    """`items`, taken by a thread up to `depth` ahead of whoever reads them; its failures are raised here."""
    ready: Queue[tuple[T] | BaseException | None] = Queue(depth)
    stopped = Event()

    def put(one: tuple[T] | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(one, timeout=_SECONDS)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((item,)):
                    return
        except BaseException as error:
            put(error)
        else:
            put(None)

    thread = Thread(target=work, name="prepare", daemon=True)
    thread.start()
    try:
        while (one := ready.get()) is not None:
            if isinstance(one, BaseException):
                raise one
            yield one[0]
    finally:
        stopped.set()
        thread.join()
