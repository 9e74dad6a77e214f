"""NoCaps: its two splits, their files and faults, and what is written for the server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from answering import answered, data_root, write_json, write_lines

from sqeval.data.check import check_task
from sqeval.data.root import resolve_root
from sqeval.errors import DataError
from sqeval.task import Sample
from sqeval_tasks.nocaps import TEST, VAL, NoCaps

TASK = NoCaps()
PROMPT = "Provide a brief description of the given image, your answer should be in one sentence."


def image(key: int, **more: Any) -> dict[str, Any]:
    return {"id": key, "file_name": f"{key:016x}.jpg", "open_images_id": f"{key:016x}", "width": 4, "height": 3, **more}


def document(**changed: Any) -> dict[str, Any]:
    images = [image(4, domain="out-domain"), image(0, domain="in-domain")]
    said = [{"image_id": key, "id": 10 * key + i, "caption": f"A dog, {key}."} for i in range(10) for key in (0, 4)]
    return {"info": {}, "licenses": [], "images": images, "annotations": said} | changed


def samples(root: Path, data: Any) -> list[Sample]:
    write_json(root, VAL.questions, data)
    return TASK.samples(data_root(root))


def test_the_validation_split(tmp_path: Path) -> None:
    found = samples(tmp_path, document())
    assert [(sample.id, sample.tags) for sample in found] == [
        ("4", {"domain": "out-domain"}),
        ("0", {"domain": "in-domain"}),
    ]
    assert found[0].reference == ["A dog, 4."] * 10
    assert found[0].image is not None
    assert found[0].image.key == found[0].cluster == "nocaps/val/0000000000000004.jpg"
    assert TASK.prompt(found[0]) == PROMPT
    assert TASK.data_version(data_root(tmp_path), found) == "val"
    assert TASK.settings.temperature == 0


def test_the_hidden_split_is_asked_and_not_scored(tmp_path: Path) -> None:
    write_json(tmp_path, TEST.questions, {"images": [image(7), image(3)]})
    root = data_root(tmp_path)
    found = TASK.samples(root)
    assert TASK.data_version(root, found) == "test (no score: the answers are not public)"
    assert [wanted.path for wanted in TASK.wanted(root)] == ["nocaps/nocaps_test_image_info.json", "nocaps/test/*"]
    assert [(sample.id, sample.reference, sample.cluster) for sample in found] == [
        ("7", None, "nocaps/test/0000000000000007.jpg"),
        ("3", None, "nocaps/test/0000000000000003.jpg"),
    ]
    records = answered(TASK, found, lambda sample: f" caption {sample.id}\n")
    extra = TASK.corpus_scores(records, found)
    assert list(extra) == [{}, {}]
    assert all(len(metric.ids) == 0 for metric in TASK.metrics(records))
    assert json.loads(TASK.submission(records)[1]) == [
        {"image_id": 7, "caption": "caption 7"},
        {"image_id": 3, "caption": "caption 3"},
    ]
    assert TASK.gold(found[0]) == ""


def test_the_submission_is_what_is_read_back(tmp_path: Path) -> None:
    found = samples(tmp_path, document())
    records = answered(TASK, found, lambda sample: {"4": "Hünde im Café", "0": None}[sample.id])
    suffix, content = TASK.submission(records)
    assert suffix == ".json"
    assert json.loads(content) == [{"image_id": 4, "caption": "Hünde im Café"}, {"image_id": 0, "caption": ""}]
    (tmp_path / "submission.json").write_bytes(content)
    wanted = {"4": "Hünde im Café", "0": ""}
    assert TASK.read_predictions(tmp_path / "submission.json", found) == wanted
    llava = write_lines(tmp_path, "a.jsonl", [{"question_id": int(key), "text": text} for key, text in wanted.items()])
    assert TASK.read_predictions(llava, found) == wanted
    short = write_json(tmp_path, "short.json", [{"image_id": 4, "caption": "x"}])
    with pytest.raises(DataError, match="1 samples without a prediction: 0"):
        TASK.read_predictions(short, found)


def test_the_mini_suite_has_it() -> None:
    found = check_task(TASK, resolve_root("mini"))
    assert found.ready
    assert (found.samples, found.images) == (120, 120)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (document(images=[image(4), image(0)]), r":\d+: domain: expected a string, found no such field"),
        (document(images=[image(4, domain="near"), image(0)]), r"domain: expected one of .*, found \"near\""),
        (document(images=[image(4, domain="in-domain")]), r":\d+: image_id: caption of image 0, which is not among"),
        (document(images=[image(4), image(4)]), r":\d+: id: id 4 occurs twice"),
        (document(annotations=[]), r":\d+: id: expected captions of image 4 among the annotations, found none"),
        (document(images=[image(4, domain="in-domain") | {"file_name": "../x"}], annotations=[
            {"image_id": 4, "id": 1, "caption": "x"}]), r":\d+: file_name: image name .* leaves the data root"),
        ({"images": []}, r"nocaps_val_4500_captions.json:1: annotations: expected a list, found no such field"),
    ],
)  # fmt: skip
def test_damaged_files(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        samples(tmp_path, data)
