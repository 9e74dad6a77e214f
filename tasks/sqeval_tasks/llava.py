"""Official files of hidden splits out of LLaVA's question files, which hold all that such a split says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqeval.data.entry import Entry
from sqeval.data.llava import question_of
from sqeval.errors import UserError


def vqav2(lines: Sequence[Entry], files: Mapping[str, str], split: str | None, request: str) -> Mapping[str, Any]:
    """The file of questions of `split`, one of `files`; an image's number is in its name."""
    if split is None or split not in files:
        raise UserError(f"--split: vqav2's questions alone can be of {' or '.join(files)}; say of which")
    questions = []
    for line in lines:
        name = line.get("image", str)
        found = re.fullmatch(r"COCO_test2015_(\d{12})\.jpg", name)
        if found is None:
            raise line.error(f"expected an image such as COCO_test2015_000000000001.jpg, found {name!r}", "image")
        question = question_of(line, request)
        number = line.get("question_id", int)
        questions.append({"image_id": int(found.group(1)), "question": question, "question_id": number})
    return {files[split]: {"questions": questions}}


def vizwiz(lines: Sequence[Entry], split: str | None, request: str) -> list[dict[str, str]]:
    """Questions of the test split. LLaVA has made the first letter a capital and the others small; the prompt is the
    same, the question no longer is."""
    _require("vizwiz", split)
    return [{"image": line.get("image", str), "question": question_of(line, request)} for line in lines]


def nocaps(lines: Sequence[Entry], split: str | None, request: str) -> dict[str, Any]:
    """Images of the test split."""
    _require("nocaps", split)
    for line in lines:
        question_of(line, request)
    return {"images": [{"id": line.get("question_id", int), "file_name": line.get("image", str)} for line in lines]}


def _require(task: str, split: str | None) -> None:
    if split not in (None, "test"):
        raise UserError(f"--split {split}: LLaVA's question files hold no answers; of {task} they can make test alone")
