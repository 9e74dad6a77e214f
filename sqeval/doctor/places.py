"""Folders and addresses: results, caches, data, the hub."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from sqeval.data.mini.cache import MINI_VERSION, cache_home
from sqeval.doctor.check import Check, State
from sqeval.errors import UserError

RESULTS = Path("results")
"""Where `sqeval run` writes without --out."""
GIB = 2**30
LITTLE, TOO_LITTLE = 2 * GIB, 64 * 2**20
"""Free bytes: below the first large runs may fail, below the second every run does."""
PATIENCE = 5.0
"""Seconds that the hub is waited for."""
_FALSE = ("", "0", "false", "no", "off")


def mini() -> Iterator[Check]:
    folder = cache_home() / f"mini-v{MINI_VERSION}"
    found = f"in {folder}" if folder.is_dir() else "not generated yet: the first use takes seconds longer"
    yield Check("mini suite", State.OK, found, None if folder.is_dir() else "sqeval data prepare mini")


def data() -> Iterator[Check]:
    """$SQEVAL_DATA, which stands for --data."""
    from sqeval.data.places import open_root  # needs numpy, and this module must work without
    from sqeval.evaluation import available
    from sqeval.registry import parse_tasks

    named = os.environ.get("SQEVAL_DATA")
    if named is None:
        yield Check("data", State.OK, "SQEVAL_DATA is not set: each run says --data")
        return
    try:
        ready, left_out = available(("all",), open_root(named, parse_tasks("all")))
    except UserError as error:
        told = f"SQEVAL_DATA: {str(error).partition(chr(10))[0]}"
        yield Check("data", State.WARNING, told, f"sqeval data check {named}, or export SQEVAL_DATA=FOLDER")
        return
    found = f"{named} has {', '.join(task.name for task in ready)}"
    remedy = f"sqeval data check {named}" if left_out else None
    yield Check("data", State.OK, found + (f"; not {', '.join(left_out)}" if left_out else ""), remedy)


def hub() -> Iterator[Check]:
    """May anything be downloaded, and can it?"""
    offline = [n for n in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(n, "0").lower() not in _FALSE]
    if offline:
        yield Check(
            "hub", State.OK, f"{' and '.join(offline)} set: nothing is downloaded", f"unset {' '.join(offline)}"
        )
        return
    from huggingface_hub.constants import ENDPOINT

    answered: list[str] = []
    threading.Thread(target=_knock, args=(ENDPOINT, answered), daemon=True).start()
    waiter = threading.Event()
    for _ in range(int(PATIENCE * 10)):
        if answered or waiter.wait(0.1):
            break
    why = answered[0] if answered else f"no answer in {PATIENCE:g} s"
    if why:
        told = f"{ENDPOINT} cannot be reached ({why}): only what is in the cache or in folders can be used"
        yield Check(
            "hub", State.WARNING, told, "export HF_HUB_OFFLINE=1, and use folders; or export HTTPS_PROXY=ADDRESS"
        )
    else:
        yield Check("hub", State.OK, f"{ENDPOINT} can be reached")


def _knock(address: str, answered: list[str]) -> None:
    """Append what went wrong, or nothing."""
    try:
        urlopen(Request(address, method="HEAD"), timeout=PATIENCE).close()
    except HTTPError:  # an answer, too
        answered.append("")
    except Exception as error:
        answered.append(str(getattr(error, "reason", error)))
    else:
        answered.append("")


def folders() -> Iterator[Check]:
    """Can the results and the caches be written, and is there room?"""
    yield _folder("results", RESULTS, State.PROBLEM, "sqeval run --out FOLDER")
    yield _folder("cache", cache_home(), State.WARNING, "export SQEVAL_CACHE=FOLDER")  # --data mini alone needs it
    yield _folder("hub cache", _hub_cache(), State.WARNING, "export HF_HOME=FOLDER")


def _hub_cache() -> Path:
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME)


def _folder(name: str, path: Path, worst: State, elsewhere: str) -> Check:
    """`path` need not exist: then the nearest folder above it counts. `worst` is for one that cannot be used."""
    path = path.absolute()
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Check(name, worst, f"{path} cannot be written: {error.strerror}", elsewhere)
    found = f"{path}, {free / GIB:.1f} GiB free"
    if free >= LITTLE:
        return Check(name, State.OK, found)
    return Check(name, worst if free < TOO_LITTLE else State.WARNING, found, f"free some space, or {elsewhere}")
