"""What is known about images, from the files that people have: COCO captions and instances, label lists, our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from sqeval.data.entry import Entry
from sqeval.data.files import read_lines, read_object
from sqeval.data.text import show
from sqeval.errors import DataError
from sqeval.questions.files import Context, ImageQuestions, read_context

T = TypeVar("T")


def joined(
    images: Sequence[ImageQuestions], captions: Path | None, objects: Path | None, context: Path | None
) -> list[ImageQuestions]:
    """The images with what the files know about them besides what they know themselves.

    captions: COCO's caption annotations; objects: COCO's instance annotations, or one object of image -> labels;
    context: our own lines of ``{"image_id", "captions", "objects", "ref_questions"}``. An image is found by its id, by
    its file's name, or by either without its suffix or its folder. Raises DataError for a file that fits no image.
    """
    said = {} if captions is None else _fitting(captions, _captions(captions), images)
    seen = {} if objects is None else _fitting(objects, _objects(objects), images)
    own = {} if context is None else _fitting(context, _own(context), images)
    return [replace(image, context=_more(image, said, seen, own)) for image in images]


def names_of(image: ImageQuestions) -> list[str]:
    """What a file may call the image, the likeliest first."""
    paths = [PurePosixPath(name) for name in (image.image_id, image.image) if name]
    names = [form for path in paths for form in (str(path), path.name, path.stem)]
    numbers = [str(int(path.stem.rpartition("_")[2])) for path in paths if path.stem.rpartition("_")[2].isdecimal()]
    return list(dict.fromkeys([*names, *numbers]))


def _more(
    image: ImageQuestions,
    said: Mapping[str, list[str]],
    seen: Mapping[str, list[str]],
    own: Mapping[str, Context],
) -> Context:
    names = names_of(image)
    context = next((own[name] for name in names if name in own), image.context)
    captions = next((said[name] for name in names if name in said), None)
    labels = next((seen[name] for name in names if name in seen), None)
    if captions is not None:
        context = replace(context, captions=tuple(captions))
    return context if labels is None else replace(context, objects=tuple(labels))


def _fitting(path: Path, found: dict[str, T], images: Sequence[ImageQuestions]) -> dict[str, T]:
    if not any(name in found for image in images for name in names_of(image)):
        those = show(next(iter(found), "nothing"))
        raise DataError(
            f"fits none of the images: it speaks of {those}, they are {show(images[0].image_id)}, ...", file=path
        )
    return found


def _captions(path: Path) -> dict[str, list[str]]:
    data = read_object(path)
    names = _file_names(data)
    found: dict[str, list[str]] = {}
    for entry in data.entries("annotations"):
        for name in names.get(entry.get("image_id", int), ()):
            found.setdefault(name, []).append(entry.get("caption", str))
    return found


def _objects(path: Path) -> dict[str, list[str]]:
    data = read_object(path)
    if "annotations" not in data.value:
        return {name: data.strings(name) for name in data.value}
    kinds = {entry.get("id", int): entry.get("name", str) for entry in data.entries("categories")}
    names = _file_names(data)
    found: dict[str, list[str]] = {name: [] for forms in names.values() for name in forms}
    for entry in data.entries("annotations"):
        kind = entry.get("category_id", int)
        if kind not in kinds:
            raise entry.error(f"category {kind} is not among the categories", "category_id")
        for name in names.get(entry.get("image_id", int), ()):
            found[name].append(kinds[kind])
    return found


def _own(path: Path) -> dict[str, Context]:
    return {entry.get("image_id", str): read_context(entry) for entry in read_lines(path)}


def _file_names(data: Entry) -> dict[int, tuple[str, str]]:
    """File name and number of each image."""
    return {e.get("id", int): (e.get("file_name", str), str(e.get("id", int))) for e in data.entries("images")}
