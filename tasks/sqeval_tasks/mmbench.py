"""MMBench: multiple choice by ability, each question asked once for every rotation of its options."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from sqeval.data.entry import Entry
from sqeval.data.files import read_tsv, require_unique
from sqeval.data.images import ImageRef
from sqeval.data.join import STRICT, Allow
from sqeval.data.layout import TSV, Records
from sqeval.data.mirror import Mirror
from sqeval.data.predictions import read_by_id
from sqeval.data.root import DataRoot
from sqeval.data.splits import NO_SCORE
from sqeval.data.xlsx import write_xlsx
from sqeval.errors import UserError
from sqeval.metrics import cells, means
from sqeval.model import Settings
from sqeval.records import Record
from sqeval.scoring import choice
from sqeval.stats.metric import Metric
from sqeval.task import Sample, Score, Size, Task, WantedFile

CHINESE = (
    "mmbench_dev_cn_20231003.tsv", "MMBench_DEV_CN.tsv", "MMBench_DEV_CN_V11.tsv",
    "mmbench_test_cn_20231003.tsv", "MMBench_TEST_CN.tsv", "MMBench_TEST_CN_V11.tsv",
)  # fmt: skip
ROWS = {
    4_377: "dev 20230712: 1,176 questions, LLaVA's tables", 4_329: "dev 1.0, current: 1,164 questions",
    6_718: "test 20230712", 6_666: "test 1.0, current: 1,784 questions",
}  # fmt: skip
"""Data versions by their number of rows; the Chinese files have those of the English ones."""
MD5 = {
    "30c05be8f2f347a50be25aa067248184": "dev 1.1", "8d1a704e791df6f5d9fb3ef782b65365": "test 1.1",
}  # fmt: skip
"""Data versions by VLMEvalKit's checksum of the file."""
ROWS_BY_INDEX = (Records(TSV, "index"),)
PASS = 1_000_000
"""Pass k of question i has the index i + k * PASS."""
LETTERS = "ABCD"
MISSING = frozenset([
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN", "-NaN", "-nan", "<NA>", "N/A", "n/a",
    "NA", "NULL", "null",
])  # fmt: skip
"""Texts that the official reader (pandas) takes for a missing hint or option; LLaVA adds nan and none in any case."""


class MMBench(Task):
    """A development set or, where there is none, a test set, whose answers only the server knows; in any data version.

    Which rotations exist is up to the file. The cluster is the content of the image: base questions may share an
    image, and all passes of one question take that of its first row, so every official group of passes lies inside one
    cluster.
    """

    name = "mmbench"
    version = "1"
    description = "multiple choice by ability; right only if every rotation of the options is answered right"
    citation = "Liu et al. 2023, MMBench: Is Your Multi-modal Model an All-around Player?, ECCV 2024"
    primary = "circular"
    measure = "circular accuracy (right under every rotation of the options)"
    known: ClassVar[Sequence[str]] = (
        "mmbench_dev_20230712.tsv", "mmbench_dev_en_20231003.tsv", "MMBench_DEV_EN.tsv", "MMBench_DEV_EN_V11.tsv",
        "mmbench_test_20230712.tsv", "mmbench_test_en_20231003.tsv", "MMBench_TEST_EN.tsv", "MMBench_TEST_EN_V11.tsv",
    )  # fmt: skip
    """Files by preference; the first is the one of LLaVA's tables."""
    others: ClassVar[Sequence[str]] = CHINESE
    """Files of another language, which are left alone."""
    any_name: ClassVar[bool] = True
    """Whether a file of another name is read if it is the only one."""
    suffix: ClassVar[str] = "Answer with the option's letter from the given choices directly."
    files = (WantedFile("mmbench/*.tsv", f"open-compass/MMBench: {', '.join(known)}", records=ROWS_BY_INDEX),)
    splits: ClassVar[Mapping[str, str]] = {
        "dev 20230712": "1,176 questions in 4,377 passes (LLaVA's tables)",
        "dev (current)": "1,164 questions in 4,329 passes",
        "test 20230712": "6,718 passes, without answers; read where no dev is there",
        "test (current)": "1,784 questions in 6,666 passes, without answers; read where no dev is there",
    }
    selectable = ("dev", "test")
    sizes: ClassVar[Mapping[str, Size]] = {
        "mmbench_dev_20230712.tsv": Size(4_377), "mmbench_test_20230712.tsv": Size(6_718),
        "mmbench_dev_en_20231003.tsv": Size(4_329), "mmbench_test_en_20231003.tsv": Size(6_666),
        "MMBench_DEV_EN.tsv": Size(4_329), "MMBench_TEST_EN.tsv": Size(6_666),
    }  # fmt: skip
    settings = Settings(max_new_tokens=1024)

    def wanted(self, root: DataRoot) -> Sequence[WantedFile]:
        name, _ = self._choice(root)
        return self.files if name is None else [replace(self.files[0], path=f"mmbench/{name}")]

    def samples(self, root: DataRoot) -> list[Sample]:
        entries = read_tsv(self._file(root))
        keyed = [(_index(entry), entry) for entry in entries]
        require_unique(keyed, "index")
        rows = dict(keyed)
        images: dict[str, ImageRef] = {}
        refs = {index: _image(entry, rows, images) for index, entry in rows.items()}
        public = any(_present(entry, "answer") for entry in entries)
        return [_sample(index, entry, refs, public) for index, entry in rows.items()]

    def mirrors(self) -> Mapping[str, Mirror | str]:
        from sqeval_tasks.mirrors.choices import MMBENCH

        return MMBENCH

    def llava_question(self, sample: Sample, position: int) -> Mapping[str, Any]:
        raise UserError(f"{self.name}: LLaVA has no question file of it, its script reads the TSV itself")

    def prompt(self, sample: Sample) -> str:
        hint = sample.metadata["hint"]
        options = [f"{letter}. {text}" for letter, text in _asked(sample.metadata["options"])]
        return "\n".join([*([hint] if hint else []), sample.question, *options, self.suffix])

    def gold(self, sample: Sample) -> str:
        return str(sample.reference["answer"] or "")

    def score(self, response: str | None, sample: Sample) -> Score:
        letter = None if response is None else choice.mmbench_letter(response, sample.metadata["options"])
        answer = sample.reference["answer"]
        return Score(letter, {} if answer is None else {"accuracy": float(letter == answer)})

    def metrics(self, records: Sequence[Record]) -> list[Metric]:
        """`circular` and `vanilla` (the first pass alone), each by ability and by split; a unit is a base question."""
        scored = [record for record in records if record.reference["answer"] is not None]
        passes: dict[int, list[float]] = {}
        for record in scored:
            passes.setdefault(int(record.id) % PASS, []).append(record.scores["accuracy"])
        questions = [
            record.with_scores({"circular": min(passes[int(record.id)]), "vanilla": record.scores["accuracy"]})
            for record in scored
            if int(record.id) < PASS
        ]
        circular, *circular_cells = _by_ability(questions, "circular")
        vanilla, *vanilla_cells = _by_ability(questions, "vanilla")
        return [circular, vanilla, *circular_cells, *vanilla_cells]

    def data_version(self, root: DataRoot, samples: Sequence[Sample]) -> str:
        path = self._file(root)
        with path.open("rb") as stream:
            found = MD5.get(hashlib.file_digest(stream, "md5").hexdigest(), ROWS.get(len(samples)))
        hidden = samples and samples[0].reference["answer"] is None
        notes = [note for note in (found, NO_SCORE if hidden else None) if note]
        return f"{path.name} ({'; '.join(notes)})" if notes else path.name

    def read_predictions(self, path: Path, samples: Sequence[Sample], allow: Allow = STRICT) -> dict[str, str]:
        """Also the tables that the server takes and that VLMEvalKit writes: spreadsheets, with tabs, or JSON."""
        formats = (("index", "prediction"), *self.predictions)
        ids = {sample.id for sample in samples}
        return read_by_id(path, formats, ids, rename=lambda key: key.removesuffix(".0"), allow=allow)

    def submission(self, records: Sequence[Record]) -> tuple[str, bytes]:
        """The spreadsheet that LLaVA makes for the server: a row a pass, with what the model said."""
        public = any(record.reference["answer"] for record in records)
        split = any("split" in record.tags for record in records)
        header = ["index", "question", *LETTERS, "prediction", *["answer"] * public, *["split"] * split]
        return ".xlsx", write_xlsx(header, [_row(record, public, split) for record in records])

    def _file(self, root: DataRoot) -> Path:
        name, unknown = self._choice(root)
        if name is None:
            there = ", ".join(unknown)
            raise UserError(f"{root.path / 'mmbench'}: several files ({there}) and none named {self.known[0]}")
        return root.file(f"mmbench/{name}")

    def _choice(self, root: DataRoot) -> tuple[str | None, list[str]]:
        """Name of the file to read, there or not; None and the names of several that may be meant."""
        names = {path.name for path in (root.path / "mmbench").glob("*.tsv")}.difference(self.others)
        of_split = [name for name in self.known if root.split is None or f"_{root.split}_" in name.lower()]
        known = [name for name in of_split if name in names]
        unknown = sorted(names.difference(self.known)) if self.any_name and not known and root.split is None else []
        return (None, unknown) if len(unknown) > 1 else ([*known, *unknown, of_split[0]][0], [])


def _by_ability(questions: Sequence[Record], score: str) -> list[Metric]:
    """As the official report has it: overall, by L2 and L3 ability, and the same for every split of the file."""
    found = means(questions, score, ["l2", "l3"])
    by_split = cells(questions, "split")
    for split, members in by_split.items():
        name = f"{score}/split={split}"
        found += means(members, score, ["l2", "l3"] if len(by_split) > 1 else [], name=name)
    return found


def _row(record: Record, public: bool, split: bool) -> list[str | int | None]:
    options = record.reference["options"]
    row: list[str | int | None] = [int(record.id), record.question, *(options.get(letter) for letter in LETTERS)]
    row += [record.response or ""]
    row += [record.reference["answer"]] if public else []
    return row + ([record.tags.get("split")] if split else [])


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


def _sample(index: int, entry: Entry, refs: Mapping[int, ImageRef], public: bool) -> Sample:
    columns = {"l2": "l2-category", "l3": "category", "split": "split"}
    options = _options(entry)
    reference: dict[str, Any] = {
        "answer": entry.one_of("answer", tuple(LETTERS)) if public else None,
        "options": options,
    }
    return Sample(
        id=str(index),
        image=refs[index],
        question=entry.get("question", str),
        reference=reference,
        cluster=refs.get(index % PASS, refs[index]).key,
        tags={tag: text for tag, name in columns.items() if (text := _present(entry, name))},
        metadata={"options": options, "hint": _present(entry, "hint")},
    )


def _present(entry: Entry, name: str) -> str:
    """A column's text, empty if the column or the text is missing."""
    text = entry.get(name, str, "")
    return "" if text in MISSING or text.lower() in ("nan", "none") else text


def _options(entry: Entry) -> dict[str, str]:
    """Options by letter, as the matcher has them."""
    options = {letter: text for letter in LETTERS if (text := _present(entry, letter))}
    if not options:
        raise entry.error("expected at least one option", "A")
    return options


def _asked(options: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those of LLaVA's prompt: up to the first that is missing."""
    for expected in LETTERS:
        if expected not in options:
            return
        yield expected, options[expected]
