"""Pixels of a scene, in integer arithmetic, so that every machine draws the same picture.

Each shape is a test on integer offsets from its centre, evaluated on a grid four times finer than the pixels and
averaged: anti-aliased edges without a floating-point number. PNG files are written with stored (uncompressed) deflate
blocks, because compressed bytes differ between zlib versions and the data hash must not.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from sqeval.data.mini.rng import Rng
from sqeval.data.mini.scenes import RADIUS, SIDE, Scene

Pixels = NDArray[np.uint8]
FINE = 4
"""Sub-pixels along one side of a pixel."""
INK = {
    "red": (214, 39, 40), "orange": (250, 134, 20), "yellow": (245, 224, 60), "green": (40, 150, 60),
    "blue": (40, 80, 220), "purple": (140, 60, 170), "black": (18, 18, 18), "white": (250, 250, 250),
}  # fmt: skip
GROUND = {"gray": (150, 150, 150), "tan": (190, 165, 125), "pink": (225, 165, 185), "teal": (90, 160, 160)}


def _mask(shape: str, x: NDArray[np.int64], y: NDArray[np.int64], r: int) -> NDArray[np.bool_]:
    """Which sub-pixels at offset (x, y) from the centre belong to a shape of half-extent r (all in sub-pixels)."""
    square = x * x + y * y
    if shape == "circle":
        return square <= r * r
    if shape == "ring":
        return (square <= r * r) & (4 * square >= r * r)
    if shape == "moon":
        return (square <= r * r) & ((x - r // 2) ** 2 + y * y >= (4 * r // 5) ** 2)
    if shape == "square":
        return (8 * abs(x) <= 7 * r) & (8 * abs(y) <= 7 * r)
    if shape == "diamond":
        return abs(x) + abs(y) <= r
    if shape == "cross":
        return ((3 * abs(x) <= r) | (3 * abs(y) <= r)) & (abs(x) <= r) & (abs(y) <= r)
    up = (y <= r * 3 // 4) & (2 * abs(x) - y <= r)
    if shape == "triangle":
        return up
    down = (y >= -(r * 3 // 4)) & (2 * abs(x) + y <= r)
    return up | down  # a six-pointed star: one triangle up, one down


def draw(scene: Scene) -> Pixels:
    """The picture of a scene, (72, 72, 3), 0..255."""
    rng = Rng("pixels", scene.seed)
    canvas = _ground(scene)
    fine = np.arange(SIDE * FINE, dtype=np.int64) * 2 + 1  # centres of sub-pixels, in half sub-pixels
    for thing in scene.things:
        x = (fine - thing.x * 2 * FINE)[None, :]
        y = (fine - thing.y * 2 * FINE)[:, None]
        inside = _mask(thing.shape, x, y, RADIUS[thing.size] * 2 * FINE)
        cover = inside.reshape(SIDE, FINE, SIDE, FINE).sum(axis=(1, 3)).astype(np.int64)[:, :, None]
        shade = np.array([c + rng.below(25) - 12 for c in INK[thing.color]], dtype=np.int64)
        canvas = (canvas * (FINE * FINE - cover) + shade * cover) // (FINE * FINE)
    noise = np.frombuffer(rng.bytes(SIDE * SIDE * 3), dtype=np.uint8).reshape(SIDE, SIDE, 3).astype(np.int64)
    pixels: Pixels = np.clip(canvas + noise // 16 - 8, 0, 255).astype(np.uint8)
    return pixels


def _ground(scene: Scene) -> NDArray[np.int64]:
    base = np.array(GROUND[scene.background], dtype=np.int64)
    rows = np.arange(SIDE, dtype=np.int64)[:, None]
    columns = np.arange(SIDE, dtype=np.int64)[None, :]
    if scene.pattern == "gradient":
        light = (rows - SIDE // 2) * 40 // SIDE + 0 * columns
    elif scene.pattern == "striped":
        light = np.where((rows + columns) // 6 % 2 == 0, 9, -9)
    else:
        light = 0 * (rows + columns)
    return base[None, None, :] + light[:, :, None]


def png(pixels: Pixels) -> bytes:
    """A PNG file of (H, W, 3) pixels, the same bytes on every machine."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", _stored(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _stored(data: bytes) -> bytes:
    """A zlib stream of stored blocks (RFC 1950, RFC 1951 section 3.2.4)."""
    blocks = [data[i : i + 65535] for i in range(0, len(data), 65535)]
    stream = b"\x78\x01"
    for i, block in enumerate(blocks):
        stream += struct.pack("<BHH", i == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
    return stream + struct.pack(">I", zlib.adler32(data))
