"""What asking a server will take, told before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from sqeval.data.images import ImageRef
from sqeval.model import Group
from sqeval.models.openai.kind import Options

LETTERS = 4
"""A token, in English."""
LOW = 85
TILE = 170


def estimate(name: str, groups: Sequence[Group], options: Options) -> str:
    """Questions, images, megabytes, tokens, and the price, if the prices are known; a line."""
    questions = sum(len(group.requests) for group in groups)
    images = sum(group.image is not None for group in groups)
    sent, tokens = 0.0, 0.0
    most = 0
    for group in groups:
        size, about = _image(group.image, options)
        for request in group.requests:
            sent += len(request.prompt) + size
            tokens += len(request.prompt) / LETTERS + about
            most += request.settings.max_new_tokens
    parts = f"{name}: {questions:,} questions about {images:,} images; {sent / 1e6:,.1f} MB to send, "
    parts += f"roughly {tokens:,.0f} tokens; at most {most:,} come back"
    return parts + price(tokens, most, options, ", which costs at most roughly ")


def price(tokens_in: float, tokens_out: float, options: Options, before: str) -> str:
    """What they cost, behind `before`; nothing if no price is known."""
    if options.price_in is None and options.price_out is None:
        return ""
    return f"{before}{(tokens_in * (options.price_in or 0) + tokens_out * (options.price_out or 0)) / 1e6:,.2f}"


def _image(ref: ImageRef | None, options: Options) -> tuple[float, int]:
    """Bytes of its data URL, and tokens, from the file's size and header alone; nothing for what cannot be read."""
    if ref is None:
        return 0, 0
    try:
        stored = len(ref.data or b"") if ref.path is None else ref.path.stat().st_size
        width, height = ref.size()
    except (OSError, ValueError):
        return 0, 0
    scale = min(1.0, (options.max_side or max(width, height)) / max(width, height))
    return stored * scale**2 * 4 / 3, image_tokens(width * scale, height * scale, options.detail)


def image_tokens(width: float, height: float, detail: str | None) -> int:
    """By the rule that OpenAI gives for GPT-4o: within 2048 pixels, the short side 768 at most, 170 a tile of 512,
    and 85. Other models have others."""
    if detail == "low":
        return LOW
    scale = min(1.0, 2048 / max(width, height))
    scale = min(scale, 768 / min(width, height))
    return LOW + TILE * ceil(width * scale / 512) * ceil(height * scale / 512)
