"""Text and images in, model inputs out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from PIL import Image
from transformers import AutoProcessor, BatchFeature
from transformers.processing_utils import ProcessorMixin

from sqllava.config import SqLlavaConfig
from sqllava.conversation import IMAGE, Rendered
from sqllava.images import SqLlavaImageProcessor


class SqLlavaProcessor(ProcessorMixin):  # type: ignore[misc]
    """A fast tokenizer and an image processor, and the rule that joins them.

    Text is cut at each ``<image>``; the pieces are tokenized separately, as the release does, and the image becomes
    `image_seq_length` copies of the image token. Exactly one beginning-of-sequence token stands at the very start
    (none if the tokenizer has none).
    """

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, image_seq_length: int = 576, **kwargs: Any
    ) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError("SqLlavaProcessor needs a fast tokenizer: labels come from its character offsets")
        self.image_seq_length = image_seq_length
        self.image_token = IMAGE
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE)
        if self.image_token_id is None or self.image_token_id == tokenizer.unk_token_id:
            raise ValueError(f"the tokenizer has no token {IMAGE}; add it as a special token first")
        super().__init__(image_processor, tokenizer, **kwargs)

    @classmethod
    def for_config(cls, config: SqLlavaConfig, tokenizer: Any) -> SqLlavaProcessor:
        """The processor that a model of `config` expects."""
        return cls(SqLlavaImageProcessor.for_config(config), tokenizer, config.image_seq_length)

    def __call__(
        self,
        text: str | Sequence[str],
        images: Sequence[Image.Image] | Image.Image | None = None,
        *,
        padding: Literal["left", "right"] = "left",
        **images_kwargs: Any,
    ) -> BatchFeature:
        """Rendered prompts and the images they mention, in the order of their placeholders.

        Gives `input_ids` and `attention_mask` (B×T, padded at the side `padding`) and, if there are images,
        `pixel_values` (images×3×S×S, float32). Raises ValueError if placeholders and images do not match.
        """
        texts = [text] if isinstance(text, str) else list(text)
        images = [images] if isinstance(images, Image.Image) else list(images or ())
        places = sum(one.count(IMAGE) for one in texts)
        if places != len(images):
            raise ValueError(f"the text has {places} {IMAGE} but there are {len(images)} images")
        data = pad_batch([self.token_ids(one) for one in texts], self.pad_id, padding)
        if images:
            data["pixel_values"] = self.image_processor(images, return_tensors="pt", **images_kwargs)["pixel_values"]
        return BatchFeature(data)

    @property
    def pad_id(self) -> int:
        """What fills up short rows; masked, so its value does not matter."""
        pad, eos = self.tokenizer.pad_token_id, self.tokenizer.eos_token_id
        return int(pad if pad is not None else eos if eos is not None else 0)

    def token_ids(self, text: str) -> list[int]:
        """Token ids of rendered text: one beginning-of-sequence token, each ``<image>`` expanded."""
        return [token for token, _ in self._tokens(text)]

    def encode(self, rendered: Rendered) -> tuple[list[int], list[bool]]:
        """Token ids of a conversation, and for each token whether it is supervised.

        A token is supervised if it starts inside one of the conversation's spans; image tokens never are.
        """
        ids, supervised = [], []
        for token, start in self._tokens(rendered.text):
            ids.append(token)
            supervised.append(start is not None and any(a <= start < b for a, b in rendered.spans))
        return ids, supervised

    def _tokens(self, text: str) -> Iterator[tuple[int, int | None]]:
        """(token id, character it starts at); the start is None for tokens that stand for no text."""
        if self.tokenizer.bos_token_id is not None:
            yield self.tokenizer.bos_token_id, None
        pieces = text.split(IMAGE)
        encodings = self.tokenizer(
            pieces, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False
        )
        begin = 0
        for number, piece in enumerate(pieces):
            if number:
                yield from [(self.image_token_id, None)] * self.image_seq_length
                begin += len(IMAGE)
            for token, (start, _) in zip(
                encodings["input_ids"][number], encodings["offset_mapping"][number], strict=True
            ):
                yield token, begin + start
            begin += len(piece)

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "pixel_values"]


def pad_batch(rows: Sequence[Sequence[int]], pad: int, side: Literal["left", "right"]) -> dict[str, torch.Tensor]:
    """Rows of token ids as `input_ids` and `attention_mask`, B×T int64."""
    width = max(map(len, rows), default=0)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        place = slice(width - len(row), width) if side == "left" else slice(0, len(row))
        ids[number, place] = torch.tensor(row, dtype=torch.long)
        mask[number, place] = 1
    return {"input_ids": ids, "attention_mask": mask}


AutoProcessor.register(SqLlavaConfig, SqLlavaProcessor, exist_ok=True)
