"""Attention that also tells its log-sum-exp, so that parts of one softmax can be computed apart and put together.

A token attends to what all groups share, to what its group shares, and to its own segment. Each part is one call of
`attend`; `merge` weighs the results by the log-sum-exps, which gives the softmax over all keys at once, exactly.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Kernel = Literal["varlen", "flash", "math"]
"""varlen: torch's variable-length flash attention (CUDA, half precision). flash: torch's CPU kernel. math: plain
matrix products, anywhere."""


class Attended(NamedTuple):
    """One part of an attention."""

    out: Tensor
    """T×heads×d."""
    lse: Tensor
    """T×heads float32: log of the sum of exponentials of the scores."""


def usual_kernel(device: torch.device, dtype: torch.dtype) -> Kernel:
    """The fastest kernel for tensors of that device and dtype."""
    if device.type == "cuda" and dtype in (torch.bfloat16, torch.float16):
        return "varlen"
    return "flash" if device.type == "cpu" else "math"


def merge(one: Attended, other: Attended) -> Attended:
    """Attention over the keys of both parts, in float32."""
    lse = torch.logaddexp(one.lse, other.lse)
    shares = [(part.lse - lse).exp()[..., None] for part in (one, other)]
    return Attended(one.out * shares[0] + other.out * shares[1], lse)


def attend(
    q: Tensor, k: Tensor, v: Tensor, *, scale: float, causal: bool, bias: Tensor | None, kernel: Kernel
) -> tuple[Tensor, Tensor]:
    """q: N×Q×heads×d; k, v: N×K×kv_heads×d -> N×Q×heads×d and N×Q×heads float32.

    causal: query i sees keys 0..i (Q = K). bias: N×1×1×K, added to the scores: −∞ where a node has no such key.
    Grouped heads share keys without copies of them, except under the causal CPU kernel.
    """
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    grouped = q.shape[1] // k.shape[1]
    if grouped > 1 and causal:
        k, v = (part.repeat_interleave(grouped, dim=1) for part in (k, v))
    elif grouped > 1:  # heads that share keys are more queries of one head
        n, heads, length, d = q.shape
        q = q.reshape(n, heads // grouped, grouped * length, d)
    if kernel == "flash":
        op = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, lse = op(q, k, v, 0.0, causal, attn_mask=None if bias is None else bias.to(q.dtype), scale=scale)
    else:
        out, lse = _plain(q, k, v, scale, causal, bias)
    if grouped > 1 and not causal:
        out, lse = out.reshape(n, heads, length, d), lse.reshape(n, heads, length)
    return out.transpose(1, 2), lse.transpose(1, 2)


def _plain(q: Tensor, k: Tensor, v: Tensor, scale: float, causal: bool, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    scores = (q @ k.transpose(-1, -2)).float().mul_(scale)
    if bias is not None:
        scores += bias
    if causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu_(1)
        scores.masked_fill_(hidden, -torch.inf)
    top = scores.amax(dim=-1, keepdim=True)
    total = scores.sub_(top).exp_().sum(dim=-1, keepdim=True)
    return (scores.to(v.dtype) @ v) / total.to(v.dtype), (top + total.log())[..., 0]


def attend_runs(
    q: Tensor, k: Tensor, v: Tensor, *, q_ends: Tensor, k_starts: Tensor, k_used: Tensor, longest: tuple[int, int],
    scale: float, causal: bool,
) -> Attended:  # fmt: skip
    """The same by one variable-length kernel, without padding queries: q: T×heads×d; k, v: N×K×kv_heads×d.

    q_ends: N+1 int32, where each node's queries end. k_starts: N+1 int32, multiples of K. k_used: N int32, keys that
    each node has. longest: most queries and keys of a node. causal: a node's last query sees its last key.
    """
    from torch.nn.attention.varlen import AuxRequest, varlen_attn

    found = varlen_attn(
        q, k.flatten(0, 1), v.flatten(0, 1), q_ends, k_starts, *longest, seqused_k=k_used,
        return_aux=AuxRequest(lse=True), scale=scale, window_size=(-1, 0) if causal else (-1, -1),
        enable_gqa=q.shape[1] != k.shape[2],
    )  # fmt: skip
    assert isinstance(found, tuple)
    out, lse = found
    return Attended(out, lse.float())
