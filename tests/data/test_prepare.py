"""`sqeval data prepare`: parts of data roots that are data roots, and LLaVA's question files both ways."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from judged_data import write_llava_wild, write_mmvet
from small_roots import NAMES, pope, vizwiz, write_json
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.config import resolve
from sqeval.data.mini import ensure_mini
from sqeval.data.places import open_root
from sqeval.evaluation import evaluate
from sqeval.registry import get_task, parse_tasks
from sqeval_tasks.vqav2 import TEST_DEV

MINI = "vqav2,gqa,pope,scienceqa,mmbench,coco_caption,nocaps"


def prepare(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, ["data", "prepare", *map(str, arguments)])
    assert done.exit_code == code, (done.exception, done.output)
    return done


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "part"
    prepare("mini", "--out", out, "--tasks", MINI, "--limit", 30, "--seed", 3)
    return out


def test_a_part_asks_what_limit_asks(part: Path, tmp_path: Path) -> None:
    """The same questions, answers, clusters and scores; captions apart, whose scores depend on all images."""
    tasks = "vqav2,gqa,pope,scienceqa,mmbench"
    common = {"tasks": tasks, "model": "random", "seed": 3, "out": str(tmp_path)}
    whole = evaluate(resolve({**common, "data": "mini", "limit": 30, "name": "whole"}))
    ours = evaluate(resolve({**common, "data": str(part), "name": "part"}))
    for task in tasks.split(","):
        assert (ours.folder / task / "samples.jsonl").read_bytes() == (
            whole.folder / task / "samples.jsonl"
        ).read_bytes()
        assert ours.metrics[task]["metrics"] == whole.metrics[task]["metrics"]


def test_records_are_those_of_the_source_and_images_no_more_than_needed(part: Path) -> None:
    mini = ensure_mini()
    for task in parse_tasks(MINI):
        samples = task.samples(open_root(str(part), [task]).for_task(task.name))
        assert len(samples) >= 30
        for sample in samples:
            if sample.image is not None and sample.image.path is not None:
                assert (part / sample.image.key).read_bytes() == (mini / sample.image.key).read_bytes()
    name = "gqa/testdev_balanced_questions.json"
    ours, whole = (json.loads((root / name).read_bytes()) for root in (part, mini))
    assert ours == {key: record for key, record in whole.items() if key in ours}
    assert len(ours) < len(whole)
    used = {
        sample.image.key
        for task in parse_tasks(MINI)
        for sample in task.samples(open_root(str(part), [task]).for_task(task.name))
        if sample.image is not None and sample.image.path is not None
    }
    assert used == {name for name in tree(part) if name.endswith(".png")}


def test_the_same_arguments_write_the_same_bytes_over_what_they_wrote(part: Path, tmp_path: Path) -> None:
    arguments = ("mini", "--out", tmp_path / "again", "--tasks", MINI, "--limit", 30, "--seed", 3)
    prepare(*arguments)
    prepare(*arguments)
    assert tree(tmp_path / "again") == tree(part)
    assert os.listdir(tmp_path) == ["again"]


def test_what_somebody_else_put_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine", "utf-8")
    for out in (tmp_path / "mine", tmp_path / "mine" / "thesis.txt"):
        said = prepare("mini", "--out", out, "--tasks", "pope", code=2).stderr
        assert "thesis.txt, which was not made by this command" in said
    assert tree(tmp_path) == {"mine/thesis.txt": b"mine"}


def test_what_was_put_among_prepared_files_stays(tmp_path: Path) -> None:
    out = tmp_path / "part"
    prepare("mini", "--out", out, "--tasks", "pope", "--limit", 5)
    (out / "mmvet").mkdir()
    (out / "mmvet" / "mm-vet.json").write_text("mine", "utf-8")
    before = tree(out)
    said = prepare("mini", "--out", out, "--tasks", "pope", "--limit", 5, code=2).stderr
    assert "holds mmvet/mm-vet.json, which was not made by this command" in said
    assert tree(out) == before


def test_nothing_is_left_of_what_could_not_be_finished(tmp_path: Path) -> None:
    root = pope(tmp_path / "root")
    (root / "coco" / "val2014" / NAMES[2]).unlink()
    assert f"{NAMES[2]} is missing" in prepare(root, "--out", tmp_path / "part", "--tasks", "pope", code=2).stderr
    assert os.listdir(tmp_path) == ["root"]


def test_images_can_be_linked(tmp_path: Path) -> None:
    root = pope(tmp_path / "root", tmp_path / "elsewhere")
    prepare(root, "--out", tmp_path / "part", "--tasks", "pope", "--images", tmp_path / "elsewhere", "--link")
    for name in NAMES:
        assert (tmp_path / "part" / "coco" / "val2014" / name).samefile(tmp_path / "elsewhere" / name)


@pytest.mark.parametrize("name", ["mmvet", "llava_wild", "vizwiz"])
def test_benchmarks_that_mini_does_not_have(name: str, tmp_path: Path) -> None:
    root = vizwiz(write_llava_wild(write_mmvet(tmp_path / "root")), "val")
    prepare(root, "--out", tmp_path / "part", "--tasks", name, "--limit", 1)
    task = get_task(name)
    ours, whole = (task.samples(open_root(str(folder), [task])) for folder in (tmp_path / "part", root))
    kept = {sample.id for sample in ours}
    assert [s.reference for s in ours] == [s.reference for s in whole if s.id in kept]
    assert 0 < len(ours) <= len(whole)


def questions(tmp_path: Path, source: object, task: str, suffix: str = ".jsonl") -> list[dict[str, Any]]:
    prepare(source, "--out", tmp_path / "questions", "--tasks", task, "--llava")
    text = (tmp_path / "questions" / f"{task}{suffix}").read_text("utf-8")
    return list(json.loads(text)) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]


def test_llava_questions_are_numbered_as_its_own_files_are(tmp_path: Path) -> None:
    """Sources: LLaVA's eval.zip, as described in its docs/Evaluation.md."""
    request = "\nAnswer the question using a single word or phrase."
    asked = questions(tmp_path, pope(tmp_path / "root"), "pope")
    assert [line["question_id"] for line in asked] == [
        *range(10_000_000, 10_000_008), *range(20_000_000, 20_000_008), *range(8),
    ]  # fmt: skip
    assert asked[0] == {
        "question_id": 10_000_000, "image": NAMES[0], "text": f"Is there a thing 0?{request}", "category": "random",
    }  # fmt: skip
    [first, *_] = questions(tmp_path, vizwiz(tmp_path / "root", "test"), "vizwiz")
    unsure = "\nWhen the provided information is insufficient, respond with 'Unanswerable'."
    assert first["question_id"] == 0
    assert first["text"] == f"What is test 0?{unsure}{request}"
    [first, *_] = questions(tmp_path, "mini", "gqa")
    assert isinstance(first["question_id"], str)
    [first, *_] = questions(tmp_path, "mini", "scienceqa", ".json")
    assert set(first) <= {"id", "image", "conversations"}
    human, answer = first["conversations"]
    assert not human["value"].endswith("directly.")
    assert answer["value"] in "ABCDE"
    assert "its script reads the TSV" in prepare(
        "mini", "--out", tmp_path / "questions", "--tasks", "mmbench", "--llava", code=2
    ).stderr  # fmt: skip


@pytest.mark.parametrize("task", ["vqav2", "gqa", "pope", "scienceqa", "coco_caption", "nocaps"])
def test_answers_to_llava_questions_are_understood(task: str, tmp_path: Path) -> None:
    """Who answers a question file and keeps its ids can have the answers scored."""
    suffix = ".json" if task == "scienceqa" else ".jsonl"
    asked = questions(tmp_path, "mini", task, suffix)
    answers = [{"question_id": line.get("question_id", line.get("id")), "text": f"answer {i}"}
               for i, line in enumerate(asked)]  # fmt: skip
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in answers), "utf-8")
    plugin = get_task(task)
    samples = plugin.samples(open_root("mini", [plugin]))
    read = plugin.read_predictions(path, samples)
    assert [read[sample.id] for sample in samples] == [line["text"] for line in answers]


def test_hidden_splits_come_back_from_llava_questions(tmp_path: Path) -> None:
    """There and back again: the prompts are the same."""
    numbers = [262_144_000, 262_144_001, 7_000]
    write_json(tmp_path / "root", TEST_DEV, {
        "questions": [{"question_id": n, "image_id": n // 1000, "question": f"What is {n}?"} for n in numbers]
    })  # fmt: skip
    write_json(tmp_path / "root", "nocaps/nocaps_test_image_info.json", {"images": [{"id": 4, "file_name": "a.jpg"}]})
    vizwiz(tmp_path / "root", "test")
    mine = tmp_path / "back" / "coco" / "test2015" / "COCO_test2015_000000262144.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", "utf-8")
    for name, split in (("vqav2", "test-dev"), ("vizwiz", "test"), ("nocaps", "test")):
        questions(tmp_path, tmp_path / "root", name)
        file = tmp_path / "questions" / f"{name}.jsonl"
        prepare(file, "--out", tmp_path / "back", "--tasks", name, "--split", split)
        task = get_task(name)
        ours, back = (
            task.samples(open_root(str(tmp_path / folder), [task], splits={name: split}).for_task(name))
            for folder in ("root", "back")
        )
        assert [(s.id, s.cluster, task.prompt(s)) for s in back] == [(s.id, s.cluster, task.prompt(s)) for s in ours]
    files = [TEST_DEV, "nocaps/nocaps_test_image_info.json", "vizwiz/test.json"]
    assert {*tree(tmp_path / "back")} == {"prepared.json", str(mine.relative_to(tmp_path / "back")), *files}
    again = tree(tmp_path / "back")
    prepare(file, "--out", tmp_path / "back", "--tasks", "nocaps")
    assert tree(tmp_path / "back") == again
    (tmp_path / "other" / "nocaps").mkdir(parents=True)
    (tmp_path / "other" / files[1]).write_text("mine", "utf-8")
    said = prepare(file, "--out", tmp_path / "other", "--tasks", "nocaps", code=2).stderr
    assert f"holds {files[1]}, which was not made by this command" in said
    assert tree(tmp_path / "other") == {files[1]: b"mine"}


@pytest.mark.parametrize(
    ("task", "more", "words"),
    [
        ("pope", (), "hold no answers"),
        ("vqav2", (), "can be of test-dev or test"),
        ("vqav2", ("--split", "val"), "can be of test-dev or test"),
        ("vizwiz", ("--split", "val"), "can make test alone"),
        ("vqav2", ("--split", "test"), "questions.jsonl:2: image: expected an image such as"),
        ("pope,vqav2", (), "holds the questions of one benchmark"),
    ],
)
def test_where_there_is_no_way_back_it_says_so(task: str, more: tuple[str, ...], words: str, tmp_path: Path) -> None:
    request = "\nAnswer the question using a single word or phrase."
    line = {"question_id": 1, "image": "COCO_test2015_000000000001.jpg", "text": f"What?{request}"}
    path = tmp_path / "questions.jsonl"
    path.write_text(f"{json.dumps(line)}\n{json.dumps({**line, 'image': 'x.jpg'})}\n", "utf-8")
    assert words in prepare(path, "--out", tmp_path / "back", "--tasks", task, *more, code=2).stderr
    assert not (tmp_path / "back").exists()


def test_without_out_it_prints_where_data_are(tmp_path: Path) -> None:
    assert prepare("mini").stdout.strip() == str(ensure_mini())
    assert "--tasks: name the benchmarks" in prepare("mini", "--out", tmp_path / "x", code=2).stderr
