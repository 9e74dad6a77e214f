"""What the examples in the commands' help speak of, and how a test types them."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from help_examples import PROGRAMS, arguments
from typer.testing import CliRunner

import sqeval
from sqeval.data.mini import ensure_mini
from sqeval.questions.rating import ITEMS, OVERALL

PHOTOS = 12


@dataclass(frozen=True)
class Workspace:
    """`done` holds the outcome of each example by its text."""

    folder: Path
    done: dict[str, Any]


def typed(example: str, *more: str) -> Any:
    """Run an example in this process, in the current folder."""
    program = example.split()[0]
    app = import_module(PROGRAMS[program]).app
    return CliRunner().invoke(app, [*arguments(example), *more], prog_name=program)


def prepare(folder: Path) -> None:
    """Photos, captions, people's questions, and an earlier run."""
    coco = ensure_mini() / "coco"
    photos = sorted((coco / "val2014").iterdir())[:PHOTOS]
    (folder / "photos").mkdir()
    for photo in photos:
        shutil.copy(photo, folder / "photos")
    shutil.copy(photos[0], folder / "photo.jpg")
    shutil.copy(coco / "annotations" / "captions_val2014.json", folder / "captions.json")
    with (folder / "people.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "question"])
        for photo in photos:
            writer.writerows([(photo.name, "What color is the circle?"), (photo.name, "How many squares are there?")])
    sqeval.run("gqa,pope", ckpt="mini", data="mini", limit=200, name="before")


def fill_sheets(folder: Path) -> None:
    """What two people made of the sheet of `questions rate export`: they disagree about every third question."""
    with (folder / "rating" / "rating_sheet.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for rater, name in enumerate(("ann", "bob")):
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            for number, row in enumerate(rows):
                vote = int(number % 2 == 0) ^ (rater if number % 3 == 0 else 0)
                writer.writerow({**row, **dict.fromkeys(ITEMS, vote), OVERALL: 1 + 4 * vote})


def document(stdout: str) -> Any:
    """The one JSON document that `stdout` is. NaN and Infinity, which JSON does not have, are refused."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(stdout, parse_constant=refuse)
