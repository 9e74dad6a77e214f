"""Mirrors of ScienceQA and MMBench."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from sqeval.data.entry import Entry
from sqeval.data.mirror import Files, Mirror, Part, Table, picture
from sqeval_tasks import scienceqa

PROBLEM = ("question", "choices", "answer", "hint", "task", "grade", "subject", "topic", "category", "skill", "image")


def _scienceqa(out: Files, rows: Table) -> None:
    """There are no problem numbers there. Rows are named so that nobody takes them for such."""
    problems = {}
    for row in rows:
        key = f"row{row.where}"
        image = None if row.value["image"] is None else "image.png"
        problems[key] = {**{name: row.value[name] for name in PROBLEM}, "image": image, "split": "test"}
        if image is not None:
            out.image(f"scienceqa/images/test/{key}/{image}", row)
    out.json(scienceqa.PROBLEMS, problems)
    out.json(scienceqa.SPLITS, {"test": list(problems)})


SCIENCEQA: Mapping[str, Mirror] = {"": Mirror("ScienceQA", (Part("test", PROBLEM, "ScienceQA-FULL"),), _scienceqa)}

ROW = ("index", "question", "hint", "A", "B", "C", "D", "category", "source", "comment", "split")


def _mmbench(name: str, l2: str, answers: bool) -> Any:
    def build(out: Files, rows: Table) -> None:
        lines = []
        for row in rows:
            line = {column: _text(row, column) for column in ROW}
            image = base64.b64encode(picture(row)).decode()
            line |= {"l2-category": _text(row, l2), "answer": _text(row, "answer") if answers else "", "image": image}
            lines.append(line)
        out.tsv(f"mmbench/{name}", lines)

    return build


def _text(row: Entry, column: str) -> str:
    value = row.value[column]
    return "" if value is None else str(value)


def _mirror(dataset: str, config: str | None, split: str, name: str, l2: str) -> Mirror:
    answers = ("answer",) if split == "dev" else ()
    part = Part(split, (*ROW, l2, "image", *answers), config)
    return Mirror(dataset, (part,), _mmbench(name, l2, bool(answers)))


MMBENCH: Mapping[str, Mirror] = {
    split: _mirror("MMBench_EN", None, split, f"mmbench_{split}_20230712.tsv", "l2-category")
    for split in ("dev", "test")
}
"""The version of LLaVA's tables."""
MMBENCH_OF_LMMS: Mapping[str, Mirror] = {
    split: _mirror("MMBench", "en", split, f"mmbench_{split}_en_20231003.tsv", "L2-category")
    for split in ("dev", "test")
}
"""The version that lmms-eval reads."""
MMBENCH_CN: Mapping[str, Mirror] = {
    split: _mirror("MMBench", "cn", split, f"mmbench_{split}_cn_20231003.tsv", "L2-category")
    for split in ("dev", "test")
}
