"""Flickr30k: Karpathy's split file, ids of predictions, and damaged files."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from answering import answered, data_root, write_json, write_lines
from hypothesis import given, settings
from hypothesis import strategies as st
from test_damaged_data import JUNK, places

from sqeval.errors import DataError
from sqeval.task import Sample
from sqeval_tasks.flickr30k import SPLIT, Flickr30k

TASK = Flickr30k()


def image(number: int, name: str, split: str = "test", **changed: Any) -> dict[str, Any]:
    said = [
        {"tokens": ["a", "dog"], "raw": f"A dog {i}, {number}.", "imgid": number, "sentid": 5 * number + i}
        for i in range(5)
    ]
    sentids = [sentence["sentid"] for sentence in said]
    whole = {"sentids": sentids, "imgid": number, "sentences": said, "split": split, "filename": name}
    return whole | changed


IMAGES = [
    image(0, "1000092795.jpg", "train"),
    image(1, "1007129816.jpg"),
    image(2, "36979.jpg", "val"),
    image(3, "998.jpg"),
]


def samples(root: Path, *images: Any) -> list[Sample]:
    write_json(root, SPLIT, {"images": list(images or IMAGES), "dataset": "flickr30k"})
    return TASK.samples(data_root(root))


def test_the_test_split_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = samples(tmp_path)
    assert [sample.id for sample in found] == ["1007129816", "998"]
    assert found[0].reference == [f"A dog {i}, 1." for i in range(5)]
    assert found[0].image is not None
    assert found[0].image.key == found[0].cluster == "flickr30k/flickr30k-images/1007129816.jpg"
    prompt = "Provide a brief description of the given image, your answer should be in one sentence."
    assert TASK.prompt(found[0]) == prompt
    assert TASK.gold(found[0]) == "A dog 0, 1."
    assert TASK.score("  A dog. \n", found[0]).parsed == "A dog."


@pytest.mark.parametrize("ids", [("1007129816", "998"), (1007129816, 998), ("998.jpg", "1007129816.jpg"), (3, "1")])
def test_predictions_name_images_in_three_ways(tmp_path: Path, ids: tuple[Any, Any]) -> None:
    full = samples(tmp_path)
    wanted = {"1007129816": "a", "998": "b"}
    texts = ("a", "b") if str(ids[0]).startswith("1007") else ("b", "a")
    pairs = list(zip(ids, texts, strict=True))
    rows = [{"image_id": key, "caption": text} for key, text in pairs]
    assert TASK.read_predictions(write_json(tmp_path, "a.json", rows), full) == wanted
    llava = [{"question_id": key, "text": text} for key, text in pairs]
    assert TASK.read_predictions(write_lines(tmp_path, "b.jsonl", llava), full) == wanted


def test_one_image_named_in_two_ways_is_given_twice(tmp_path: Path) -> None:
    rows = [{"image_id": key, "caption": "x"} for key in ("998", 3, "1007129816")]
    with pytest.raises(DataError, match=r"a.json:6: image_id: id \"998\" occurs twice"):
        TASK.read_predictions(write_json(tmp_path, "a.json", rows), samples(tmp_path))


def test_the_submission_is_what_is_read_back(tmp_path: Path) -> None:
    full = samples(tmp_path)
    said = {"1007129816": "Zwei Hünde", "998": None}
    suffix, content = TASK.submission(answered(TASK, full, lambda sample: said[sample.id]))
    assert json.loads(content)[1] == {"image_id": "998", "caption": ""}
    (tmp_path / f"submission{suffix}").write_bytes(content)
    assert TASK.read_predictions(tmp_path / f"submission{suffix}", full) == {"1007129816": "Zwei Hünde", "998": ""}


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            [image(1, "1.jpg", "restval")],
            r":\d+: split: expected one of \"train\", \"val\", \"test\", found \"restval\"",
        ),
        ([image(1, "1.jpg", sentences=[])], r":\d+: sentences: expected at least one caption, found none"),
        ([image(1, "1.jpg", sentences=[{"tokens": []}])], r":\d+: raw: expected a string, found no such field"),
        ([image(1, "1.jpg"), image(2, "1.png")], r":\d+: filename: id \"1\" occurs twice"),
        ([image(1, "1.jpg"), image(1, "2.jpg")], r":\d+: imgid: id 1 occurs twice"),
        ([image(1, "../1.jpg")], r":\d+: filename: image name .* leaves the data root"),
    ],
)
def test_damaged_files(tmp_path: Path, images: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        samples(tmp_path, *images)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_one_damaged_value_is_harmless_or_a_message(data: st.DataObject, tmp_path_factory: Any) -> None:
    images = copy.deepcopy(IMAGES)
    container, key = data.draw(st.sampled_from(places(images)))
    container[key] = data.draw(st.sampled_from(JUNK))
    root = tmp_path_factory.mktemp("damaged", numbered=True)
    try:
        TASK.metrics(answered(TASK, samples(root, *images), TASK.gold))
    except DataError as error:
        message = str(error)
    else:
        message = f"{root}/: harmless"
    assert message.startswith(f"{root}/")
    assert "\n" not in message
