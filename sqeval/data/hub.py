"""``--data hub``: mirrors on the Hugging Face hub, made into ordinary data roots in the cache.

``hub`` tries the organisations `ORGANISATIONS`, ``hub:ORG`` one of them, ``hub:/folder`` reads copies of mirrors from
the folder's sub-folders. A root is made once a revision; afterwards everything is as with files from the benchmark's
site.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqeval.data.entry import Entry
from sqeval.data.folders import MANIFEST, ensured
from sqeval.data.layout import dump
from sqeval.data.mini.cache import cache_home
from sqeval.data.mirror import MAPPINGS, Files, Mirror, Part, Snapshot
from sqeval.data.root import DataRoot
from sqeval.errors import DataError, UserError

if TYPE_CHECKING:
    from sqeval.task import Task

ORGANISATIONS = ("lmms-lab", "lmms-lab-encoder")
"""Where the mirrors are: lmms-eval moved them from the first to the second in July 2026."""
SHOWN = 12
"""Characters of a revision in a folder's name."""


def is_hub(name: str) -> bool:
    """Whether ``--data`` names the hub."""
    return name == "hub" or name.startswith("hub:")


def hub_root(name: str, tasks: Sequence[Task], splits: Mapping[str, str]) -> DataRoot:
    """A data root in which each of `tasks` has its mirror; what is not in the cache yet is fetched.

    Raises UserError, DataError.
    """
    copies, sources = {}, {}
    for task in tasks:
        split, mirror = _mirror(task, splits.get(task.name))
        if isinstance(mirror, Snapshot):
            copies[task.name], sources[task.name] = _whole(name, mirror)
        else:
            copies[task.name], sources[task.name] = _copy(name, task, split, mirror)
    return DataRoot(cache_home(), name, splits=splits, copies=copies, sources=sources)


def _mirror(task: Task, split: str | None) -> tuple[str, Mirror | Snapshot]:
    known = task.mirrors()
    if not known:
        raise UserError(f"--data hub: no mirror of {task.name} is known; give a folder of its official files")
    chosen = next(iter(known)) if split is None else split
    if chosen not in known:
        raise UserError(f"--data hub: no mirror of {task.name}'s split {chosen} is known; there is: {', '.join(known)}")
    mirror = known[chosen]
    if isinstance(mirror, str):
        raise UserError(f"--data hub: {task.name}: {mirror}; give a folder of its official files")
    return chosen, mirror


def _whole(name: str, mirror: Snapshot) -> tuple[Path, dict[str, Any]]:
    """All of a dataset, in the hub's own cache or in the folder that `name` says, and what it is a copy of."""
    from huggingface_hub import snapshot_download

    place, title = name.partition(":")[2], mirror.dataset.rpartition("/")[2]
    if "/" in place:
        folder = _local(name, place, title)
        return folder, {"dataset": title, "revision": _fingerprint(folder)}
    repository = f"{place}/{title}" if place else mirror.dataset
    try:
        folder = Path(snapshot_download(repository, repo_type="dataset"))
    except Exception as error:  # not there, not allowed, offline: client and transport have errors of their own
        why = f"the Hugging Face hub does not give {repository} ({type(error).__name__}), nor does its cache"
        raise UserError(f"--data {name}: {why}; give a folder that holds a copy") from error
    return folder, {"dataset": repository, "revision": folder.name}


def _local(name: str, place: str, dataset: str) -> Path:
    folder = Path(place).expanduser() / dataset
    if not folder.is_dir():
        raise UserError(f"--data {name}: no such folder: {folder} (a copy of the dataset {dataset})")
    return folder


def _copy(name: str, task: Task, split: str, mirror: Mirror) -> tuple[Path, dict[str, Any]]:
    """The root with the mirror's content, and what it was made of."""
    place = name.partition(":")[2]
    local = _local(name, place, mirror.dataset) if "/" in place else None
    kept = cache_home() / f"hub-v{MAPPINGS}"
    label = f"{task.name}-{split}" if split else task.name
    if local is not None:
        repository, revision = str(local), _fingerprint(local)
    else:
        try:
            repository, revision = _revision([place] if place else ORGANISATIONS, mirror.dataset)
        except UserError as error:
            return _kept_before(kept, f"{label}--{place or '*'}--*", f"--data {name}: {error}")
    source: dict[str, Any] = {"dataset": mirror.dataset if local else repository, "revision": revision}
    source |= {"tables": [[part.config, part.split] for part in mirror.parts]}
    owner = "local" if local else repository.partition("/")[0]
    final = kept / f"{label}--{owner}--{revision[:SHOWN]}"

    def build(work: Path) -> None:
        tables = [_rows(repository, None if local else revision, part) for part in mirror.parts]
        mirror.build(Files(work), *tables)
        (work / MANIFEST).write_bytes(dump(source))

    return ensured(final, build), source


def _kept_before(kept: Path, pattern: str, why: str) -> tuple[Path, dict[str, Any]]:
    """The newest root that was made when the hub could be reached; what it was made of says that it now cannot."""
    found = [path for path in kept.glob(f"{pattern}/{MANIFEST}") if "--local--" not in path.parent.name]
    if not found:
        raise UserError(
            f"{why}; the cache has no copy: go online once, check the name, or give a folder of official files"
        )
    newest = max(found, key=lambda path: path.stat().st_mtime)
    return newest.parent, {**json.loads(newest.read_bytes()), "hub_reached": False}


def _revision(organisations: Sequence[str], dataset: str) -> tuple[str, str]:
    """Repository and commit of its main branch. Raises UserError if none of them can be reached."""
    from huggingface_hub import HfApi

    problems = []
    for organisation in organisations:
        repository = f"{organisation}/{dataset}"
        try:
            return repository, str(HfApi().dataset_info(repository).sha)
        except Exception as error:  # not there, not allowed, offline: client and transport have errors of their own
            problems.append(f"{repository} ({type(error).__name__})")
    raise UserError(f"the Hugging Face hub does not give {' or '.join(problems)}")


def _fingerprint(folder: Path) -> str:
    """Of a copy on disk: names, sizes and times of its files, without reading gigabytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    lines = [f"{path.relative_to(folder)} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _rows(repository: str, revision: str | None, part: Part) -> Iterator[Entry]:
    """Rows of a table, images as they are encoded. Raises UserError, and DataError that names a missing column."""
    import datasets

    config = f", config {part.config}" if part.config else ""
    where = f"{repository}{config}, split {part.split}"
    try:
        table: Any = datasets.load_dataset(repository, part.config, split=part.split, revision=revision, streaming=True)
        if table.features is None:
            table = table._resolve_features()
        for name, feature in table.features.items():
            if isinstance(feature, datasets.Image):
                table = table.cast_column(name, datasets.Image(decode=False))
    except Exception as error:  # as above
        raise UserError(f"{where}: cannot be read: {type(error).__name__}: {error}") from error
    lacking = [name for name in part.columns if name not in table.features]
    if lacking:
        there = ", ".join(table.features)
        raise DataError(f"expected such a column; there are: {there}", file=where, field=lacking[0])
    for number, row in enumerate(table, 1):
        yield Entry(row, Path(where), number)
