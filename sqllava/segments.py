"""Attention within the samples of a packed row: causal, exact, without a mask.

Samples laid end to end must not see each other. A block-diagonal mask says so and still computes every score of the
whole row; here each sample is its own attention, so that the cost grows with the sum of squared lengths. Memory for a
mask is not needed, and neither is padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface

NAME = "sqllava_segments"
"""Name of this attention among transformers' implementations."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Where the samples of a packed row lie."""

    lengths: tuple[int, ...]
    """Tokens of each sample, in order; their sum is the row's length."""
    longest: int
    """The greatest of them."""
    ends: Tensor
    """S+1 int32 on the row's device: 0, and the end of each sample."""

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> Segments:
        """From the samples' lengths."""
        ends = torch.tensor([0, *lengths]).cumsum(0)
        return cls(tuple(lengths), max(lengths), ends.to(device, torch.int32, non_blocking=True))


def segment_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, *,
    scaling: float, dropout: float = 0.0, segments: Segments | None = None, **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Transformers' attention interface: query R×heads×T×d, key and value R×kv_heads×T×d -> R×T×heads×d.

    segments: the samples of the single row. None: every row is one sample, padded on the right if at all, where a
    causal model needs no mask.
    """
    grouped = query.shape[1] != key.shape[1]
    if segments is None:
        out = F.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=grouped
        )
        return out.transpose(1, 2), None
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else query.dtype
    if query.is_cuda and dtype in (torch.bfloat16, torch.float16) and dropout == 0.0:
        q, k, v = (part[0].transpose(0, 1).to(dtype) for part in (query, key, value))
        return _variable_length(q, k, v, segments, scaling, grouped)[None], None
    return _one_by_one(query, key, value, segments, dropout, scaling, grouped).transpose(1, 2), None


def _variable_length(q: Tensor, k: Tensor, v: Tensor, segments: Segments, scaling: float, grouped: bool) -> Tensor:
    """T×heads×d -> T×heads×d by torch's variable-length flash attention: one kernel for all samples."""
    from torch.nn.attention.varlen import varlen_attn

    ends, longest = segments.ends, segments.longest
    out = varlen_attn(q, k, v, ends, ends, longest, longest, scale=scaling, window_size=(-1, 0), enable_gqa=grouped)
    assert isinstance(out, Tensor)  # a pair only on request
    return out


@torch.compiler.disable  # type: ignore[untyped-decorator]  # every other list of lengths would be compiled anew
def _one_by_one(
    query: Tensor, key: Tensor, value: Tensor, segments: Segments, dropout: float, scaling: float, grouped: bool
) -> Tensor:
    """The same without such a kernel: 1×heads×T×d -> 1×heads×T×d, sample after sample."""
    parts = [torch.split(part, list(segments.lengths), dim=2) for part in (query, key, value)]
    outs = [
        F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=grouped)
        for q, k, v in zip(*parts, strict=True)
    ]
    return torch.cat(outs, dim=2)


def use_segments(language_model: Any) -> None:
    """Let a LLaMA-like transformers model attend by `segment_attention`; calls may then pass ``segments``."""
    AttentionInterface.register(NAME, segment_attention)
    language_model.set_attn_implementation(NAME)


@contextmanager
def ordinary_attention(language_model: Any) -> Iterator[None]:
    """Inside the block the model attends as before `use_segments`, with masks, as generation needs it."""
    before = language_model.config._attn_implementation
    language_model.set_attn_implementation("sdpa")
    try:
        yield
    finally:
        language_model.set_attn_implementation(before)
