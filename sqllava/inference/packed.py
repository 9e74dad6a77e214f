"""A LLaVA model that computes on a tree (`tree.py`), and the proof that it may.

Every layer is transformers' own. What is added: the attention function, and that the last layer's feed-forward part is
computed only where its output is needed, which is at each segment's last token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from sqllava.inference.kernels import Kernel
from sqllava.inference.tree import NAME, Extension, Level, tree_attention

TOLERANCES = {torch.float64: 1e-4, torch.float32: 1e-3, torch.float16: 5e-2, torch.bfloat16: 1e-1}
"""Largest difference from transformers' own hidden states that passes for rounding, as a share of their size."""


class PackedModel:
    """The language model of `model` (transformers' LLaVA or ours) over a tree of keys and values."""

    def __init__(self, model: Any, kernel: Kernel) -> None:
        self.model = model
        self.language: Any = model.model.language_model
        self.kernel = kernel

    def embed(self, ids: Sequence[int]) -> Tensor:
        """T×H."""
        embeddings: Tensor = self.model.get_input_embeddings()(torch.tensor(ids, device=self.model.device))
        return embeddings

    def extension(self, level: Level, counts: Sequence[int]) -> Extension:
        """`counts[n]` tokens more for node n of `level`."""
        return Extension(level, counts, self.model.device, self.kernel)

    @torch.inference_mode()
    def append(self, tree: Sequence[Extension], embeddings: Tensor, wanted: Tensor | None) -> Tensor | None:
        """One forward pass over T new tokens; their keys and values are in the tree afterwards.

        embeddings: T×H, in the order of the extensions. wanted: W places among the T tokens -> their hidden states,
        W×H, ready for the head. None: nothing but keys and values is of use.
        """
        with self._attending():
            hidden = embeddings[None]
            positions = torch.cat([extension.positions for extension in tree])[None]
            rotary = self.language.rotary_emb(hidden, position_ids=positions)
            *layers, last = self.language.layers
            for layer in layers:
                hidden = layer(hidden, position_embeddings=rotary, position_ids=positions, tree=tree)
            attended, _ = last.self_attn(last.input_layernorm(hidden), position_embeddings=rotary, tree=tree)
            if wanted is None:
                return None
            hidden = hidden[:, wanted] + attended[:, wanted]
            hidden = hidden + last.mlp(last.post_attention_layernorm(hidden))
            final: Tensor = self.language.norm(hidden)[0]
            return final

    def logits(self, hidden: Tensor) -> Tensor:
        """W×H -> W×V float32."""
        scores: Tensor = self.model.lm_head(hidden).float()
        return scores

    @contextmanager
    def _attending(self) -> Iterator[None]:
        """Inside the block attention is ours; outside, the model is as it was."""
        config = self.language.config
        before = config._attn_implementation
        AttentionInterface.register(NAME, tree_attention)
        config._attn_implementation = NAME
        try:
            yield
        finally:
            config._attn_implementation = before


@torch.inference_mode()
def fault(packed: PackedModel) -> str | None:
    """Why this model must not be packed, or None: a small tree is computed, and held against transformers' own rows.

    So the answer comes from the model at hand, on this machine, and not from its name: sliding windows, soft caps,
    layers between attention and head, a kernel that does not work here, all show as a difference or an error.
    """
    model = packed.model
    size = min(model.config.text_config.vocab_size, 1000)
    shared = [(7 * i + 3) % size for i in range(24)]
    rows = [shared + [(11 * i + j) % size for i in range(length)] for j, length in ((1, 5), (2, 9))]
    try:
        found = _by_tree(packed, rows)
        expected = torch.stack([_by_row(packed, row) for row in rows])
    except Exception as error:  # whatever keeps the model from running like this
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    apart = float((found.float() - expected.float()).norm() / expected.float().norm())
    if not apart <= TOLERANCES[model.dtype]:
        return f"its hidden states would differ by {apart:.1%}"
    return None


def _by_row(packed: PackedModel, row: Sequence[int]) -> Tensor:
    """The hidden state of a row's last token, as transformers computes it."""
    row_out = packed.language(inputs_embeds=packed.embed(row)[None], use_cache=False)
    hidden: Tensor = row_out.last_hidden_state[0, -1]
    return hidden


def _by_tree(packed: PackedModel, rows: Sequence[Sequence[int]]) -> Tensor:
    """Hidden states of the rows' last tokens: 16 tokens as root, 8 as prefix, all but one more at first, then that."""
    root = Level(None, [0])
    packed.append([packed.extension(root, [16])], packed.embed(rows[0][:16]), None)
    prefix = Level(root, [0])
    packed.append([packed.extension(prefix, [8])], packed.embed(rows[0][16:24]), None)
    segments = Level(prefix, [0] * len(rows))
    ids = [token for row in rows for token in row[24:-1]]
    packed.append([packed.extension(segments, [len(row) - 25 for row in rows])], packed.embed(ids), None)
    final = packed.append(
        [packed.extension(segments, [1] * len(rows))], packed.embed([row[-1] for row in rows]),
        torch.arange(len(rows), device=packed.model.device),
    )  # fmt: skip
    assert final is not None
    return final
