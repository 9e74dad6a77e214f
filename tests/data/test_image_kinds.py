"""Images of every kind: the colours that are stored, by both readers, or an error about that image."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_images import bomb, png
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.data.images import ImageRef
from sqllava.errors import SqLlavaError
from sqllava.images import open_image

PREFIX = "COCO_val2014_"
RED, BLUE = (255, 0, 0), (0, 0, 255)
EXIF_ORIENTATION = 0x0112


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def rotated() -> bytes:
    """A JPEG twice as wide as high that asks to be turned by a quarter."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    return saved(Image.new("RGB", (8, 4), RED), "JPEG", quality=100, subsampling=0, exif=exif)


def see_through() -> bytes:
    """A palette image whose only colour, red, is transparent."""
    image = Image.new("P", (8, 4), 0)
    image.putpalette([*RED, *BLUE])
    return saved(image, "PNG", transparency=0)


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (8, 4), colour) for colour in (RED, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)


KINDS: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "jpeg called png": (saved(Image.new("RGB", (8, 4), (255, 255, 255)), "JPEG"), (255, 255, 255)),
    "cmyk jpeg": (saved(Image.new("CMYK", (8, 4), (0, 0, 0, 255)), "JPEG", quality=100), (0, 0, 0)),
    "16 bits of grey": (saved(Image.new("I;16", (8, 4), 100), "PNG"), (100, 100, 100)),
    "16 bits of grey, bright": (saved(Image.new("I;16", (8, 4), 40_000), "PNG"), (255, 255, 255)),
    "palette": (saved(Image.new("RGB", (8, 4), RED).convert("P"), "PNG"), RED),
    "transparent palette": (see_through(), RED),
    "grey with alpha": (saved(Image.new("LA", (8, 4), (90, 0)), "PNG"), (90, 90, 90)),
    "colour with alpha": (saved(Image.new("RGBA", (8, 4), (*BLUE, 0)), "PNG"), BLUE),
    "black and white": (saved(Image.new("1", (8, 4), 1), "PNG"), (255, 255, 255)),
    "animated gif": (animation("GIF"), RED),
    "animated webp": (animation("WEBP"), RED),
}
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "text": b"not an image",
    "page": b"<html><body>404</body></html>",
    "archive": b"PK\x03\x04" + b"\0" * 100,
    "cut jpeg": saved(Image.effect_noise((90, 90), 60), "JPEG")[:1500],
    "cut png": png(90, 90)[:-40],
    "bomb": bomb(),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 4\n%%EndComments\n%%EOF\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_colour_that_is_stored(kind: str, tmp_path: Path) -> None:
    content, colour = KINDS[kind]
    path = tmp_path / "image.png"
    path.write_bytes(content)
    for image in (ImageRef("a", path=path).open(), ImageRef("a", data=content).open(), open_image(path)):
        assert (image.mode, image.size) == ("RGB", (8, 4))
        assert image.getcolors() == [(32, colour)]


def test_exif_does_not_rotate(tmp_path: Path) -> None:
    """LLaVA's scripts open images without looking at it, and its numbers are reproduced."""
    (tmp_path / "a.jpg").write_bytes(rotated())
    assert ImageRef("a", path=tmp_path / "a.jpg").open().size == open_image(tmp_path / "a.jpg").size == (8, 4)


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_one_kind_of_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(BROKEN[kind])
    with pytest.raises((OSError, ValueError)):
        ImageRef("a", path=path).open()
    with pytest.raises(SqLlavaError, match=r"image\.jpg cannot be opened"):
        open_image(path)


def test_a_decoder_that_fails_in_its_own_way_is_an_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    """AVIF's raises RuntimeError; any may run out of memory."""
    for error in (RuntimeError("no frame"), MemoryError(), NotImplementedError("flags")):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(Image.Image, "convert", fail)
        with pytest.raises(OSError, match="broken file"):
            ImageRef("a", data=png()).open()


def places(folder: Path) -> dict[str, Callable[[Path], None]]:
    """Ways for an image not to be there."""
    return {
        "absent": lambda path: None,
        "a folder": lambda path: path.mkdir(),
        "broken link": lambda path: path.symlink_to(folder / "nowhere"),
        "link to itself": lambda path: path.symlink_to(path),
        "no permission": lambda path: (path.write_bytes(png()), path.chmod(0), None)[-1],
    }


def test_a_run_records_each_bad_image_and_answers_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "root" / "coco" / "val2014"
    folder.mkdir(parents=True)
    (tmp_path / "root" / "pope").mkdir()
    contents = {**{name: content for name, (content, _) in KINDS.items()}, **BROKEN}
    made: dict[str, Callable[[Path], Any]] = {n: lambda path, c=c: path.write_bytes(c) for n, c in contents.items()}
    made |= places(folder)
    for name, make in made.items():
        make(folder / f"{PREFIX}{name}.png")
    asked = {"text": "Is it red?", "label": "no"}
    lines = [{"question_id": i, "image": f"{PREFIX}{name}.png", **asked} for i, name in enumerate(made)]
    for category in ("random", "popular", "adversarial"):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / "root" / "pope" / f"coco_pope_{category}.json").write_text(text, "utf-8")
    words = ["run", "--ckpt", "mini", "--tasks", "pope", "--name", "it"]
    words += ["--data", str(tmp_path / "root"), "--out", str(tmp_path / "out")]
    bad = {*BROKEN, *places(folder)} - ({"no permission"} if os.geteuid() == 0 else set())  # root may read everything

    result = CliRunner().invoke(app, words)
    assert result.exit_code == 5, result.output
    task = tmp_path / "out" / "it" / "pope"
    records = [json.loads(line) for line in (task / "samples.jsonl").read_bytes().splitlines()]
    failed = [record for record in records if record["error"]]
    assert {record["image"].rpartition(PREFIX)[2].removesuffix(".png") for record in failed} == bad
    assert all(record["response"] is None and record["parsed"] is None for record in failed)
    assert all(record["response"] for record in records if not record["error"])
    counts = json.loads((task / "metrics.json").read_bytes())["counts"]
    assert (counts["n"], counts["errored"]) == (3 * len(made), 3 * len(bad))
    result = CliRunner().invoke(app, [*words, "--max-errors", str(3 * len(bad))])
    assert result.exit_code == 0, result.output
