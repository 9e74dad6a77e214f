"""Work that waits for others, several at a time: threads that an interrupted process does not wait for.

Those of `concurrent.futures` are joined when the interpreter ends, however long each is stuck in a read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[R]:
    """What `work` makes of each item, in the order of the items, at most `workers` at a time.

    Raises what `work` raises, when it is that item's turn. After that, and when the iterator is closed, nothing more is
    begun; what is under way is left to itself.
    """
    futures: list[Future[R]] = [Future() for _ in items]
    waiting: SimpleQueue[tuple[Future[R], T]] = SimpleQueue()
    for pair in zip(futures, items, strict=True):
        waiting.put(pair)
    ended = Event()
    for _ in range(min(workers, len(items))):
        Thread(target=_serve, args=(work, waiting, ended), daemon=True).start()
    try:
        for future in futures:
            yield future.result()
    finally:
        ended.set()


def _serve(work: Callable[[T], R], waiting: SimpleQueue[tuple[Future[R], T]], ended: Event) -> None:
    while not ended.is_set():
        try:
            future, item = waiting.get_nowait()
        except Empty:
            return
        try:
            future.set_result(work(item))
        except BaseException as error:  # for whoever waits for the result
            future.set_exception(error)
