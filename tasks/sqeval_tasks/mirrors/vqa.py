"""Mirrors of VQAv2, VizWiz and TextVQA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqeval.data.mirror import Files, Mirror, Part, Table
from sqeval_tasks import vqav2

QUESTION = ("question_id", "question", "image_id", "image")
ANNOTATION = ("question_type", "answer_type", "multiple_choice_answer", "answers")


def _vqav2_val(out: Files, rows: Table) -> None:
    questions, annotations = [], []
    for row in rows:
        number, image = row.get("question_id", int), row.get("image_id", int)
        ids = {"image_id": image, "question_id": number}
        questions.append({**ids, "question": row.get("question", str)})
        annotations.append({**ids, **{name: row.value[name] for name in ANNOTATION}})
        out.image(f"{vqav2.VAL.images}{image:012d}.jpg", row)
    out.json(vqav2.QUESTIONS, {"questions": questions})
    out.json(vqav2.ANNOTATIONS, {"annotations": annotations})


def _vqav2_hidden(path: str, images: str) -> Any:
    def build(out: Files, rows: Table) -> None:
        questions = []
        for row in rows:
            number, image = row.get("question_id", int), row.get("image_id", int)
            questions.append({"image_id": image, "question_id": number, "question": row.get("question", str)})
            out.image(f"{images}{image:012d}.jpg", row)
        out.json(path, {"questions": questions})

    return build


VQAV2: Mapping[str, Mirror] = {
    "val": Mirror("VQAv2", (Part("validation", (*QUESTION, *ANNOTATION)),), _vqav2_val),
    **{
        split.name: Mirror(
            "VQAv2", (Part(split.name.replace("-", ""), QUESTION),), _vqav2_hidden(split.questions, split.images)
        )
        for split in vqav2.HIDDEN
    },
}


def _vizwiz(split: str) -> Any:
    def build(out: Files, rows: Table) -> None:
        records = []
        for row in rows:
            name = f"{row.get('question_id', str).removesuffix('.jpg')}.jpg"
            known = {}
            if split == "val":
                answers = [{"answer": answer} for answer in row.strings("answers")]
                known = {"answers": answers, "answer_type": row.get("category", str)}
            records.append({"image": name, "question": row.get("question", str), **known})
            out.image(f"vizwiz/{split}/{name}", row)
        out.json(f"vizwiz/{split}.json", records)

    return build


VIZWIZ: Mapping[str, Mirror] = {
    "val": Mirror(
        "VizWiz-VQA", (Part("val", ("question_id", "question", "image", "answers", "category")),), _vizwiz("val")
    ),
    "test": Mirror("VizWiz-VQA", (Part("test", ("question_id", "question", "image")),), _vizwiz("test")),
}


def _textvqa(split: str, folder: str) -> Any:
    def build(out: Files, rows: Table) -> None:
        records, tokens = [], {}
        for row in rows:
            image = row.get("image_id", str)
            known = {"answers": row.strings("answers")} if split == "val" else {}
            ids = {"question_id": row.get("question_id", int), "image_id": image}
            records.append({**ids, "question": row.get("question", str), **known})
            tokens[image] = {"image_id": image, "ocr_tokens": row.strings("ocr_tokens", [])}
            out.image(f"textvqa/{folder}/{image}.jpg", row)
        out.json(f"textvqa/TextVQA_0.5.1_{split}.json", {"data": records})
        out.json(f"textvqa/TextVQA_Rosetta_OCR_v0.2_{split}.json", {"data": list(tokens.values())})

    return build


TEXT = ("question_id", "question", "image_id", "image", "ocr_tokens")
TEXTVQA: Mapping[str, Mirror] = {
    "val": Mirror("textvqa", (Part("validation", (*TEXT, "answers")),), _textvqa("val", "train_images")),
    "test": Mirror("textvqa", (Part("test", TEXT),), _textvqa("test", "test_images")),
}
