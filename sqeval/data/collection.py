"""Loading big files without looking for garbage that is not there."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused(*, lasting: bool = False) -> Iterator[None]:
    """No cyclic garbage collection inside; a decorator as well.

    Reading VQAv2 makes millions of objects, all of them kept; searching them again and again for cycles takes as long
    as reading them. `lasting`: they are kept until the process ends, and never searched at all.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if lasting:
            gc.freeze()
        if running:
            gc.enable()
