"""SQ-LLaVA checkpoints as models of the harness. The package `sqllava` is imported when one is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqeval.data.mini.cache import cache_home
from sqeval.errors import UserError
from sqeval.model import Completion, Group, Identity, Settings

if TYPE_CHECKING:
    from sqllava.engine import Engine

ARGS = ("template", "image_aspect_ratio")
"""What ``--model-args`` may set: the conversation template, and how images become square ("pad" or "crop")."""


@dataclass(frozen=True, slots=True)
class SqLlavaModel:
    """A loaded checkpoint behind the model protocol."""

    identity: Identity
    engine: Engine

    def generate(self, groups: Sequence[Group], settings: Settings) -> Iterator[Completion]:
        """Answer every request of `groups` once, in the order in which batches finish."""
        from sqllava.engine import ImageQueries, Query

        asked = (
            ImageQueries(
                None if group.image is None else group.image.open,
                tuple(Query(request.id, request.prompt) for request in group.requests),
            )
            for group in groups
        )
        for answer in self.engine.generate(
            asked,
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            stop=settings.stop,
        ):
            yield Completion(
                request_id=answer.id,
                text=answer.text,
                finish_reason=answer.finish_reason,
                tokens=answer.tokens,
                logprob=answer.logprob,
                error=answer.error,
            )


def load_sqllava(
    ckpt: str,
    *,
    device: str,
    dtype: str,
    batch_tokens: int | None,
    args: dict[str, str],
    base: str | None = None,
    vision_tower: str | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> SqLlavaModel:
    """Load whatever `sqllava.load` takes, or a release, which is converted into the cache the first time.

    base, vision_tower: what a release needs and does not hold; `base` for an adapter: instead of its own.
    note: shows the user a line.

    Raises UserError for a checkpoint that cannot be used, an unknown device or dtype, and unknown `args`.
    """
    from sqllava.checkpoints import checkpoint_hash, load
    from sqllava.conversion_cache import prepare
    from sqllava.engine import Engine
    from sqllava.errors import SqLlavaError

    unknown = sorted(set(args) - set(ARGS))
    if unknown:
        raise UserError(f"model sqllava has no argument {', '.join(unknown)}; it takes {', '.join(ARGS)}")
    try:
        ready = prepare(ckpt, base=base, vision_tower=vision_tower, cache=cache_home(), note=note)
        model, processor = load(ready.checkpoint, base=ready.base, device=device, dtype=dtype)
        mode = args.get("image_aspect_ratio", model.config.image_aspect_ratio)
        if mode not in ("pad", "crop"):
            raise UserError(f"image_aspect_ratio must be pad or crop, not {mode!r}")
        processor.image_processor.image_aspect_ratio = mode
        engine = Engine(model, processor, template=args.get("template"), batch_tokens=batch_tokens)
        content = checkpoint_hash(ready.checkpoint, base=ready.base)
    except SqLlavaError as error:
        raise UserError(str(error)) from error
    sees = model.config.sees_images
    details = {
        "dtype": str(model.dtype).removeprefix("torch."),
        "template": engine.template.name,
        "image_aspect_ratio": mode if sees else None,
    }
    return SqLlavaModel(
        Identity(
            name=Path(ckpt).name,
            kind="sqllava",
            checkpoint=ckpt,
            checkpoint_hash=content,
            sees_images=sees,
            details=details,
            origin=ready.origin,
        ),
        engine,
    )
