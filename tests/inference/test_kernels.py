"""Attention in parts is attention over all keys; every kernel gives the numbers of plain softmax."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention import varlen

from sqllava.inference.kernels import Attended, attend, attend_runs, merge, usual_kernel

SCALE = 0.4


def softmax_attention(q: Tensor, k: Tensor, v: Tensor, seen: Tensor, scale: float = SCALE) -> tuple[Tensor, Tensor]:
    """q: Q×heads×d, k and v: K×kv_heads×d, seen: Q×K -> Q×heads×d, Q×heads, in float64 and without tricks."""
    group = q.shape[1] // k.shape[1]
    q, k, v = (part.double() for part in (q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)))
    scores = torch.einsum("qhd,khd->qhk", q, k) * scale
    scores = scores.masked_fill(~seen[:, None], -torch.inf)
    return torch.einsum("qhk,khd->qhd", scores.softmax(-1), v), scores.logsumexp(-1)


@pytest.mark.parametrize("kernel", ["flash", "math"])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("causal", [False, True])
def test_kernels_give_softmax_attention(kernel: Any, kv_heads: int, causal: bool) -> None:
    torch.manual_seed(kv_heads)
    queries, keys = (6, 6) if causal else (5, 9)
    q = torch.randn(3, queries, 4, 8)
    k, v = torch.randn(2, 3, keys, kv_heads, 8)
    bias = None
    lengths = torch.tensor([keys] * 3)
    if not causal:
        lengths = torch.tensor([keys, 4, 1])
        bias = torch.zeros(3, 1, 1, keys).masked_fill(torch.arange(keys) >= lengths[:, None, None, None], -torch.inf)
    out, lse = attend(q, k, v, scale=SCALE, causal=causal, bias=bias, kernel=kernel)
    for node in range(3):
        seen = torch.arange(keys).expand(queries, keys) < lengths[node]
        if causal:
            seen = seen & (torch.arange(keys) <= torch.arange(queries)[:, None])
        expected = softmax_attention(q[node], k[node], v[node], seen)
        torch.testing.assert_close(out[node].double(), expected[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(lse[node].double(), expected[1], atol=1e-5, rtol=1e-5)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99), st.floats(0.1, 30))
@settings(max_examples=30, deadline=None)
def test_merged_parts_are_the_whole(first: int, second: int, seed: int, size: float) -> None:
    torch.manual_seed(seed)
    q = torch.randn(3, 2, 4) * size
    k, v = torch.randn(2, first + second, 2, 4)
    parts = []
    for some in (slice(0, first), slice(first, None)):
        out, lse = attend(q[None], k[None, some], v[None, some], scale=SCALE, causal=False, bias=None, kernel="flash")
        parts.append(Attended(out[0], lse[0]))
    whole = merge(*parts)
    expected = softmax_attention(q, k, v, torch.ones(3, first + second, dtype=torch.bool))
    torch.testing.assert_close(whole.out.double(), expected[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(whole.lse.double(), expected[1], atol=1e-5, rtol=1e-5)


def documented_varlen(
    query: Tensor, key: Tensor, value: Tensor, cu_seq_q: Tensor, cu_seq_k: Tensor, max_q: int, max_k: int, *,
    return_aux: Any, scale: float, window_size: tuple[int, int], enable_gqa: bool, seqused_k: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`torch.nn.attention.varlen.varlen_attn` as its documentation has it, for a machine that cannot run it."""
    assert cu_seq_q.dtype == cu_seq_k.dtype == seqused_k.dtype == torch.int32
    assert return_aux.lse
    assert enable_gqa == (query.shape[1] != key.shape[1])
    out, lse = torch.zeros(query.shape), torch.zeros(query.shape[:2])
    for node in range(len(seqused_k)):
        rows = slice(int(cu_seq_q[node]), int(cu_seq_q[node + 1]))
        begin, used = int(cu_seq_k[node]), int(seqused_k[node])
        count = rows.stop - rows.start
        assert count <= max_q
        assert used <= max_k
        if count == 0:
            continue
        seen = torch.ones(count, used, dtype=torch.bool)
        if window_size == (-1, 0):  # aligned at the last query and the last key
            seen = torch.arange(used) <= torch.arange(count)[:, None] + used - count
        keys = slice(begin, begin + used)
        one = softmax_attention(query[rows], key[keys], value[keys], seen, scale)
        out[rows], lse[rows] = one[0].float(), one[1].float()
    return out, lse


@pytest.fixture
def varlen_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CUDA kernel's contract in plain torch: shows that it is called as documented, not that it works."""
    monkeypatch.setattr(varlen, "varlen_attn", documented_varlen)


@pytest.mark.usefixtures("varlen_anywhere")
def test_runs_are_handed_to_the_variable_length_kernel_as_documented() -> None:
    torch.manual_seed(0)
    counts, used = [3, 0, 1], [3, 5, 4]
    q = torch.randn(4, 4, 8)
    k, v = torch.randn(2, 3, 6, 2, 8)
    found = attend_runs(
        q, k, v, q_ends=torch.tensor([0, 3, 3, 4]).int(), k_starts=torch.tensor([0, 6, 12, 18]).int(),
        k_used=torch.tensor(used).int(), longest=(3, 5), scale=SCALE, causal=True,
    )  # fmt: skip
    place = 0
    for node, count in enumerate(counts):
        for i in range(count):
            seen = (torch.arange(6) < used[node] - count + i + 1)[None]
            expected = softmax_attention(q[place : place + 1], k[node], v[node], seen)
            torch.testing.assert_close(found.out[place].double(), expected[0][0], atol=1e-5, rtol=1e-5)
            place += 1


def test_each_device_has_its_kernel() -> None:
    assert usual_kernel(torch.device("cpu"), torch.float32) == "flash"
    assert usual_kernel(torch.device("cuda"), torch.bfloat16) == "varlen"
    assert usual_kernel(torch.device("cuda"), torch.float32) == "math"
