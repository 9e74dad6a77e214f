"""Names of weights: whatever a checkpoint calls them, and what our model calls them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

LANGUAGE = "model.language_model."
VISION = "model.vision_tower."
PROJECTOR = "model.multi_modal_projector."
HEAD = "lm_head.weight"
EMBEDDINGS = f"{LANGUAGE}embed_tokens.weight"

# Wrappers put their own attribute names in front, PEFT `base_model.model.` and LLaVA `model.`; writers drop some.
_WRAPPERS = re.compile(r"(?:base_model\.)?(?:model\.)*")
_RULES = (
    (re.compile(r"(?:mm_projector|multi_modal_projector)\.(.+)"), PROJECTOR),
    (re.compile(r"(?:vision_tower\.)+(?:vision_model\.)?(.+)"), VISION),
    (re.compile(r"language_model\.(lm_head\..+)"), ""),
    (re.compile(r"language_model\.(?:model\.)?(.+)"), LANGUAGE),
    (re.compile(r"(lm_head\..+)"), ""),
    (re.compile(r"((?:embed_tokens|layers|norm|rotary_emb)\..+)"), LANGUAGE),
)
_TOWER = re.compile(
    r"(?:base_model\.)?(?:model\.)*(?:vision_tower\.)*(?:vision_model\.)?"
    r"((?:embeddings|pre_layrnorm|encoder|post_layernorm)\..+)"
)
_ADAPTED_TOWER = re.compile(r"(?:.+\.)?vision_tower\.base_model\.model\..+")
_TEXT_TOWER = re.compile(r"text_model\..+|(?:text|visual)_projection\.weight|logit_scale")
_BUFFERS = re.compile(
    re.escape(LANGUAGE)
    + r"(?:layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq|"
    + re.escape(VISION)
    + r"embeddings\.position_ids"
)
_MLP = {"0": "linear_1", "2": "linear_2"}
"""Layers of ``mlp2x_gelu``: by place in LLaVA, by name in transformers."""


def model_name(name: str) -> str | None:
    """Our name of a weight of a language model or of a whole LLaVA; None if it is no part of one."""
    wrappers = _WRAPPERS.match(name)
    rest = name[wrappers.end() :] if wrappers else name
    for rule, prefix in _RULES:
        if found := rule.fullmatch(rest):
            return prefix + (_projector_name(found[1]) if prefix == PROJECTOR else found[1])
    return None


def _projector_name(name: str) -> str:
    layer, dot, rest = name.partition(".")
    return _MLP.get(layer, layer) + dot + rest


def tower_name(name: str) -> str | None:
    """Our name of a weight of a vision tower stored by itself; None if it is no part of one."""
    found = _TOWER.fullmatch(name)
    return VISION + found[1] if found else None


def is_adapted_tower(name: str) -> bool:
    """Whether a name leads through a vision tower that PEFT had wrapped by itself."""
    return _ADAPTED_TOWER.fullmatch(name) is not None


def is_text_tower(name: str) -> bool:
    """Whether a weight of a whole CLIP model belongs to the half that sees no images."""
    return _TEXT_TOWER.fullmatch(name) is not None


def is_buffer(ours: str) -> bool:
    """Whether this is one of the computed tables that old versions stored with the weights."""
    return _BUFFERS.fullmatch(ours) is not None


def listed(names: Iterable[str]) -> str:
    """Names for an error: layers that share a name are told once, with their number."""
    counts = Counter(re.sub(r"(?<=\.)\d+(?=\.)", "*", name) for name in names)
    plain = {re.sub(r"(?<=\.)\d+(?=\.)", "*", name): name for name in names}
    return ", ".join(f"{name} ({count} of them)" if count > 1 else plain[name] for name, count in counts.items())
