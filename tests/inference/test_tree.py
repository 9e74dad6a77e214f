"""A tree of keys and values against transformers' own rows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest
import tiny_sqllava as tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernels import documented_varlen
from torch.nn.attention import varlen

from sqllava.inference.packed import PackedModel, fault
from sqllava.inference.tree import Level

MODEL = tiny.model()
TOKENS = range(10, 400)


@dataclass
class Node:
    """A node with all that stands above and in it."""

    level: int
    number: int
    path: list[int]


def grow(packed: PackedModel, widths: list[list[int]], more: int, rng: random.Random) -> tuple[list[Level], list[Node]]:
    """Levels with so many tokens in each node, then single tokens for the last level's nodes in `more` passes."""
    levels: list[Level] = []
    nodes: list[list[Node]] = []
    for depth, lengths in enumerate(widths):
        parents = sorted(rng.randrange(len(nodes[-1])) if nodes else 0 for _ in lengths)
        if depth and len(lengths) >= len(nodes[-1]):  # everybody has a child
            parents = sorted([*range(len(nodes[-1])), *parents[len(nodes[-1]) :]])
        level = Level(levels[-1] if levels else None, parents)
        ids = [[rng.choice(TOKENS) for _ in range(length)] for length in lengths]
        packed.append([packed.extension(level, lengths)], packed.embed([t for row in ids for t in row]), None)
        above = [nodes[-1][parent].path if nodes else [] for parent in parents]
        nodes.append([Node(depth, i, path + row) for i, (path, row) in enumerate(zip(above, ids, strict=True))])
        levels.append(level)
    for _ in range(more):
        counts = [rng.choice((0, 1, 1)) for _ in nodes[-1]]
        if not any(counts):
            counts[0] = 1
        said = [rng.choice(TOKENS) for _ in range(sum(counts))]
        packed.append([packed.extension(levels[-1], counts)], packed.embed(said), None)
        tokens = iter(said)
        for node, count in zip(nodes[-1], counts, strict=True):
            node.path += [next(tokens) for _ in range(count)]
    return levels, nodes[-1]


def last_hidden(model: Any, row: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        ids = torch.tensor([row])
        return model.model.language_model(input_ids=ids, use_cache=False).last_hidden_state[0, -1]


WIDTHS = st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=7), min_size=1, max_size=4)


@pytest.mark.parametrize("kernel", ["flash", "math", "varlen"])
@given(WIDTHS, st.integers(0, 4), st.integers(0, 999))
@settings(max_examples=15, deadline=None)
def test_every_node_sees_its_own_path_and_nothing_else(
    kernel: Any, widths: list[list[int]], more: int, seed: int
) -> None:
    rng = random.Random(seed)
    original, varlen.varlen_attn = varlen.varlen_attn, documented_varlen
    try:
        packed = PackedModel(MODEL, kernel)
        levels, nodes = grow(packed, widths, more, rng)
        said = [rng.choice(TOKENS) for _ in nodes]
        found = packed.append(
            [packed.extension(levels[-1], [1] * len(nodes))], packed.embed(said), torch.arange(len(nodes))
        )
    finally:
        varlen.varlen_attn = original
    assert found is not None
    for node, token, hidden in zip(nodes, said, found, strict=True):
        torch.testing.assert_close(hidden, last_hidden(MODEL, [*node.path, token]), atol=2e-4, rtol=1e-3)


def test_several_levels_grow_in_one_pass() -> None:
    rng = random.Random(1)
    packed = PackedModel(MODEL, "flash")
    one, first = grow(packed, [[9], [4, 7], [3, 2, 5]], 2, rng)
    other, second = grow(packed, [[6], [2, 2, 2]], 1, rng)
    said = [rng.choice(TOKENS) for _ in range(4)]
    tree = [packed.extension(one[-1], [1, 0, 1]), packed.extension(other[-1], [0, 1, 1])]
    found = packed.append(tree, packed.embed(said), torch.arange(4))
    assert found is not None
    nodes = [first[0], first[2], second[1], second[2]]
    for node, token, hidden in zip(nodes, said, found, strict=True):
        torch.testing.assert_close(hidden, last_hidden(MODEL, [*node.path, token]), atol=2e-4, rtol=1e-3)


def test_what_is_dropped_gives_its_memory_back_and_changes_nothing_else() -> None:
    rng = random.Random(2)
    packed = PackedModel(MODEL, "flash")
    levels, nodes = grow(packed, [[5], [3, 4], [2, 6, 3, 4]], 1, rng)
    before = levels[-1].tokens
    levels[-1].keep([1, 3])
    assert levels[-1].tokens == before // 2
    found = packed.append([packed.extension(levels[-1], [1, 1])], packed.embed([50, 60]), torch.arange(2))
    assert found is not None
    for node, token, hidden in zip((nodes[1], nodes[3]), (50, 60), found, strict=True):
        torch.testing.assert_close(hidden, last_hidden(MODEL, [*node.path, token]), atol=2e-4, rtol=1e-3)


def test_nodes_stand_in_the_order_of_their_parents() -> None:
    with pytest.raises(ValueError, match="order of their parents"):
        Level(Level(None, [0, 0]), [1, 0])


def test_a_shared_prefix_is_held_once() -> None:
    packed = PackedModel(MODEL, "flash")
    prefix = Level(None, [0])
    packed.append([packed.extension(prefix, [64])], packed.embed([20] * 64), None)
    segments = Level(prefix, [0] * 40)
    packed.append([packed.extension(segments, [1] * 40)], packed.embed([30] * 40), None)
    heads, size = 2, 12
    held = sum(tensor.nbytes for level in (prefix, segments) for tensor in (*level.keys, *level.values))
    assert held == 2 * 2 * heads * size * 4 * (64 + 40 * segments.room)
    assert segments.room == 16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_check_passes_what_is_right_and_finds_what_is_not(dtype: torch.dtype) -> None:
    assert fault(PackedModel(tiny.model().to(dtype), "flash")) is None
    broken = tiny.model().to(dtype)
    last = broken.model.language_model.layers[-1]
    last.register_forward_hook(lambda _, __, out: out.flip(-1))  # the packed model goes through this layer's parts
    assert "would differ by" in (fault(PackedModel(broken, "flash")) or "")


def test_attention_of_another_kind_is_found() -> None:
    model = tiny.model()
    for layer in model.model.language_model.layers:
        inner = layer.self_attn.forward
        layer.self_attn.forward = lambda *args, inner=inner, **kwargs: inner(*args, sliding_window=8, **kwargs)
    assert "sliding window" in (fault(PackedModel(model, "flash")) or "")
