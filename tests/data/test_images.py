"""Images of every broken kind end in OSError or ValueError, whatever Pillow raises."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sqeval.data.images import MAX_PIXELS, ImageRef


def png(width: int = 5, height: int = 3) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (10, 200, 30)).save(stream, "PNG")
    return stream.getvalue()


def bomb() -> bytes:
    """A PNG header that claims 30,000 x 30,000 pixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_file_and_bytes_give_the_same_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png())
    from_file, from_bytes = ImageRef("a", path=path).open(), ImageRef("a", data=png()).open()
    assert from_file.mode == from_bytes.mode == "RGB"
    assert from_file.tobytes() == from_bytes.tobytes()
    assert ImageRef("a", path=path).size() == (5, 3)


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA", "CMYK", "1", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    stream = io.BytesIO()
    Image.new(mode, (4, 4)).save(stream, "TIFF")
    assert ImageRef("a", data=stream.getvalue()).open().mode == "RGB"


def test_a_decompression_bomb_is_refused_before_its_pixels_are_read() -> None:
    reference = ImageRef("a", data=bomb())
    for method in (reference.open, reference.size):
        with pytest.raises(ValueError, match=str(MAX_PIXELS)):
            method()


def test_a_missing_file_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ImageRef("a", path=tmp_path / "none.png").size()


def test_a_reference_needs_exactly_one_source() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        ImageRef("a").open()


@given(cut=st.integers(0, len(png()) - 1), flip=st.integers(0, len(png()) - 1), bit=st.integers(0, 7))
def test_damaged_files_open_or_raise_what_is_promised(cut: int, flip: int, bit: int) -> None:
    whole = bytearray(png())
    whole[flip] ^= 1 << bit
    for damaged in (png()[:cut], bytes(whole)):
        with contextlib.suppress(OSError, ValueError):
            ImageRef("a", data=damaged).open()
