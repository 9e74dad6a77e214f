"""Images that a task shows: found to be one where they are, and only there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sqeval.errors import DataError
from sqeval_tasks.lmms.visuals import Visuals

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQEVAL_CACHE", str(tmp_path))


def encoded(colour: tuple[int, int, int], kind: str = "PNG", **how: Any) -> dict[str, Any]:
    image = Image.new("RGB", (12, 8), colour)
    image.putpixel((0, 0), (255, 255, 255))
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return {"bytes": stream.getvalue(), "path": None}


class Decoder:
    """Opens the image of a row, and counts how often."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, row: Row) -> Row:
        self.rows += 1
        return {**row, "image": Image.open(io.BytesIO(row["image"]["bytes"]))}


RED, BLUE = encoded((255, 0, 0)), encoded((0, 0, 255))


def visuals(show: Any, decoder: Any = None) -> Visuals:
    return Visuals(show, decoder or Decoder(), frozenset({"image"}))


def test_rows_with_the_same_bytes_show_one_image_which_is_opened_once() -> None:
    decoder = Decoder()
    whole = visuals(lambda row: [row["image"].convert("RGB")], decoder)
    first, second, third, fourth = (whole.of({"image": {**one, "path": name}, "question": name}) for one, name in
                                    [(RED, "a"), (BLUE, "b"), (RED, "c"), (BLUE, "d")])  # fmt: skip
    assert first == third
    assert second == fourth
    assert first != second
    assert decoder.rows == 2
    assert first[0].path is not None
    assert first[0].path.read_bytes() == RED["bytes"]


def test_a_region_is_another_image_than_the_whole_and_than_another_region() -> None:
    def show(row: Row) -> list[Image.Image]:
        image = row["image"].convert("RGB")
        return [image.crop(row["box"]) if row["cut"] else image]

    some = visuals(show)
    rows = [
        {"image": RED, "cut": False, "box": [0, 0, 2, 2]},
        {"image": RED, "cut": False, "box": [1, 1, 3, 3]},  # whose region is not shown
        {"image": RED, "cut": True, "box": [0, 0, 2, 2]},
        {"image": RED, "cut": True, "box": [1, 1, 5, 4]},
        {"image": RED, "cut": True, "box": [0, 0, 2, 2]},
    ]
    found = [some.of(row) for row in rows]
    assert found[0] == found[1]
    assert found[2] == found[4]
    assert len({images[0].key for images in found}) == 3
    assert [images[0].open().size for images in found] == [(12, 8), (12, 8), (2, 2), (4, 3), (2, 2)]


@pytest.mark.parametrize(
    "show",
    [
        lambda row: [row["image"].convert("RGB").rotate(180 if row["turned"] else 0)],
        lambda row: [row["image"].convert("RGB").rotate(180 if "turned" in row and row.get("turned") else 0)],
        lambda row: [row["image"].convert("RGB").rotate(180 if dict(row.items())["turned"] else 0)],
        lambda row: [row["image"].convert("RGB").rotate(180 if True in list(row.values()) else 0)],
        lambda row: [{**row}["image"].convert("RGB").rotate(180 if {**row}["turned"] else 0)],
        lambda row: [row.copy()["image"].convert("RGB").rotate(180 if row.copy()["turned"] else 0)],
        lambda row: [dict(row)["image"].convert("RGB").rotate(180 if dict(row)["turned"] else 0)],
    ],
)
def test_however_a_row_is_read_what_decides_is_seen(show: Any) -> None:
    some = visuals(show)
    straight, turned = (some.of({"image": RED, "turned": turned}) for turned in (False, True))
    assert straight[0].open().getpixel((0, 0)) == (255, 255, 255)
    assert turned[0].open().getpixel((11, 7)) == (255, 255, 255)


def test_what_is_shown_is_what_is_opened_later_also_where_a_camera_was_held_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    photograph = encoded((9, 200, 30), "JPEG", exif=exif)

    def decoded(row: Row) -> Row:
        from PIL import ImageOps

        return {**row, "image": ImageOps.exif_transpose(Image.open(io.BytesIO(row["image"]["bytes"])))}

    shown: list[Image.Image] = []

    def show(row: Row) -> list[Image.Image]:
        shown.append(row["image"].convert("RGB"))
        return shown[-1:]

    (image,) = visuals(show, decoded).of({"image": photograph})
    assert image.open().tobytes() == shown[0].tobytes()
    assert image.open().size == (8, 12)


def test_an_image_that_cannot_be_opened_fails_when_it_is_asked_about() -> None:
    def decoded(row: Row) -> Row:
        raise DataError("broken")

    (image,) = visuals(lambda row: [row["image"]], decoded).of({"image": {"bytes": b"no image", "path": None}})
    with pytest.raises(OSError, match=r"cannot identify|broken"):
        image.open()


def test_other_things_than_images_are_refused() -> None:
    with pytest.raises(TypeError, match="shows a str"):
        visuals(lambda row: ["video.mp4"]).of({"image": RED})
