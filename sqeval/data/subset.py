"""A small data root cut out of a large one: official files with some of their records, and only those images."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from sqeval.data.check import distinct_images
from sqeval.data.folders import MANIFEST, made
from sqeval.data.layout import cut, dump
from sqeval.data.root import DataRoot
from sqeval.errors import UserError
from sqeval.planner import select

if TYPE_CHECKING:
    from sqeval.data.images import ImageRef
    from sqeval.task import Sample, Task


def write_subset(
    tasks: Sequence[Task], root: DataRoot, out: Path, *, limit: int | None, seed: int, link: bool = False
) -> dict[str, tuple[int, int]]:
    """Write a data root with what ``--limit`` and ``--seed`` ask of `tasks`; (questions, images) of each.

    The records are word for word those of `root`, and are read back and compared before the folder appears as `out`.
    Images are copied, or with `link` hard-linked. The same arguments write the same bytes. Raises UserError, DataError.
    """
    sizes: dict[str, Any] = {}
    with made(out) as work:
        for task in tasks:
            source = root.for_task(task.name)
            chosen = select(task.samples(source), limit, seed)
            if not chosen:
                raise UserError(f"{task.name}: no sample in {root.name}")
            _write_files(task, source, chosen, work)
            images = [image for image in distinct_images(chosen) if image.path is not None]
            for image in images:
                _write_image(image, work, link)
            _require_same(task, chosen, DataRoot(work, str(out), split=source.split))
            sizes[task.name] = {"questions": len(chosen), "images": len(distinct_images(chosen)), "of": source.hash()}
        told = {"limit": limit, "seed": seed, "splits": dict(root.splits), "tasks": sizes}
        (work / MANIFEST).write_bytes(dump(told))
    return {name: (size["questions"], size["images"]) for name, size in sizes.items()}


def _write_files(task: Task, source: DataRoot, chosen: Sequence[Sample], work: Path) -> None:
    samples = {sample.id for sample in chosen}
    images = {PurePosixPath(sample.image.key).stem for sample in chosen if sample.image is not None}
    for wanted in task.wanted(source):
        if wanted.folder is not None or not source.has(wanted):
            continue
        if not wanted.records and wanted.required:
            raise UserError(
                f"{task.name}: its files cannot be cut, as {wanted.path} does not say where its records are"
            )
        if wanted.records:
            path = work / wanted.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cut(source.file(wanted.path), wanted.records, samples, images))


def _write_image(image: ImageRef, work: Path, link: bool) -> None:
    path = work / image.key
    if image.path is None or path.exists():
        return
    if not image.path.is_file():
        raise UserError(f"{image.path} is missing; `sqeval data check` lists what else is")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not link:
        shutil.copyfile(image.path, path)
        return
    try:
        os.link(os.path.realpath(image.path), path)
    except OSError as error:
        raise UserError(
            f"{image.path}: cannot be linked into {work.parent}: {error.strerror}; copy, without --link"
        ) from None


def _require_same(task: Task, chosen: Sequence[Sample], written: DataRoot) -> None:
    """Raise UserError unless reading the new files gives exactly the chosen samples."""
    found = task.samples(written)
    if list(map(_told, found)) != list(map(_told, chosen)):
        raise UserError(f"{task.name}: its files cannot be cut: read back, the questions are not those chosen")


def _told(sample: Sample) -> tuple[Any, ...]:
    image = sample.image and sample.image.key
    return (
        sample.id,
        image,
        sample.question,
        sample.reference,
        sample.cluster,
        dict(sample.tags),
        dict(sample.metadata),
    )
