"""MMBench: multiple choice by ability, each question asked once for every rotation of its options."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from sqeval.data.entry import Entry
from sqeval.data.files import read_tsv, require_unique
from sqeval.data.images import ImageRef
from sqeval.data.root import DataRoot
from sqeval.errors import UserError
from sqeval.metrics import means
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import choice
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Task, WantedFile

KNOWN = ("mmbench_dev_20230712.tsv", "MMBench_DEV_EN.tsv", "MMBench_DEV_EN_V11.tsv")
"""English development sets by preference; the first is the one of LLaVA's tables."""
PASS = 1_000_000
"""Pass k of question i has the index i + k * PASS."""
LETTERS = "ABCD"
MISSING = frozenset([
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN", "-NaN", "-nan", "<NA>", "N/A", "n/a",
    "NA", "NULL", "null",
])  # fmt: skip
"""Texts that the official reader (pandas) takes for a missing hint or option; LLaVA adds nan and none in any case."""


class MMBench(Task):
    """The English development set, in any of its versions; which rotations exist is up to the file.

    The cluster is the content of the image: base questions may share an image, and all passes of one question take
    that of its first row, so every official group of passes lies inside one cluster.
    """

    name = "mmbench"
    version = "1"
    description = "multiple choice by ability; right only if every rotation of the options is answered right"
    citation = "Liu et al. 2023, MMBench: Is Your Multi-modal Model an All-around Player?, ECCV 2024"
    primary = "circular"
    files = (WantedFile("mmbench/*.tsv", f"open-compass/MMBench: {', '.join(KNOWN)}"),)
    splits: ClassVar[Mapping[str, str]] = {
        "dev 20230712": "1,176 questions in 4,377 passes (LLaVA's tables)",
        "dev (current)": "1,164 questions in 4,329 passes",
    }
    settings = Settings(max_new_tokens=1024)

    def samples(self, root: DataRoot) -> list[Sample]:
        entries = read_tsv(_file(root))
        keyed = [(_index(entry), entry) for entry in entries]
        require_unique(keyed, "index")
        rows = dict(keyed)
        images: dict[str, ImageRef] = {}
        refs = {index: _image(entry, rows, images) for index, entry in rows.items()}
        return [_sample(index, entry, refs) for index, entry in rows.items()]

    def prompt(self, sample: Sample) -> str:
        hint = sample.metadata["hint"]
        options = [f"{letter}. {text}" for letter, text in sample.metadata["options"].items()]
        lines = [*([hint] if hint else []), sample.question, *options]
        return "\n".join([*lines, "Answer with the option's letter from the given choices directly."])

    def gold(self, sample: Sample) -> str:
        return str(sample.reference)

    def score(self, response: str | None, sample: Sample) -> Score:
        letter = None if response is None else choice.mmbench_letter(response, sample.metadata["options"])
        return Score(letter, {"accuracy": float(letter == sample.reference)})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        """`circular`, `vanilla` (the first pass alone), and `circular` by ability; a unit is a base question."""
        passes: dict[int, list[float]] = {}
        for record in records:
            passes.setdefault(int(record.id) % PASS, []).append(record.scores["accuracy"])
        questions = [
            record.with_scores({"circular": min(passes[int(record.id)]), "vanilla": record.scores["accuracy"]})
            for record in records
            if int(record.id) < PASS
        ]
        circular, *abilities = means(questions, "circular", ["l2", "l3"])
        return [circular, *means(questions, "vanilla"), *abilities]

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str:
        return _file(root).name


def _file(root: DataRoot) -> Path:
    names = sorted(path.name for path in (root.path / "mmbench").glob("*.tsv"))
    known = [name for name in KNOWN if name in names]
    if not known and len(names) > 1:
        raise UserError(f"{root.path / 'mmbench'}: several files ({', '.join(names)}) and none named {KNOWN[0]}")
    return root.file(f"mmbench/{(known or names or KNOWN)[0]}")


def _index(entry: Entry) -> int:
    text = entry.get("index", str)
    if not text.isdecimal() or len(text) > 18:
        raise entry.error(f"expected a row number, found {text[:20]!r}", "index")
    return int(text)


def _image(entry: Entry, rows: Mapping[int, Entry], images: dict[str, ImageRef]) -> ImageRef:
    """The row's image: base64, or the index of the row that has it. One `ImageRef` for equal content."""
    text = entry.get("image", str)
    if text.isdecimal() and len(text) <= 18:
        if int(text) not in rows:
            raise entry.error(f"expected an image in base64 or the index of a row, found {text}", "image")
        entry = rows[int(text)]
        text = entry.get("image", str)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        raise entry.error("expected an image in base64 or the index of a row that has one", "image")
    key = hashlib.sha256(data).hexdigest()
    return images.setdefault(key, ImageRef(key=key, data=data))


def _sample(index: int, entry: Entry, refs: Mapping[int, ImageRef]) -> Sample:
    columns = {"l2": "l2-category", "l3": "category"}
    return Sample(
        id=str(index),
        image=refs[index],
        question=entry.get("question", str),
        reference=entry.one_of("answer", LETTERS),
        cluster=refs.get(index % PASS, refs[index]).key,
        tags={tag: text for tag, name in columns.items() if (text := _present(entry, name))},
        metadata={"options": _options(entry), "hint": _present(entry, "hint")},
    )


def _present(entry: Entry, name: str) -> str:
    """A column's text, empty if the column or the text is missing."""
    text = entry.get(name, str, "")
    return "" if text in MISSING or text.lower() in ("nan", "none") else text


def _options(entry: Entry) -> dict[str, str]:
    """Options by letter, up to the first missing one."""
    options: dict[str, str] = {}
    for letter in LETTERS:
        if not (text := _present(entry, letter)):
            break
        options[letter] = text
    if not options:
        raise entry.error("expected at least one option", "A")
    return options
