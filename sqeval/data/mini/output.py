"""Files of the suite, the same bytes on every machine: LF line ends, ASCII JSON, uncompressed pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqeval.data.mini.cache import MINI_VERSION
from sqeval.data.mini.draw import draw, png
from sqeval.data.mini.scenes import Scene

INFO = {
    "description": "sqeval mini suite: synthetic scenes; tests the harness, ranks no real model",
    "url": "",
    "version": MINI_VERSION,
    "year": 2026,
    "contributor": "sqeval",
    "date_created": "2026-11-23 00:00:00",
}
"""The `info` block of COCO and VQA files."""
LICENSE = {"id": 1, "name": "Apache License 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
FIRST_IMAGE = 100_001
"""Image id of the first COCO picture; the training split counts from 1."""


def coco_name(image_id: int) -> str:
    """File name of a picture of the COCO validation set."""
    return f"COCO_val2014_{image_id:012d}.png"


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file and the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """One JSON document."""
    write_bytes(path, json.dumps(value, separators=(",", ":")).encode())


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """JSON Lines."""
    write_bytes(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def write_picture(path: Path, scene: Scene) -> None:
    """The picture of a scene as PNG."""
    write_bytes(path, png(draw(scene)))
