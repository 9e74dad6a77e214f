"""Images as data URLs: the file's own bytes where a server reads them as we do, else encoded anew."""

from __future__ import annotations

import base64
import io

from PIL import Image

from sqeval.data.images import ImageRef

_ORIENTATION = 0x0112
QUALITY = 95


def data_url(ref: ImageRef, max_side: int | None = None) -> str:
    """``data:image/jpeg;base64,...`` or PNG.

    JPEG and PNG files are sent to the byte; those that are too large, turned by EXIF (which no evaluator follows and
    servers may), transparent, or of another format are encoded anew, without loss unless they were JPEG.

    Raises OSError and ValueError for what is no image, as `ImageRef.open`.
    """
    picture = ref.open()
    raw = ref.path.read_bytes() if ref.path is not None else ref.data or b""
    with Image.open(io.BytesIO(raw)) as opened:
        kind, mode, turned = opened.format, opened.mode, opened.getexif().get(_ORIENTATION, 1) != 1
    large = max_side is not None and max(picture.size) > max_side
    if large or turned or mode not in ("RGB", "L") or kind not in ("JPEG", "PNG"):
        raw, kind = _encoded(picture, max_side if large else None, "JPEG" if kind == "JPEG" else "PNG")
    return f"data:image/{str(kind).lower()};base64,{base64.b64encode(raw).decode()}"


def _encoded(picture: Image.Image, max_side: int | None, kind: str) -> tuple[bytes, str]:
    if max_side is not None:
        picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, kind, **({"quality": QUALITY, "subsampling": 0} if kind == "JPEG" else {}))
    return stream.getvalue(), kind
