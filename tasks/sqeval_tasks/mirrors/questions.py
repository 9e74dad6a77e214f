"""Mirrors of GQA, POPE and the judged benchmarks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from sqeval.data.entry import Entry
from sqeval.data.mirror import Files, Mirror, Part, Table, picture
from sqeval_tasks import gqa, llava_wild, pope


def _gqa(out: Files, questions: Table, images: Table) -> None:
    """Annotations, which point into scene graphs that the mirror does not have, are left out."""
    records = {}
    for row in questions:
        kept = {name: row.value[name] for name in ("question", "imageId", "answer", "isBalanced", "groups", "types")}
        records[row.get("id", str)] = {**kept, "entailed": _ids(row, "entailed"), "semantic": row.get("semantic", list)}
    out.json(gqa.QUESTIONS, records)
    for row in images:
        out.image(f"gqa/images/{row.get('id', str)}.jpg", row)


def _ids(row: Entry, column: str) -> list[str]:
    """Ids of questions: a list, or the text of one."""
    value = row.value[column]
    return re.findall(r"\d+", value) if isinstance(value, str) else row.strings(column, [])


GQA: Mapping[str, Mirror] = {
    "": Mirror(
        "GQA",
        (
            Part(
                "testdev",
                ("id", "imageId", "question", "answer", "isBalanced", "groups", "types", "entailed", "semantic"),
                "testdev_balanced_instructions",
            ),
            Part("testdev", ("id", "image"), "testdev_balanced_images"),
        ),
        _gqa,
    )
}


def _pope(out: Files, rows: Table) -> None:
    """Numbers and names of images are text there, the latter without suffix."""
    lines: dict[str, list[dict[str, Any]]] = {category: [] for category in pope.CATEGORIES}
    for row in rows:
        number = row.get("question_id", str)
        if not number.isdecimal():
            raise row.error(f"expected a number, found {number!r}", "question_id")
        name = f"{row.get('image_source', str).removesuffix('.jpg')}.jpg"
        line = {"question_id": int(number), "image": name, "text": row.get("question", str)}
        category = row.one_of("category", pope.CATEGORIES)
        lines[category].append({**line, "label": row.one_of("answer", ("yes", "no"))})
        out.image(f"coco/val2014/{name}", row)
    for category, its in lines.items():
        out.lines(f"pope/coco_pope_{category}.json", its)


OBJECTS = ("question_id", "question", "answer", "image_source", "image", "category")
POPE: Mapping[str, Mirror] = {"": Mirror("POPE", (Part("test", OBJECTS),), _pope)}


def _mmvet(out: Files, rows: Table) -> None:
    """Images have no names there; equal ones get that of their first question, as in the official file."""
    records: dict[str, Any] = {}
    names: dict[bytes, str] = {}
    for row in rows:
        key, content = row.get("question_id", str), picture(row)
        name = names.setdefault(content, f"{key}.png")
        out.image(f"mmvet/images/{name}", row)
        capability = [part.strip() for part in row.get("capability", str).split(",")]
        question = {"imagename": name, "question": row.get("question", str), "answer": row.get("answer", str)}
        records[key] = {**question, "capability": capability}
    out.json("mmvet/mm-vet.json", records)


MMVET: Mapping[str, Mirror] = {
    "": Mirror("MMVet", (Part("test", ("question_id", "question", "answer", "capability", "image")),), _mmvet)
}


def _llava_wild(out: Files, rows: Table) -> None:
    questions, answers, contexts = [], [], {}
    for row in rows:
        name, number = row.get("image_id", str), row.get("question_id", int)
        name = name if PurePosixPath(name).suffix else f"{name}.jpg"
        text, category = row.get("question", str), row.get("category", str)
        questions.append({"question_id": number, "image": name, "text": text, "category": category})
        answers.append({"question_id": number, "text": row.get("gpt_answer", str)})
        contexts[name] = {"image": name, "caption": row.value["caption"]}
        out.image(f"{llava_wild.FOLDER}/images/{name}", row)
    out.lines(f"{llava_wild.FOLDER}/questions.jsonl", questions)
    out.lines(f"{llava_wild.FOLDER}/answers_gpt4.jsonl", answers)
    out.lines(f"{llava_wild.FOLDER}/context.jsonl", list(contexts.values()))


WILD = ("question_id", "question", "image", "caption", "gpt_answer", "category", "image_id")
LLAVA_WILD: Mapping[str, Mirror] = {"": Mirror("llava-bench-in-the-wild", (Part("train", WILD),), _llava_wild)}
