"""Keys and values as a tree: what is shared stands once, however many continue from it.

    root            the system text, one node                       shared by all
    ├─ prefix       the image and what its questions begin with     shared by a group
    │  ├─ segment   one question and its answer so far
    │  └─ segment   ...
    └─ prefix ...

A level holds the nodes of one depth, each continuing a node of the level above. One forward pass appends tokens to some
nodes of some levels (`Extension`): to prefixes and segments many, when they are new; to each segment one, when answers
grow. The tokens lie flat in a single row, without padding, through every layer; only attention knows the tree. A token
attends to the nodes above its own and, causally, to its own node: one `attend` for each level, put together by `merge`.
Positions count on from the node above. So each segment sees exactly what a row of its own would have held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sqllava.inference.kernels import Attended, Kernel, attend, attend_runs, merge

NAME = "sqllava_tree"
"""Name of this attention among transformers' implementations."""
ROOM = 16
"""Tokens by which a node's room grows at least."""


class Level:
    """N nodes, with the keys and values of each layer.

    parents: for each node the node of `above` that it continues, in ascending order; None for a level without one.
    """

    def __init__(self, above: Level | None, parents: Sequence[int]) -> None:
        if list(parents) != sorted(parents):
            raise ValueError("nodes must stand in the order of their parents")
        self.above, self.parents = above, list(parents)
        self.lengths = [0] * len(parents)
        """Tokens of each node."""
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        """A layer each: N×room×kv_heads×d, of which `lengths` are filled."""

    def __len__(self) -> int:
        return len(self.parents)

    @property
    def tokens(self) -> int:
        """Tokens that memory is held for, in this level alone."""
        return len(self) * self.room

    @property
    def room(self) -> int:
        """Tokens that a node can hold before it must grow."""
        return self.keys[0].shape[1] if self.keys else 0

    def offset(self, node: int) -> int:
        """Position of a node's first token."""
        if self.above is None:
            return 0
        parent = self.parents[node]
        return self.above.offset(parent) + self.above.lengths[parent]

    def keep(self, nodes: Sequence[int]) -> None:
        """Drop all other nodes, which nothing may continue, and their memory."""
        places = torch.tensor(nodes)
        for layers in (self.keys, self.values):
            for i, tensor in enumerate(layers):
                layers[i] = tensor[places.to(tensor.device)]
        self.parents = [self.parents[node] for node in nodes]
        self.lengths = [self.lengths[node] for node in nodes]

    def store(self, layer: int, k: Tensor, v: Tensor, places: Tensor, room: int) -> None:
        """Put T×kv_heads×d keys and values at `places` (node × room + position) of a layer, whose room is `room`."""
        for layers, new in ((self.keys, k), (self.values, v)):
            if layer == len(layers):
                layers.append(new.new_zeros(len(self), room, *new.shape[1:]))
            elif layers[layer].shape[1] < room:
                grown = new.new_zeros(len(self), room, *new.shape[1:])
                grown[:, : layers[layer].shape[1]] = layers[layer]
                layers[layer] = grown
            layers[layer].flatten(0, 1).index_copy_(0, places, new)


@dataclass(slots=True)
class _Reach:
    """How the new tokens read one level: which of its nodes each belongs to."""

    level: Level
    counts: list[int]
    """New tokens below each node of the level."""
    used: int
    """Keys of the fullest node."""
    causal: bool
    places: Tensor | None
    """Where each token stands among N×max(counts) queries; None if they fill it."""
    bias: Tensor | None
    runs: dict[str, Any]
    """For `attend_runs`."""


class Extension:
    """`counts[n]` new tokens for each node n of `level`, appended by one forward pass; flat, node by node.

    A node gets many tokens only while it is empty, one at a time later.
    """

    def __init__(self, level: Level, counts: Sequence[int], device: torch.device, kernel: Kernel) -> None:
        self.level, self.counts, self.kernel, self.device = level, list(counts), kernel, device
        self.tokens = sum(counts)
        fullest = max(length + count for length, count in zip(level.lengths, counts, strict=True))
        self._room = level.room if fullest <= level.room else -(-max(fullest, level.room * 3 // 2) // ROOM) * ROOM
        nodes, within = _spread(counts)
        within += torch.tensor(level.lengths)[nodes]
        self._stored = (nodes * self._room + within).to(device)
        self.positions = (torch.tensor([level.offset(node) for node in range(len(level))])[nodes] + within).to(device)
        """T int64."""
        level.lengths = [length + count for length, count in zip(level.lengths, counts, strict=True)]
        self._reaches = list(self._read())

    def attention(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """q: T×heads×d; k, v: T×kv_heads×d, rotated -> T×heads×d. Stores the keys and values."""
        self.level.store(layer, k, v, self._stored, self._room)
        parts = [self._attend(reach, layer, q, scale) for reach in self._reaches]
        whole = parts[0]
        for part in parts[1:]:
            whole = merge(whole, part)
        return whole.out.to(q.dtype)

    def _read(self) -> Iterator[_Reach]:
        """The level itself and those above it."""
        level, counts = self.level, self.counts
        yield self._reach(level, counts, causal=max(counts) > 1)
        while level.above is not None:
            below, above = counts, [0] * len(level.above)
            for parent, count in zip(level.parents, below, strict=True):
                above[parent] += count
            level, counts = level.above, above
            yield self._reach(level, counts, causal=False)

    def _reach(self, level: Level, counts: list[int], *, causal: bool) -> _Reach:
        used = max(level.lengths)
        if self.kernel == "varlen":
            room = self._room if level is self.level else level.room
            q_ends, k_used = torch.tensor([0, *counts]).cumsum(0), torch.tensor(level.lengths)
            k_starts = torch.arange(len(level) + 1) * room
            runs = {
                name: tensor.to(self.device, torch.int32, non_blocking=True)
                for name, tensor in (("q_ends", q_ends), ("k_used", k_used), ("k_starts", k_starts))
            }
            return _Reach(level, counts, used, causal, None, None, {**runs, "longest": (max(counts), used)})
        bias = places = None
        if not causal and min(level.lengths) < used:  # under causality, what is missing lies behind every query
            missing = torch.arange(used) >= torch.tensor(level.lengths)[:, None]
            bias = torch.zeros(missing.shape).masked_fill(missing, -torch.inf)[:, None, None].to(self.device)
        width = max(counts)
        if min(counts) < width:
            nodes, within = _spread(counts)
            places = (nodes * width + within).to(self.device)
        return _Reach(level, counts, used, causal, places, bias, {})

    def _attend(self, reach: _Reach, layer: int, q: Tensor, scale: float) -> Attended:
        k, v = reach.level.keys[layer], reach.level.values[layer]
        if self.kernel == "varlen":
            return attend_runs(q, k, v, **reach.runs, scale=scale, causal=reach.causal)
        nodes, width = len(reach.level), max(reach.counts)
        padded = q
        if reach.places is not None:
            padded = q.new_zeros(nodes * width, *q.shape[1:]).index_copy_(0, reach.places, q)
        out, lse = attend(
            padded.view(nodes, width, *q.shape[1:]), k[:, : reach.used], v[:, : reach.used], scale=scale,
            causal=reach.causal, bias=reach.bias, kernel=self.kernel,
        )  # fmt: skip
        out, lse = out.reshape(nodes * width, *q.shape[1:]), lse.reshape(nodes * width, -1)
        return Attended(out, lse) if reach.places is None else Attended(out[reach.places], lse[reach.places])


def _spread(counts: Sequence[int]) -> tuple[Tensor, Tensor]:
    """For each token of consecutive runs of those lengths: its run, and its place in it."""
    lengths = torch.tensor(counts)
    runs = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    return runs, torch.arange(len(runs)) - (lengths.cumsum(0) - lengths)[runs]


@torch.compiler.disable  # type: ignore[untyped-decorator]  # a layer may be compiled, as in training; trees are not
def tree_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, *,
    scaling: float, tree: Sequence[Extension], sliding_window: int | None = None, softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Transformers' attention interface: query 1×heads×T×d, key and value 1×kv_heads×T×d -> 1×T×heads×d.

    tree: the extensions that the T tokens belong to, in order. Raises ValueError for attention of another kind.
    """
    if sliding_window is not None or softcap is not None:
        raise ValueError("attention with a sliding window or a soft cap")
    sizes = [extension.tokens for extension in tree]
    q, k, v = (torch.split(part[0].transpose(0, 1), sizes) for part in (query, key, value))
    layer: int = module.layer_idx  # type: ignore[assignment]
    outs = [one.attention(layer, *qkv, scaling) for one, qkv in zip(tree, zip(q, k, v, strict=True), strict=True)]
    return (outs[0] if len(outs) == 1 else torch.cat(outs))[None], None
