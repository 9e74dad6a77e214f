"""Text and images in, model inputs out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Literal

import torch
from PIL import Image
from transformers import AutoProcessor, BatchFeature
from transformers.processing_utils import ProcessorMixin

from sqllava.config import SqLlavaConfig
from sqllava.conversation import IMAGE, Rendered, Role
from sqllava.images import SqLlavaImageProcessor


class SqLlavaProcessor(ProcessorMixin):  # type: ignore[misc]
    """A fast tokenizer and an image processor, and the rule that joins them.

    Text is cut at each ``<image>``; the pieces are tokenized separately, as the release does, and the image becomes
    `image_seq_length` copies of the image token. Exactly one beginning-of-sequence token stands at the very start
    (none if the tokenizer has none): where a chat format writes it itself, as SmolLM2's does, no other is added.
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
        return_tensors: Literal["pt"] = "pt",
        **images_kwargs: Any,
    ) -> BatchFeature:
        """Rendered prompts and the images they mention, in the order of their placeholders.

        Gives `input_ids` and `attention_mask` (B×T, padded at the side `padding`) and, if there are images,
        `pixel_values` (images×3×S×S, float32). Raises ValueError if placeholders and images do not match, or for
        another padding or kind of tensor.
        """
        if padding not in ("left", "right") or return_tensors != "pt":
            raise ValueError("SqLlavaProcessor pads left or right and returns pt tensors only")
        texts = [text] if isinstance(text, str) else list(text)
        images = [images] if isinstance(images, Image.Image) else list(images or ())
        places = sum(one.count(IMAGE) for one in texts)
        if places != len(images):
            raise ValueError(f"the text has {places} {IMAGE} but there are {len(images)} images")
        data = pad_batch(self.tokenize(texts), self.pad_id, padding)
        if images:
            data["pixel_values"] = self.image_processor(images, return_tensors="pt", **images_kwargs)["pixel_values"]
        return BatchFeature(data)

    @property
    def pad_id(self) -> int:
        """What fills up short rows; masked, so its value does not matter."""
        pad, eos = self.tokenizer.pad_token_id, self.tokenizer.eos_token_id
        return int(pad if pad is not None else eos if eos is not None else 0)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of rendered texts: one beginning-of-sequence token each, every ``<image>`` expanded."""
        return [ids for ids, _ in self._tokens(texts, places=False)]

    def encode(self, rendered: Rendered) -> tuple[list[int], list[Role | None]]:
        """Token ids of a conversation, and for each token who speaks it, or None if it is not supervised.

        A token is supervised if it starts inside one of the conversation's spans; image tokens never are.
        """
        ((ids, starts),) = self._tokens([rendered.text])
        speakers: list[Role | None] = [None] * len(ids)
        for (start, end), role in zip(rendered.spans, rendered.roles, strict=True):
            inside = slice(bisect_left(starts, start), bisect_left(starts, end))
            speakers[inside] = [role] * (inside.stop - inside.start)
        return ids, speakers

    def _tokens(self, texts: Sequence[str], *, places: bool = True) -> list[tuple[list[int], list[int]]]:
        """For each text its tokens and, with `places`, the character each starts at, in ascending order.

        The tokens of an image start where ``<image>`` does, and a beginning-of-sequence token before the text, at -1.
        """
        if not texts:
            return []
        split = [text.split(IMAGE) for text in texts]
        # Prompts share most of their pieces (system text and role before the image): each is tokenized once.
        pieces = list(dict.fromkeys(piece for pieces in split for piece in pieces))
        encodings = self.tokenizer(
            pieces, add_special_tokens=False, return_offsets_mapping=places, return_attention_mask=False
        )
        offsets = encodings["offset_mapping"] if places else [()] * len(pieces)
        known = {
            piece: (ids, [start for start, _ in found])
            for piece, ids, found in zip(pieces, encodings["input_ids"], offsets, strict=True)
        }
        return [self._join(pieces, known) for pieces in split]

    def _join(
        self, pieces: Sequence[str], known: dict[str, tuple[list[int], list[int]]]
    ) -> tuple[list[int], list[int]]:
        bos, written = self.tokenizer.bos_token_id, self.tokenizer.bos_token
        bare = bos is not None and not pieces[0].startswith(written)
        tokens, places = ([bos], [-1]) if bare else ([], [])
        begin = 0
        for number, piece in enumerate(pieces):
            if number:
                tokens += [self.image_token_id] * self.image_seq_length
                places += [begin] * self.image_seq_length
                begin += len(IMAGE)
            ids, starts = known[piece]
            tokens += ids
            places += [begin + start for start in starts]
            begin += len(piece)
        return tokens, places

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
