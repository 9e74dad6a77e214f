"""Every reader of a file that people or programs hand in: a valid file, and what is done with one."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqeval.config import resolve
from sqeval.data import files
from sqeval.data.places import read_places
from sqeval.data.predictions import read_by_id, read_by_question, read_numbers, read_records
from sqeval.data.xlsx import read_xlsx, write_xlsx
from sqeval.errors import SqevalError
from sqeval.noise import floors
from sqeval.published import FIELDS, read_published
from sqeval.questions import importers
from sqeval.questions.answers import read_answers
from sqeval.questions.campaign import find_images
from sqeval.questions.context import joined
from sqeval.questions.files import Asked, ImageQuestions, read_questions
from sqeval.questions.rating import ITEMS, OVERALL, ingest, read_ratings
from sqeval.rundir import read_records as read_samples
from sqeval.runs import Run
from sqeval.stored import read_stored
from sqllava import adapters, headers, locate, trained
from sqllava.conversion import layout
from sqllava.training.conversations import ConversationFile
from sqllava.training.conversations import read_json as read_training_list
from sqllava.training.journal import read_journal
from sqllava.training.recipe_file import load_recipe, recipe_text
from sqllava.training.state import read_position


@dataclass(frozen=True, slots=True)
class Reader:
    """A file name, a valid content, and what reads it."""

    file: str
    valid: bytes
    read: Callable[[Path], object]
    lines: bool = False
    """Whether JSON stands in lines."""


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def _lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def _table(*rows: Sequence[str], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode()


ASKED = ImageQuestions(
    "r",
    "a.png",
    (Asked("r/a/0", "Is it red?", n_tokens=3, logprob=-1.5, answer="yes"), Asked("r/a/1", "Why?")),
    {"name": "m"},
    {"n": 2, "seed": 0, "sampling": "iid", "temperature": 1.0},
    image="a.png",
    preface=("Say.", "It is."),
)
ANSWER = {"schema": "sqeval.answers/1", "qid": "q", "answerer": {"name": "m"}, "condition": "img", "k": 0, "text": "no"}
SAMPLE = {
    "id": "1",
    "cluster": "a",
    "image": None,
    "question": "q",
    "prompt": "q",
    "response": "yes",
    "parsed": "yes",
    "reference": "yes",
    "scores": {"accuracy": 1.0},
    "tags": {"kind": "x"},
    "finish_reason": "stop",
    "error": None,
    "request_hash": "h",
    "verbatim": False,
    "judgement": None,
}
CHAT = {
    "id": "1",
    "image": "a.png",
    "conversations": [{"from": "human", "value": "<image>\nIs it?"}, {"from": "gpt", "value": "Yes."}],
}
COCO = {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "id": 1, "caption": "a cat"}]}
STORED = _table(
    ["id", "cluster", "parsed", "reference", "finish_reason", "error", "score:accuracy", "tag:kind"],
    ["1", "a", "yes", '"yes"', "stop", "\\N", "1.0", "x"],
)
FLOORS = {
    "schema": 1,
    "measurements": [
        {
            "run": "a",
            "started": "",
            "changed": [],
            "tasks": {"pope": {"n": 3, "flipped": 0.1, "difference": 0.0, "stderr": 0.1}},
        }
    ],
}
ADAPTER = {
    "peft_type": "LORA",
    "r": 8,
    "lora_alpha": 16,
    "target_modules": ["q_proj"],
    "base_model_name_or_path": "mini",
}
HEADER = _json({"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}})


def _entries(entries: Sequence[Any]) -> None:
    """Ask every record for everything."""
    for entry in entries:
        for name in entry.value:
            for kind in (str, int, float, bool, list, dict):
                _accepted(lambda n=name, k=kind, e=entry: e.get(n, k))  # type: ignore[misc]


def _accepted(read: Callable[[], object]) -> None:
    with suppress(SqevalError):
        read()


READERS = {
    "object": Reader("a.json", _json(COCO), lambda p: _entries([files.read_object(p)])),
    "table": Reader("a.json", _json({"1": SAMPLE}), lambda p: _entries(list(files.read_table(p).values()))),
    "list": Reader("a.json", _json([SAMPLE, CHAT]), lambda p: _entries(files.read_list(p))),
    "lines": Reader("a.jsonl", _lines(SAMPLE, CHAT), lambda p: _entries(files.read_lines(p)), lines=True),
    "tsv": Reader(
        "a.tsv", _table(["i", "q"], ["1", 'a "b"\nc'], delimiter="\t"), lambda p: _entries(files.read_tsv(p))
    ),
    "csv": Reader("a.csv", _table(["i", "q"], ["1", 'a "b"\nc']), lambda p: _entries(files.read_csv(p))),
    "xlsx": Reader("a.xlsx", write_xlsx(["i", "q"], [["1", "=1+1"]]), read_xlsx),
    "predictions": Reader(
        "p.json",
        _json([{"question_id": 1, "answer": "yes"}]),
        lambda p: read_by_id(p, [("question_id", "text")], ["1"], final=[("question_id", "answer")]),
    ),
    "prediction lines": Reader(
        "p.jsonl",
        _lines({"question_id": 1, "text": "yes"}),
        lambda p: read_by_id(p, [("question_id", "text")], ["1"]),
        lines=True,
    ),
    "prediction numbers": Reader(
        "p.json", _json({"results": {"1": 3, "2": "4"}}), lambda p: read_numbers(p, "results", ["1", "2"])
    ),
    "prediction table": Reader(
        "p.tsv",
        _table(["index", "prediction"], ["1", "A"], delimiter="\t"),
        lambda p: read_by_id(p, [("index", "prediction")], ["1"]),
    ),
    "answers by image": Reader(
        "p.jsonl",
        _lines({"image": "a", "prompt": "q", "text": "yes"}),
        lambda p: read_by_question(p, {"1": ("a", "q")}, ("image", "prompt", "text"), str),
        lines=True,
    ),
    "samples": Reader("samples.jsonl", _lines(SAMPLE, SAMPLE), read_samples, lines=True),
    "stored samples": Reader(
        "samples.csv.gz",
        STORED,
        lambda p: read_stored(_beside(p, "packed.csv.gz", gzip.compress(p.read_bytes(), mtime=0))),
    ),
    "stored samples, packed": Reader("samples.csv.gz", gzip.compress(STORED, mtime=0), read_stored),
    "configuration": Reader(
        "run.yaml",
        b"tasks: [pope]\ndata: mini\nlimit: 10\nmodel: majority\nmodel_args: {a: 1}\n",
        lambda p: resolve({}, p),
    ),
    "image places": Reader(
        "paths.yaml", b"coco/val2014: /data/coco\ngqa/images: ../gqa\n", lambda p: read_places(p.parent)
    ),
    "published": Reader(
        "published.csv", _table(FIELDS, ["m", "gqa", "accuracy", "", "62.0", "paper", ""]), read_published
    ),
    "noise floors": Reader("aa.json", _json(FLOORS), lambda p: floors(Run(p.parent, {}, {}))),
    "questions": Reader("a.questions.jsonl", ASKED.to_json().encode() + b"\n", read_questions, lines=True),
    "answers": Reader("a.answers.jsonl", _lines(ANSWER), read_answers, lines=True),
    "captions": Reader("c.json", _json(COCO), lambda p: joined([ASKED], p, None, None)),
    "objects": Reader("o.json", _json({"a.png": ["cat"]}), lambda p: joined([ASKED], None, p, None)),
    "instances": Reader(
        "o.json",
        _json({**COCO, "categories": [{"id": 1, "name": "cat"}], "annotations": [{"image_id": 1, "category_id": 1}]}),
        lambda p: joined([ASKED], None, p, None),
    ),
    "context": Reader(
        "c.jsonl",
        _lines({"image_id": "a.png", "captions": ["a"], "objects": [{"label": "cat"}]}),
        lambda p: joined([ASKED], None, None, p),
        lines=True,
    ),
    "sqllava-sq": Reader(
        "q.json", _lines({"question_id": 1, "image": "a", "prompt": ["Why?"]}), importers.sqllava_sq, True
    ),
    "sqllava-qa": Reader("q.json", _lines({"image": "a", "dialogues": [["q", "a"]]}), importers.sqllava_qa, lines=True),
    "seeq": Reader("q.json", _json([{"image": "a", "generations": [[{"gene_question": "Why?"}]]}]), importers.seeq),
    "vqa-v2": Reader("q.json", _json({"questions": [{"image_id": 1, "question": "Why?"}]}), importers.vqa_v2),
    "questions csv": Reader("q.csv", _table(["image", "question"], ["a", "Why?"]), importers.table),
    "manifest": Reader("m.csv", b"image\nm.csv\n", find_images),
    "ratings": Reader(
        "r.csv", _table(["qid", "rater", *ITEMS, OVERALL], ["q", "me", *("1" for _ in ITEMS), "3"]), read_ratings
    ),
    "rating sheet": Reader(
        "sheet.csv",
        _table(["item", *ITEMS, OVERALL], ["1", *("1" for _ in ITEMS), "3"]),
        lambda p: ingest([p], _beside(p, "key.json", _json({"items": {"1": {"qid": "q", "image_id": "a"}}}))),
    ),
    "rating key": Reader(
        "key.json",
        _json({"items": {"1": {"qid": "q", "image_id": "a"}}}),
        lambda p: ingest(
            [_beside(p, "sheet.csv", _table(["item", *ITEMS, OVERALL], ["1", *("1" for _ in ITEMS), "3"]))], p
        ),
    ),
    "training list": Reader("t.json", _json([CHAT, CHAT]), lambda p: list(ConversationFile(p))),
    "training lines": Reader("t.jsonl", _lines(CHAT, CHAT), lambda p: list(ConversationFile(p)), lines=True),
    "training regions": Reader("t.json", _json([CHAT]), read_training_list),
    "recipe": Reader("r.yaml", recipe_text("mini").encode(), lambda p: load_recipe(str(p))),
    "journal": Reader("train.jsonl", _lines({"stage": "a", "step": 1, "loss": 2.0}), read_journal, lines=True),
    "position": Reader(
        "position.json", _json({"stage": "a", "step": 3, "since_log": {}}), lambda p: read_position(p.parent)
    ),
    "config.json": Reader(
        "config.json", (locate.PRETRAINED / "mini" / "config.json").read_bytes(), lambda p: locate.locate(p.parent)
    ),
    "adapter config": Reader(
        "adapter_config.json",
        _json(ADAPTER),
        lambda p: (
            adapters.read_adapter_json(p.parent),
            layout.recognise(p.parent),
            adapters.read_adapter_config(p.parent),
        ),
    ),
    "trained": Reader("trained.json", _json({"a": 1}), trained.read_json),
    "weights' header": Reader("w.safetensors", len(HEADER).to_bytes(8, "little") + HEADER, headers.read_header),
    "records of any kind": Reader("p", gzip.compress(_json([SAMPLE]), mtime=0), read_records),
}


def _beside(path: Path, name: str, content: bytes) -> Path:
    (path.parent / name).write_bytes(content)
    return path.parent / name
