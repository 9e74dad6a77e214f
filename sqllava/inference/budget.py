"""How many tokens of keys, values and activations fit into memory: measured on a GPU."""

from __future__ import annotations

import torch

from sqllava.inference.packed import PackedModel
from sqllava.inference.tree import Level

CPU_TOKENS = 8192
"""On a CPU memory is seldom short; larger batches leave its caches and gain nothing."""
FEWEST, MOST = 2048, 131_072
SHARE = 0.8
"""Of free GPU memory; the rest is for the vision tower, logits, and fragmentation."""


def measured_budget(packed: PackedModel) -> int:
    """Tokens that may be held at once. On CUDA: free memory over what a token was seen to take."""
    device = packed.model.device
    if device.type != "cuda":
        return CPU_TOKENS
    peaks = []
    for tokens in (1024, 2048):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        level = Level(None, [0, 0])
        packed.append([packed.extension(level, [tokens // 2] * 2)], packed.embed([0] * tokens), None)
        peaks.append(torch.cuda.max_memory_allocated(device))
        del level
    each = max((peaks[1] - peaks[0]) / 1024, 1.0)
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    return int(min(MOST, max(FEWEST, SHARE * free / each)))
