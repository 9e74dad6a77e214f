"""How many floating-point operations the matrix products of a training step need: what MFU is measured against.

One rule counts everything. A matrix product of m multiplications costs 2m operations forward, and 2m backward for each
of its two operands whose gradient is wanted: a weight's if it learns, an input's if anything before it does.

Only useful work counts: no recomputation (gradient checkpointing), no padding, no attention across samples or to later
tokens, no layers of the vision tower beyond the one that is read, the vocabulary only where a token is supervised.
Softmax, norms, activations, embeddings and the auxiliary losses are left out: below a hundredth in a 7B model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqllava.config import SqLlavaConfig
from sqllava.training.recipe import Part, Trained


def step_flops(
    config: SqLlavaConfig, lengths: Sequence[int], images: int, supervised: int, trained: Mapping[Part, Trained]
) -> float:
    """FLOPs of forward and backward pass on samples of `lengths` tokens (image tokens included) with `images` images,
    of which `supervised` tokens are predicted; `trained` is a stage's. Without lengths the vision tower runs alone.

    With V layers of width D and feed-forward width F in the tower on P patches and CLS, N prototypes, K rounds, H the
    language model's width, M its feed-forward width, A and G its query and key-value widths, T_s the tokens of sample
    s, and all multiplied by 2 forward and up to 4 backward:

        tower            per image   P·D·3·patch² + V·((P+1)·(4D² + 2DF) + 2(P+1)²·D)
        projector        per image   2LD² + K·(ND² + 2LND) + 3LND + L(DH + H²)     (L tokens; mlp2x_gelu: L(DH + H²))
        language model   per layer   Σ T_s·(2HA + 2HG + 3HM) + Σ T_s(T_s+1)·A
        vocabulary       once        supervised · H · vocabulary size
        adapters of rank r           r·(in + out) for every weight in·out above, per token, in the trained parts
    """
    before = False  # Whether anything before the part at hand learns.
    flops = 0.0
    if images:
        flops += images * _tower(config, _Part.of(trained.get("vision_tower"), before))
        before = "vision_tower" in trained
        if lengths:
            flops += images * _projector(config, _Part.of(trained.get("projector"), before))
            before = before or "projector" in trained
    if lengths:
        flops += _language_model(config, lengths, supervised, _Part.of(trained.get("language_model"), before))
    return flops


@dataclass(frozen=True)
class _Part:
    """How one part learns: its weights, adapters of some rank (0: none), and whether its input wants a gradient."""

    weights: bool
    rank: int
    input: bool

    @classmethod
    def of(cls, how: Trained | None, before: bool) -> _Part:
        return cls(how is not None and how.lora is None, how.lora.r if how and how.lora else 0, before)

    @property
    def learns(self) -> bool:
        """Whether what leaves the part's first layer wants a gradient."""
        return self.weights or self.rank > 0 or self.input

    def linear(self, tokens: float, width: int, out: int, *, first: bool = False, adapted: bool = True) -> float:
        """A linear layer. first: it reads the part's input. adapted: it gets an adapter if the part learns by them."""
        wanted = self.input if first else self.learns
        flops = _product(tokens * width * out, wanted, self.weights)
        if adapted and self.rank:
            flops += _product(tokens * width * self.rank, wanted, True) + _product(tokens * self.rank * out, True, True)
        return flops


def _product(multiplications: float, *wanted: bool) -> float:
    """A matrix product, forward and backward; `wanted` says of each operand whether its gradient is."""
    return 2.0 * multiplications * (1 + sum(wanted))


def used_layers(config: SqLlavaConfig) -> int:
    """Layers of the vision tower that the features pass through."""
    layer, layers = int(config.vision_feature_layer), int(config.vision_config.num_hidden_layers)
    return layer if layer >= 0 else layers + 1 + layer


def _tower(config: SqLlavaConfig, part: _Part) -> float:
    """One image."""
    vision: Any = config.vision_config
    width, patches = vision.hidden_size, int(config.image_seq_length)
    # DINOv2 gives the ratio; its gated variant has three matrices that are a third smaller.
    wide = getattr(vision, "intermediate_size", None) or int(width * vision.mlp_ratio)
    flops = _product(patches * 3 * vision.patch_size**2 * width, False, part.weights)
    for layer in range(used_layers(config)):
        # The embeddings in front of the first layer learn with the weights, and without them nothing there does.
        first = layer == 0 and not part.weights
        flops += 3 * part.linear(patches + 1, width, width, first=first)
        flops += 2 * _product((patches + 1) ** 2 * width, part.learns, part.learns)
        flops += part.linear(patches + 1, width, width)
        flops += part.linear(patches + 1, width, wide)
        flops += part.linear(patches + 1, wide, width)
    return flops


def _projector(config: SqLlavaConfig, part: _Part) -> float:
    """One image."""
    vision: Any = config.vision_config
    tokens, width, out = int(config.image_seq_length), vision.hidden_size, config.text_config.hidden_size
    if config.projector_type != "cluster":
        return part.linear(tokens, width, out, first=True) + part.linear(tokens, out, out)
    prototypes = config.num_prototypes
    pairs = prototypes * tokens * width
    flops = 2 * part.linear(tokens, width, width, first=True)  # f and v
    for iteration in range(config.num_iterations):
        flops += part.linear(prototypes, width, width, first=iteration == 0)  # c
        flops += 2 * _product(pairs, part.learns, part.learns)  # similarity, aggregation
    flops += _product(pairs, part.learns, part.input)  # similarity to the tokens themselves
    flops += 2 * _product(pairs, part.learns, part.learns)  # aggregation, dispatch
    return flops + part.linear(tokens, width, out) + part.linear(tokens, out, out)


def _language_model(config: SqLlavaConfig, lengths: Sequence[int], supervised: int, part: _Part) -> float:
    text: Any = config.text_config
    width, wide = text.hidden_size, text.intermediate_size
    head = getattr(text, "head_dim", None) or width // text.num_attention_heads
    queries, keys = text.num_attention_heads * head, text.num_key_value_heads * head
    tokens, pairs = sum(lengths), sum(length * (length + 1) / 2 for length in lengths)
    flops = 0.0
    for layer in range(text.num_hidden_layers):
        first = layer == 0 and not part.weights
        flops += part.linear(tokens, width, queries, first=first) + 2 * part.linear(tokens, width, keys, first=first)
        flops += 2 * _product(pairs * queries, part.learns, part.learns)
        flops += part.linear(tokens, queries, width)
        flops += 2 * part.linear(tokens, width, wide) + part.linear(tokens, wide, width)
    return flops + part.linear(supervised, width, text.vocab_size, adapted=False)
