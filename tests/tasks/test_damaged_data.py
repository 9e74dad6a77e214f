"""Official files with one value replaced: every task reads them, or says in one message what is wrong."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from answering import answered, data_root, write_json, write_lines
from hypothesis import given, settings
from hypothesis import strategies as st

from sqeval.data.root import resolve_root
from sqeval.errors import DataError
from sqeval.judged import JudgedTask
from sqeval.task import Task
from sqeval_tasks.gqa import GQA
from sqeval_tasks.llava_wild import LLaVAWild
from sqeval_tasks.mmvet import MMVet
from sqeval_tasks.pope import POPE
from sqeval_tasks.scienceqa import ScienceQA
from sqeval_tasks.textvqa import TextVQA
from sqeval_tasks.vizwiz import VizWiz
from sqeval_tasks.vqav2 import VQAv2

JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    "",
    "x",
    "../x",
    "a\0b",
    "\ud800",
    "{}",
    "%s",
    [],
    [[]],
    {},
    {"a": 1},
]
FILES = {
    "vqav2": ["vqav2/v2_OpenEnded_mscoco_val2014_questions.json", "vqav2/v2_mscoco_val2014_annotations.json"],
    "gqa": ["gqa/testdev_balanced_questions.json", "gqa/testdev_balanced_choices.json"],
    "scienceqa": ["scienceqa/problems.json", "scienceqa/pid_splits.json"],
    "pope": [f"pope/coco_pope_{category}.json" for category in ("random", "popular", "adversarial")],
}
GOLDEN = Path(__file__).parents[1] / "golden"
WRITTEN: dict[str, dict[str, Any]] = {
    "vizwiz": {
        "vizwiz/val.json": [
            {
                "image": f"{i}.jpg",
                "question": "?",
                "answers": [{"answer": "a"}],
                "answer_type": "other",
                "answerable": 1,
            }
            for i in range(2)
        ]
    },
    "textvqa": {
        "textvqa/TextVQA_0.5.1_val.json": {
            "data": [{"image_id": "i", "question": "?", "answers": ["a"] * 10, "question_id": i} for i in range(2)]
        },
        "textvqa/TextVQA_Rosetta_OCR_v0.2_val.json": {"data": [{"image_id": "i", "ocr_tokens": ["a", "b"]}]},
    },
    "mmvet": {
        "mmvet/mm-vet.json": {
            f"v1_{i}": {"imagename": f"{i}.png", "question": "?", "answer": "a<AND>b", "capability": ["rec", "gen"]}
            for i in range(2)
        }
    },
    "llava_wild": {
        "llava-bench-in-the-wild/questions.jsonl": [
            {"question_id": i, "image": "1.jpg", "text": "?", "category": "conv"} for i in range(2)
        ],
        "llava-bench-in-the-wild/context.jsonl": [{"image": "1.jpg", "caption": ["a", "b"]}],
        "llava-bench-in-the-wild/answers_gpt4.jsonl": [{"question_id": i, "text": "a"} for i in range(2)],
    },
    "gqa_attention": {
        f"gqa/testdev_balanced_{name}.json": json.loads((GOLDEN / f"gqa_toy_{name}.json").read_text())
        for name in ("questions", "attentions", "sceneGraphs")
    },
}
"""Files that the mini suite does not have."""
TASKS: list[Task] = [VQAv2(), GQA(), ScienceQA(), POPE(), VizWiz(), TextVQA(), MMVet(), LLaVAWild()]
Place = tuple[Any, Any]
"""A container and the key or position of a value in it."""


@cache
def official(task: str) -> dict[str, Any]:
    """The first records of the mini suite's files, by file name."""
    if task in WRITTEN:
        return WRITTEN[task]
    folder = resolve_root("mini").path
    if task == "pope":
        return {name: [json.loads(line) for line in (folder / name).open()][:4] for name in FILES[task]}
    files = {name: json.loads((folder / name).read_text()) for name in FILES[task]}
    if task == "vqav2":
        first, second = FILES[task]
        return {
            first: {"questions": files[first]["questions"][:2]},
            second: {"annotations": files[second]["annotations"][:2]},
        }
    if task == "gqa":
        return {name: dict(list(value.items())[:3]) for name, value in files.items()}
    problems, splits = FILES[task]
    pids = files[splits]["test"][:3]
    return {problems: {pid: files[problems][pid] for pid in pids}, splits: {"test": pids}}


def write(root: Path, task: str, files: dict[str, Any]) -> None:
    for name, value in files.items():
        if (task == "pope" or name.endswith(".jsonl")) and isinstance(value, list):
            write_lines(root, name, value)
        else:
            write_json(root, name, value)


def places(value: Any) -> list[Place]:
    """Everything inside `value` that can be replaced."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in [(value, key), *places(value[key])]]


def use(task: Task, root: Path) -> None:
    """Everything that a run does with the data, but for opening images."""
    samples = task.samples(data_root(root))
    for answer in (task.gold, task.prompt, lambda sample: ""):
        if isinstance(task, JudgedTask):
            for sample in samples:
                json.dumps(asdict(task.inquire(answer(sample), sample, []))).encode()
        elif samples:
            task.metrics(answered(task, samples, answer))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_undamaged_files_are_read(task: Task, tmp_path: Path) -> None:
    write(tmp_path, task.name, official(task.name))
    use(task, tmp_path)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_one_damaged_value_is_harmless_or_a_message(task: Task, data: st.DataObject, tmp_path_factory) -> None:
    one_is_damaged(task, official(task.name), data, tmp_path_factory)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_value_of_grounding_is_harmless_or_a_message(data: st.DataObject, tmp_path_factory) -> None:
    one_is_damaged(GQA(), WRITTEN["gqa_attention"], data, tmp_path_factory)


def one_is_damaged(
    task: Task, sound: dict[str, Any], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = copy.deepcopy(sound)
    container, key = data.draw(st.sampled_from(places(files)))
    container[key] = data.draw(st.sampled_from(JUNK))
    root = tmp_path_factory.mktemp("damaged", numbered=True)
    write(root, task.name, files)
    try:
        use(task, root)
    except DataError as error:
        message = str(error)
    else:
        message = f"{root}/: harmless"
    assert message.startswith(f"{root}/")
    assert "\n" not in message
    message.encode()
