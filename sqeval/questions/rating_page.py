"""The rating sheet as one page with the pictures in it: a rater fills it in offline and saves a CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from sqeval.data.images import ImageRef
from sqeval.data.text import is_file
from sqeval.progress import Progress, Silent
from sqeval.report.files import write_text
from sqeval.report.html import thumbnails
from sqeval.report.html.render import render
from sqeval.report.text import plain, spreadsheet

EMBED_MB = 60.0
_TEMPLATES = files("sqeval.questions") / "templates"


def write_page(
    path: Path,
    asked: Sequence[tuple[str | None, str, str]],
    items: Mapping[str, str],
    overall: str,
    progress: Progress | None = None,
) -> None:
    """Write the page of (image file, image name, question); `items` are answered yes or no, `overall` from 1 to 5."""
    found = list(dict.fromkeys(image for image, _, _ in asked if image is not None))
    refs = [ImageRef(image, Path(image)) if is_file(Path(image)) else None for image in found]
    folder = path.with_name(f"{path.stem}_files")
    made = thumbnails.make(refs, int(EMBED_MB * 1e6), folder, progress or Silent())
    addresses = dict(zip(found, made.addresses, strict=True))
    questions = [
        {
            "item": number,
            "image": spreadsheet(name),
            "text": spreadsheet(plain(text)),
            "address": addresses.get(image or ""),
        }
        for number, (image, name, text) in enumerate(asked, 1)
    ]
    style, script = ((_TEMPLATES / name).read_text("utf-8") for name in ("rating.css", "rating.js"))
    view = {"questions": questions, "items": items, "overall": overall}
    write_text(path, render("sqeval.questions", "rating.html.j2", style=style, script=script, **view))
