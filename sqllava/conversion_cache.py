"""Checkpoints in other layouts, converted when they are first used and kept in a cache by what is in them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqllava.checkpoints import underneath
from sqllava.digests import Digests
from sqllava.errors import CheckpointError
from sqllava.locate import find_folder, locate

if TYPE_CHECKING:
    from sqllava.conversion.plan import Plan, Source

VERSION = "1"
"""Raised whenever the same files convert to something else."""

_SETTINGS = ("*.json", "*.model", "*.txt", "*.jinja")
"""What decides a conversion beside the weights: configurations, tokenizer, image processor."""

Note = Callable[[str], None]
"""Shows the user one line."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `sqllava.load` takes, and where it came from."""

    checkpoint: str | Path
    base: str | None = None
    """`base` for `sqllava.load`."""
    origin: dict[str, Any] = field(default_factory=dict)
    """JSON-able: the base named, and after a conversion the folder in the cache and SHA-256 of each source."""


def prepare(
    checkpoint: str, *, base: str | None, vision_tower: str | None, cache: Path, note: Note = lambda line: None
) -> Prepared:
    """Make `checkpoint` something that `sqllava.load` takes: converted under `cache` if its layout asks for that.

    base: for a release, the language model that it was trained on; for an adapter, what to use instead of its own base.
    vision_tower: for a release, its tower, unless it names one that is on this machine.

    Raises CheckpointError, also for a base or tower that the checkpoint has no use for.
    """
    layout = locate(checkpoint)
    named = {key: value for key, value in (("base", base), ("vision_tower", vision_tower)) if value is not None}
    if layout.to_convert:
        folder, digests = convert_once(layout.folder, _folder(base), _folder(vision_tower), cache, note)
        return Prepared(folder, origin={**named, "converted": str(folder), "sources": digests})
    if vision_tower is not None:
        raise CheckpointError(
            f"checkpoint {layout.folder}: is a {layout.description}, which has its vision tower; "
            "leave out --vision-tower"
        )
    under = underneath(layout, base)
    return Prepared(checkpoint, base, named if under is None else {"base": base or str(under.folder)})


def convert_once(
    source: Path, base: Path | None, vision_tower: Path | None, cache: Path, note: Note = lambda line: None
) -> tuple[Path, dict[str, str]]:
    """The converted checkpoint under `cache`, made unless it is there; and SHA-256 of each source's files by its role.

    Two processes at once convert once: the second waits. A killed one leaves nothing that is taken for a checkpoint.
    Raises CheckpointError as the conversion does, and if the cache cannot be written.
    """
    from sqllava.conversion.convert import write
    from sqllava.conversion.gather import plan_conversion
    from sqllava.conversion.provenance import folder_name

    plan = plan_conversion(source, base, vision_tower)
    try:
        digests = _digests(plan, cache, note)
        folder = cache / "checkpoints" / f"{folder_name(source).replace('/', '--')}-{_key(digests)}"
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _alone(folder, note):
                if not folder.is_dir():
                    note(f"converting {source} ({plan.layout.description}, {plan.nbytes / 1e9:.2f} GB) once")
                    for rest in folder.parent.glob(f"{folder.name}.tmp-*"):  # of a process that was killed
                        shutil.rmtree(rest)
                    write(plan, folder)
    except OSError as error:
        raise CheckpointError(
            f"{error.filename or cache}: {error.strerror or error}; converted checkpoints are kept in {cache}, "
            "choose another place with the environment variable SQEVAL_CACHE"
        ) from error
    note(f"converted checkpoint: {folder}")
    return folder, digests


def _folder(name: str | None) -> Path | None:
    return None if name is None else find_folder(name)


def _digests(plan: Plan, cache: Path, note: Note) -> dict[str, str]:
    """Role -> SHA-256 over what the conversion reads of that source."""
    memory = Digests(cache / "digests.json")
    files = {source.role: _files(source, plan) for source in plan.sources}
    unread = sum(path.stat().st_size for some in files.values() for _, path in some if not memory.knows(path))
    if unread > 1e9:
        note(f"reading {unread / 1e9:.0f} GB of sources to tell whether they were converted before")
    digests = {role: memory.of_all(some) for role, some in files.items()}
    memory.save()
    return digests


def _files(source: Source, plan: Plan) -> list[tuple[str, Path]]:
    chosen = {*source.files, *(file for pattern in _SETTINGS for file in source.folder.glob(pattern))}
    if source.folder == plan.layout.folder:
        chosen |= {file for adapter in plan.adapters.values() for file in adapter.files}
    return [(file.relative_to(source.folder).as_posix(), file) for file in chosen]


def _key(digests: dict[str, str]) -> str:
    told = "\n".join([VERSION, *(f"{role}:{digest}" for role, digest in sorted(digests.items()))])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


@contextmanager
def _alone(folder: Path, note: Note) -> Iterator[None]:
    """Wait until no other process converts into `folder`; the kernel frees the lock of one that dies."""
    handle = os.open(folder.with_name(f".{folder.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("another process is converting this checkpoint; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
