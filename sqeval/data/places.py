"""Where image folders lie, if not under the data root: a file ``paths.yaml`` in the root, and ``--images``.

Only images may lie elsewhere. Their names, keys and hashes stay what they are under the root.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sqeval.config_file import read_yaml
from sqeval.data.hub import hub_root, is_hub
from sqeval.data.root import DataRoot, resolve_root
from sqeval.data.splits import require_splits
from sqeval.errors import DataError, UserError
from sqeval.registry import get_task, nearest, task_names
from sqeval.task import Task, WantedFile

FILE = "paths.yaml"


def read_places(root: Path) -> dict[str, Path]:
    """The lines ``image folder: where it lies`` of the root's ``paths.yaml``, if it has one.

    A folder may be one that stands above image folders (``coco`` for ``coco/val2014``). Places are absolute, begin with
    ``~``, or are relative to the root; whether they exist is seen when something is looked for there. Raises DataError.
    """
    path = root / FILE
    if not path.exists():
        return {}
    known = _with_parents(_folders(wanted for task in _installed() for wanted in task.files))
    places = {}
    for key, value in read_yaml(path).items():
        folder = key.strip("/")
        if folder not in known:
            hint = f"{nearest(folder, known)}known are: {', '.join(sorted(known))}"
            raise DataError(f"no benchmark has such an image folder; {hint}", file=path, line=value.line, field=key)
        if type(value.value) is not str or not value.value.strip():
            raise DataError("expected the path of a folder", file=path, line=value.line, field=key)
        if folder in places:
            raise DataError("given twice", file=path, line=value.line, field=key)
        places[folder] = root / Path(value.value).expanduser()
    return places


def open_root(
    name: str, tasks: Sequence[Task], *, images: str | None = None, splits: Mapping[str, str] | None = None
) -> DataRoot:
    """The data root called `name` for these tasks, their images in `images`, read for these `splits`.

    Raises UserError.
    """
    require_splits(tasks, splits or {})
    if is_hub(name):
        if images is not None:
            raise UserError(f"--images {images}: mirrors on the hub bring their images; leave it out")
        return hub_root(name, tasks, splits or {})
    return with_images(replace(resolve_root(name), splits=dict(splits or {})), images, tasks)


def with_images(root: DataRoot, images: str | None, tasks: Sequence[Task]) -> DataRoot:
    """`root` with the image folders of `tasks` that lie under the folder `images` read from there.

    `images` may also be the image folder itself, if those of the tasks whose data files are there want just one.
    Raises UserError if nothing of it can be used.
    """
    if images is None:
        return root
    there = Path(images).expanduser()
    if not there.is_dir():
        raise UserError(f"--images {images}: no such folder")
    all_wanted = [task.wanted(root.for_task(task.name)) for task in tasks]
    with_data = [files for files in all_wanted if _has_data(root, files)]
    wanted = _folders(wanted for files in with_data or all_wanted for wanted in files)
    found = {folder: there / folder for folder in wanted if (there / folder).is_dir()}
    if not found and len(wanted) == 1:
        found = {wanted[0]: there}
    if not found and wanted:
        raise UserError(
            f"--images {images} has none of the image folders {', '.join(wanted)}; "
            "give the folder that stands above them, or, for a single one, the folder itself"
        )
    return replace(root, places={**root.places, **found})


def _installed() -> Iterator[Task]:
    for name in task_names():
        with suppress(UserError):  # a broken plugin is told of where it is used
            yield get_task(name)


def _folders(files: Iterable[WantedFile]) -> list[str]:
    """The image folders among `files`, each once."""
    return list(dict.fromkeys(wanted.folder for wanted in files if wanted.folder))


def _has_data(root: DataRoot, files: Iterable[WantedFile]) -> bool:
    return all(root.has(wanted) for wanted in files if wanted.required and wanted.folder is None)


def _with_parents(folders: Iterable[str]) -> list[str]:
    above = ("/".join(parts[:n]) for parts in (folder.split("/") for folder in folders) for n in range(1, len(parts)))
    return list(dict.fromkeys([*folders, *above]))
