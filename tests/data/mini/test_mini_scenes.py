"""Evaluation scenes: disjoint from training, and drawn as their graphs say."""

from __future__ import annotations

import io
import struct
import zlib
from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sqeval.data.mini.draw import INK, Pixels, draw, png
from sqeval.data.mini.scenes import RADIUS, RARE, SIDE, Scene, Thing, sample_scene
from sqeval.data.mini.splits import evaluation_splits
from sqeval.data.mini.training import SCENES

TOLERANCE = 12 + 8
"""Shade of an object and noise of a pixel, in grey levels."""


def evaluation_scenes() -> list[Scene]:
    splits = evaluation_splits()
    return list(chain(splits.coco, splits.gqa, splits.scienceqa, splits.mmbench, *splits.nocaps.values()))


def shown(scene: Scene, *, exact: bool) -> tuple[object, ...]:
    """What can be seen, written down apart from the code that keeps the splits disjoint."""
    things = [(t.shape, t.color, t.size, t.cell, (t.x, t.y) if exact else None) for t in scene.things]
    return (scene.background, scene.pattern if exact else None, *things)


def test_no_evaluation_scene_is_a_training_scene() -> None:
    evaluation, training = evaluation_scenes(), [sample_scene("train", i) for i in range(SCENES)]
    assert len(evaluation) == 200 + 100 + 200 + 100 + 3 * 40
    for exact in (True, False):
        held_out = {shown(scene, exact=exact) for scene in evaluation}
        assert len(held_out) == len(evaluation)
        assert held_out.isdisjoint(shown(scene, exact=exact) for scene in training)


def test_training_shows_no_rare_combination() -> None:
    kinds = {(t.color, t.shape) for i in range(SCENES) for t in sample_scene("train", i).things}
    assert kinds.isdisjoint(RARE)


def ink_of(thing: Thing, pixels: Pixels) -> np.ndarray:
    """Colour at a spot that every shape covers: the middle, or the left rim where the middle is open."""
    shift = RADIUS[thing.size] * 3 // 4 if thing.shape in ("ring", "moon") else 0
    return pixels[thing.y, thing.x - shift].astype(int)


def test_objects_have_their_colors_where_the_graph_says() -> None:
    for scene in evaluation_scenes()[::4]:
        pixels = draw(scene)
        for thing in scene.things:
            assert np.abs(ink_of(thing, pixels) - INK[thing.color]).max() <= TOLERANCE, (scene, thing)


def test_objects_stay_inside_their_cells() -> None:
    for scene in evaluation_scenes():
        for thing in scene.things:
            r = RADIUS[thing.size]
            assert thing.column * 24 <= thing.x - r < thing.x + r <= thing.column * 24 + 24
            assert thing.row * 24 <= thing.y - r < thing.y + r <= thing.row * 24 + 24


@given(st.integers(1, 90), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_png_decodes_to_the_same_pixels(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(png(pixels))) as image:
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), pixels)


def test_png_chunks_are_whole() -> None:
    """Signature, lengths and checksums by hand: some decoders check more than Pillow."""
    data, kinds, at = png(draw(sample_scene("test", 1))), [], 8
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        body = data[at + 4 : at + 8 + length]
        assert data[at + 8 + length : at + 12 + length] == struct.pack(">I", zlib.crc32(body))
        kinds.append(body[:4])
        if body[:4] == b"IDAT":
            assert len(zlib.decompress(body[4:])) == SIDE * (3 * SIDE + 1)
        at += 12 + length
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]
