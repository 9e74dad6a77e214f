"""`--split`: which of a benchmark's splits is read, said once and remembered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_roots import NAMES, picture, pope, vizwiz, write_json
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.config import resolve
from sqeval.data.root import DataRoot
from sqeval.errors import UserError
from sqeval.evaluation import Outcome, evaluate
from sqeval.registry import get_task, parse_tasks
from sqeval.task import Task
from sqeval_tasks.vqav2 import ANNOTATIONS, QUESTIONS, TEST_DEV


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """VizWiz of both splits, beside POPE."""
    return vizwiz(vizwiz(pope(tmp_path / "root"), "val"), "test")


def run(root: Path, out: Path, **given: Any) -> Outcome:
    return evaluate(resolve({"model": "majority", "data": str(root), "out": str(out), **given}))


def test_the_chosen_split_is_read_and_stands_in_name_and_configuration(root: Path, tmp_path: Path) -> None:
    default, chosen = (run(root, tmp_path, tasks="vizwiz", split=split) for split in (None, "test"))
    assert [outcome.folder.name for outcome in (default, chosen)] == ["majority-root", "majority-root-test"]
    assert [outcome.run["config"]["split"] for outcome in (default, chosen)] == [{}, {"vizwiz": "test"}]
    assert [o.metrics["vizwiz"]["data_version"] for o in (default, chosen)] == [
        "val", "test (no score: the answers are not public)",
    ]  # fmt: skip


def test_several_tasks_name_theirs(root: Path, tmp_path: Path) -> None:
    outcome = run(root, tmp_path, tasks="pope,vizwiz", split="vizwiz=test")
    assert outcome.folder.name == "majority-root-vizwiz-test"
    assert outcome.metrics["vizwiz"]["data_version"].startswith("test ")
    assert outcome.metrics["pope"]["counts"]["n"] == 24


def test_a_run_scored_again_reads_the_same_split(root: Path, tmp_path: Path) -> None:
    first = run(root, tmp_path, tasks="pope,vizwiz", split="vizwiz=test", name="first")
    for arguments in ([], ["--task", "pope", "--name", "less"]):
        command = ["score", "--predictions", str(first.folder), "--out", str(tmp_path), *arguments]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
    again = json.loads((tmp_path / "first-rescored" / "run.json").read_text("utf-8"))
    assert again["config"]["split"] == {"vizwiz": "test"}
    assert again["tasks"] == first.run["tasks"]


def test_a_run_folder_keeps_the_splits_of_its_earlier_tasks(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path, tasks="vizwiz", split="test", name="one")
    both = run(root, tmp_path, tasks="pope", name="one")
    assert both.run["config"]["split"] == {"vizwiz": "test"}
    with pytest.raises(UserError, match="data files of vizwiz"):
        run(root, tmp_path, tasks="vizwiz", name="one")


@pytest.mark.parametrize(
    ("tasks", "split", "words"),
    [
        ("vizwiz", "tst", "vizwiz has no split 'tst'; it has the splits val, test"),
        ("pope", "val", "pope has no split 'val'; it has one split only"),
        ("pope", "vizwiz=test", "vizwiz is not among the tasks: pope"),
        ("pope,vizwiz", "test", "--split: say of which task: TASK=test"),
        ("vizwiz", "vizwiz=test,vizwiz=val", "--split: expected a split, or task=split"),
        ("vizwiz", "vizwiz=", "--split: expected a split, or task=split"),
    ],
)
def test_what_cannot_be_chosen_is_one_message(tasks: str, split: str, words: str, root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run(root, tmp_path, tasks=tasks, split=split)
    assert words in str(caught.value)


def test_an_absent_split_is_missed_although_another_is_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vizwiz \(split val\): vizwiz/val\.json \(from vizwiz\.org"):
        run(vizwiz(tmp_path / "root", "test"), tmp_path, tasks="vizwiz", split="val")


def chosen(task: Task, path: Path, split: str | None) -> str | None:
    root = DataRoot(path, "root", splits={task.name: split} if split else {}).for_task(task.name)
    return task.data_version(root, task.samples(root))


def test_vqav2(tmp_path: Path) -> None:
    write_json(tmp_path, TEST_DEV, {"questions": [{"question_id": 7000, "image_id": 7, "question": "What?"}]})
    write_json(tmp_path, QUESTIONS, {"questions": []})
    write_json(tmp_path, ANNOTATIONS, {"annotations": []})
    assert chosen(get_task("vqav2"), tmp_path, None) == "val"
    assert str(chosen(get_task("vqav2"), tmp_path, "test-dev")).startswith("test-dev (no score")


def test_mmbench_chooses_by_the_names_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "mmbench").mkdir()
    for name in ("mmbench_dev_20230712.tsv", "MMBench_TEST_EN.tsv", "MMBench_TEST_CN.tsv"):
        (tmp_path / "mmbench" / name).write_text("index\tquestion\tA\tB\timage\n1\tWhat?\ta\tb\tAAAA\n", "utf-8")
    assert str(chosen(get_task("mmbench"), tmp_path, None)).startswith("mmbench_dev_20230712.tsv")
    assert str(chosen(get_task("mmbench"), tmp_path, "test")).startswith("MMBench_TEST_EN.tsv")
    wanted = get_task("mmbench_cn").wanted(DataRoot(tmp_path, "root", split="dev"))
    assert [file.path for file in wanted] == ["mmbench/mmbench_dev_cn_20231003.tsv"]


def test_coco_captions_of_all_images_although_the_split_file_is_there(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": name} for i, name in enumerate(NAMES)]
    captions = [{"id": i, "image_id": i, "caption": "A thing."} for i in range(4)]
    write_json(tmp_path, "coco/annotations/captions_val2014.json", {"images": images, "annotations": captions})
    task = get_task("coco_caption")
    with pytest.raises(UserError, match=r"dataset_coco\.json is missing"):
        chosen(task, tmp_path, "karpathy-test")
    split = [{"cocoid": i, "split": "test" if i == 2 else "val"} for i in range(4)]
    write_json(tmp_path, "coco/dataset_coco.json", {"images": split})
    picture(tmp_path / "coco" / "val2014" / NAMES[2])
    assert [chosen(task, tmp_path, name) for name in (None, "karpathy-test", "val2014")] == [
        "karpathy-test", "karpathy-test", "val2014",
    ]  # fmt: skip


def test_names_that_can_be_chosen_are_those_that_are_described() -> None:
    for task in parse_tasks("all"):
        described = " ".join(task.splits)
        assert all(name in described for name in task.selectable), task.name
