"""`--data hub`: mirrors give the scores that the benchmark's own files give, and their faults are told in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mirror_tables
import pytest
from judged_data import write_llava_wild, write_mmvet
from small_roots import vizwiz

from sqeval.config import resolve
from sqeval.data import hub
from sqeval.data.places import open_root
from sqeval.data.subset import write_subset
from sqeval.errors import DataError, UserError
from sqeval.evaluation import Outcome, evaluate
from sqeval.registry import get_task

TASKS = ("vqav2", "gqa", "pope", "scienceqa", "mmbench")


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of the mini suite, without files that mirrors do not have."""
    root = tmp_path_factory.mktemp("official") / "mini"
    tasks = [get_task(name) for name in (*TASKS, "coco_caption")]
    write_subset(tasks, open_root("mini", tasks), root, limit=80, seed=1)
    (root / "gqa" / "testdev_balanced_choices.json").unlink()
    (root / "coco" / "dataset_coco.json").unlink()
    return root


@pytest.fixture(scope="module")
def mirrors(official: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in the mirrors' columns."""
    out = tmp_path_factory.mktemp("mirrors")
    for task in (*TASKS, "coco_caption"):
        write: Callable[[Path, Path], None] = getattr(mirror_tables, task)
        write(official, out)
    return out


def run(data: str, out: Path, tasks: str, **more: Any) -> Outcome:
    return evaluate(resolve({"tasks": tasks, "model": "majority", "data": data, "out": str(out), **more}))


def flat(outcome: Outcome, task: str) -> dict[str, float]:
    """Every number of every metric."""
    return {
        f"{name} {key} {i}": number
        for name, metric in outcome.metrics[task]["metrics"].items()
        for key, value in metric.items()
        for i, number in enumerate(value if isinstance(value, list) else [value])
    }


def test_mirrors_give_the_scores_of_the_official_files(official: Path, mirrors: Path, tmp_path: Path) -> None:
    """Values, errors and intervals, of every metric, and what is sent to servers.

    To the last bit, but for ScienceQA: there the mirror has no problem numbers, and sums are taken in another order.
    """
    tasks = ",".join(TASKS)
    ours, theirs = (run(data, tmp_path / name, tasks, name="run") for name, data in
                    (("files", str(official)), ("hub", f"hub:{mirrors}")))  # fmt: skip
    for task in TASKS:
        if task == "scienceqa":
            assert flat(theirs, task) == pytest.approx(flat(ours, task), rel=1e-12)
        else:
            assert theirs.metrics[task]["metrics"] == ours.metrics[task]["metrics"], task
        assert theirs.metrics[task]["counts"] == ours.metrics[task]["counts"], task
    for task in ("vqav2", "gqa"):
        assert (theirs.folder / task / "submission.json").read_bytes() == (
            ours.folder / task / "submission.json"
        ).read_bytes()


@pytest.mark.parametrize("name", ["vqav2", "gqa", "pope", "mmbench", "coco_caption"])
def test_samples_and_images_are_those_of_the_official_files(name: str, official: Path, mirrors: Path) -> None:
    task = get_task(name)
    roots = [open_root(data, [task]).for_task(name) for data in (str(official), f"hub:{mirrors}")]
    ours, theirs = ({s.id: s for s in task.samples(root)} for root in roots)
    assert list(theirs) == list(ours)
    for key, sample in ours.items():
        other = theirs[key]
        assert (other.question, other.reference, dict(other.tags)) == (
            sample.question, sample.reference, dict(sample.tags),
        )  # fmt: skip
        assert task.prompt(other) == task.prompt(sample)
        assert sample.image is not None
        assert other.image is not None
        assert Path(other.image.key).stem == Path(sample.image.key).stem
    first = next(iter(ours))
    pixels = [samples[first].image for samples in (ours, theirs)]
    assert pixels[0] is not None
    assert pixels[1] is not None
    assert pixels[0].open().tobytes() == pixels[1].open().tobytes()


def test_the_revision_is_recorded_and_decides_what_is_made_anew(mirrors: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(mirrors / "POPE", copy / "POPE")
    first = run(f"hub:{copy}", tmp_path, "pope", name="a")
    source = first.run["sources"]["pope"]
    assert source["dataset"] == "POPE"
    assert source["tables"] == [[None, "test"]]
    again = run(f"hub:{copy}", tmp_path, "pope", name="b")
    assert again.run["sources"] == first.run["sources"]
    assert again.run["data"] == first.run["data"]
    (copy / "POPE" / "notes.txt").write_text("another revision", "utf-8")
    assert run(f"hub:{copy}", tmp_path, "pope", name="c").run["sources"] != first.run["sources"]


def test_without_the_hub_the_newest_copy_is_taken_and_told(
    mirrors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's answer to "which revision" is put in its place; what it would serve lies on disk."""
    monkeypatch.setenv("SQEVAL_CACHE", str(tmp_path / "cache"))
    roots = []
    for revision in ("a" * 40, "b" * 40):
        answer = (str(mirrors / "POPE"), revision)
        monkeypatch.setattr(hub, "_revision", lambda organisations, dataset, answer=answer: answer)
        roots.append(open_root("hub", [get_task("pope")]))
    assert len({root.copies["pope"] for root in roots}) == 2
    monkeypatch.undo()
    monkeypatch.setenv("SQEVAL_CACHE", str(tmp_path / "cache"))
    root = open_root("hub", [get_task("pope")])
    assert root.copies == roots[1].copies
    assert root.sources["pope"] == {**roots[1].sources["pope"], "hub_reached": False}
    assert run("hub", tmp_path, "pope").run["sources"]["pope"]["revision"] == "b" * 40


def test_the_hidden_split_of_a_mirror_is_asked_for_by_name(tmp_path: Path) -> None:
    root = vizwiz(vizwiz(tmp_path / "root", "val"), "test")
    for split in ("val", "test"):
        records = json.loads((root / "vizwiz" / f"{split}.json").read_text("utf-8"))
        rows = [
            {"question_id": Path(r["image"]).stem, "question": r["question"],
             "image": (root / "vizwiz" / split / r["image"]).read_bytes(),
             "answers": [a["answer"] for a in r.get("answers", [{"answer": ""}])], "category": r.get("answer_type", "")}
            for r in records
        ]  # fmt: skip
        mirror_tables.write_table(tmp_path / "hub" / "VizWiz-VQA", rows, split)
    task, places = get_task("vizwiz"), (str(root), f"hub:{tmp_path / 'hub'}")
    for split in ("val", "test"):
        roots = [open_root(data, [task], splits={"vizwiz": split}).for_task("vizwiz") for data in places]
        ours, theirs = ([(s.question, s.reference, s.tags) for s in task.samples(one)] for one in roots)
        assert theirs == ours
    ours, theirs = (run(data, tmp_path, "vizwiz", split="test", name=f"run{i}") for i, data in enumerate(places))
    assert theirs.metrics["vizwiz"]["metrics"] == ours.metrics["vizwiz"]["metrics"]
    assert theirs.metrics["vizwiz"]["data_version"] == ours.metrics["vizwiz"]["data_version"]


def test_judged_benchmarks(tmp_path: Path) -> None:
    root = write_llava_wild(write_mmvet(tmp_path / "root"))
    table = json.loads((root / "mmvet" / "mm-vet.json").read_text("utf-8"))
    rows = [
        {"question_id": key, "question": r["question"], "answer": r["answer"], "capability": ",".join(r["capability"]),
         "image": (root / "mmvet" / "images" / r["imagename"]).read_bytes()}
        for key, r in table.items()
    ]  # fmt: skip
    mirror_tables.write_table(tmp_path / "hub" / "MMVet", rows, "test")
    folder = root / "llava-bench-in-the-wild"
    answers = {line["question_id"]: line["text"] for line in mirror_tables.lines(folder / "answers_gpt4.jsonl")}
    captions = {line["image"]: line["caption"] for line in mirror_tables.lines(folder / "context.jsonl")}
    rows = [
        {"question_id": q["question_id"], "question": q["text"], "category": q["category"],
         "caption": "\n".join(c) if isinstance(c := captions[q["image"]], list) else c,
         "gpt_answer": answers[q["question_id"]], "image_id": q["image"],
         "image": (folder / "images" / q["image"]).read_bytes()}
        for q in mirror_tables.lines(folder / "questions.jsonl")
    ]  # fmt: skip
    mirror_tables.write_table(tmp_path / "hub" / "llava-bench-in-the-wild", rows, "train")
    for name in ("mmvet", "llava_wild"):
        task = get_task(name)
        roots = [open_root(data, [task]).for_task(name) for data in (str(root), f"hub:{tmp_path / 'hub'}")]
        ours, theirs = (task.samples(root) for root in roots)
        assert [(s.id, s.question, s.reference, s.tags) for s in theirs] == [
            (s.id, s.question, s.reference, s.tags) for s in ours
        ]
        assert [dict(s.metadata) for s in theirs] == [dict(s.metadata) for s in ours]
    clusters = {s.cluster for s in get_task("mmvet").samples(open_root(f"hub:{tmp_path / 'hub'}",
                                                             [get_task("mmvet")]).for_task("mmvet"))}  # fmt: skip
    assert len(clusters) == 1  # one picture, told by its bytes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: {k: v for k, v in row.items() if k != "image_source"}, "image_source: expected such a column"),
        (lambda row: row | {"question_id": int(row["question_id"])}, ":1: question_id: expected a string, found 1"),
        (lambda row: row | {"category": "easy"}, ":1: category: expected one of"),
        (lambda row: row | {"image": None}, ":1: image: expected an image"),
        (lambda row: row | {"image_source": "../x"}, ":1: image: image name"),
    ],
)
def test_columns_that_are_not_as_expected_are_one_message(
    change: Callable[[dict[str, Any]], dict[str, Any]], words: str, tmp_path: Path
) -> None:
    row = {"question_id": "1", "question": "Is it?", "answer": "yes", "image_source": "a", "category": "random",
           "image": b"\x89PNG"}  # fmt: skip
    mirror_tables.write_table(tmp_path / "POPE", [change(row)], "test")
    with pytest.raises(DataError) as caught:
        open_root(f"hub:{tmp_path}", [get_task("pope")])
    assert words in str(caught.value)
    assert str(tmp_path / "POPE") in str(caught.value)


@pytest.mark.parametrize(
    ("tasks", "data", "split", "words"),
    [
        ("pope", "hub:nobody-at-all", None, "does not give nobody-at-all/POPE ("),
        ("pope", "hub", None, "the cache has no copy"),
        ("pope", "hub:/no/such/folder", None, "no such folder: /no/such/folder/POPE"),
        ("flickr30k", "hub", None, "flickr30k: the mirror does not tell which"),
        ("nocaps", "hub", None, "nocaps: the mirror does not tell the domains"),
        ("coco_caption", "hub", "karpathy-test", "no mirror of coco_caption's split karpathy-test is known"),
        ("pope", "hub:/no/such/folder", "val", "pope has no split 'val'"),
        ("all", "hub", None, "--data: name the benchmarks in --tasks"),
    ],
)
def test_what_the_hub_cannot_give_is_one_message(
    tasks: str, data: str, split: str | None, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        run(data, tmp_path, tasks, split=split)
    assert words in str(caught.value)
