"""Tiny random checkpoints under the release's names, in every layout, and what they compute, in plain torch.

Nothing here uses the package under test: the language model is transformers' LLaMA, the vision tower its CLIP, and the
projectors are written out from their definition.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open as safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

Weights = dict[str, Tensor]
Lora = dict[str, tuple[Tensor, Tensor]]
"""Module -> A (r×in) and B (out×r)."""

TEXT = {
    "vocab_size": 300,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 24,
    "patch_size": 8,
}
PATCHES = 9
LLM_RANK, LLM_ALPHA = 4, 8
VIT_RANK, VIT_ALPHA = 2, 6

LLM_MODULES = (
    *("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"),
    *("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
)
VIT_MODULES = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")


@cache
def tokenizer_file() -> str:
    """Byte-level BPE of 300 tokens like Vicuna's: <unk>, <s>, </s>, and no <image>."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TEXT["vocab_size"],
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(["A chat between a curious user and an artificial intelligence assistant."], trainer)
    assert backend.get_vocab_size() == TEXT["vocab_size"]
    return backend.to_str()


def write_tokenizer(folder: Path) -> None:
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(tokenizer_file()), **special).save_pretrained(folder)


@dataclass
class Parts:
    """The tensors that a checkpoint is made of, by the names that they have inside their part."""

    language: Weights
    """``model.layers.*``, ``model.embed_tokens.weight``, ``model.norm.weight``, ``lm_head.weight``."""
    tower: Weights
    """``embeddings.*``, ``encoder.layers.*`` and so on."""
    projector: Weights
    kind: str = "cluster"
    llm_lora: Lora = field(default_factory=dict)
    vit_lora: Lora = field(default_factory=dict)
    dtype: torch.dtype = torch.float32

    def merged_language(self) -> Weights:
        return _merged(self.language, self.llm_lora, LLM_ALPHA / LLM_RANK)

    def merged_tower(self) -> Weights:
        return _merged(self.tower, self.vit_lora, VIT_ALPHA / VIT_RANK)


def random_parts(kind: str = "cluster", seed: int = 0, *, lora: bool = True) -> Parts:
    torch.manual_seed(seed)
    language = LlamaForCausalLM(LlamaConfig(**TEXT, initializer_range=0.3)).state_dict()
    tower = {
        name.removeprefix("vision_model."): tensor
        for name, tensor in CLIPVisionModel(CLIPVisionConfig(**VISION)).state_dict().items()
    }
    tower = {name: tensor + 0.1 * torch.randn_like(tensor) for name, tensor in tower.items()}
    parts = Parts(dict(language), tower, _projector(kind), kind)
    if lora:
        parts.llm_lora = _lora(language, [f"model.layers.{i}.{m}" for i in range(2) for m in LLM_MODULES], LLM_RANK)
        parts.vit_lora = _lora(tower, [f"encoder.layers.{i}.{m}" for i in range(3) for m in VIT_MODULES], VIT_RANK)
    return parts


def _projector(kind: str) -> Weights:
    d, h = VISION["hidden_size"], TEXT["hidden_size"]
    if kind == "mlp2x_gelu":
        return {
            "0.weight": torch.randn(h, d) / 6,
            "0.bias": torch.randn(h),
            "2.weight": torch.randn(h, h) / 7,
            "2.bias": torch.randn(h),
        }
    weights = {f"{name}.weight": torch.randn(d, d) / 6 for name in "cvf"}
    weights |= {f"{name}.bias": torch.randn(d) / 3 for name in "cvf"}
    return weights | {
        "sim_alpha": torch.full((1, 1, 1), 1.3),
        "sim_beta": torch.full((1, 1, 1), -0.2),
        "ln_1.weight": torch.randn(d),
        "ln_1.bias": torch.randn(d),
        "mlp.0.weight": torch.randn(h, d) / 6,
        "mlp.0.bias": torch.randn(h),
        "mlp.2.weight": torch.randn(h, h) / 7,
        "mlp.2.bias": torch.randn(h),
    }


def _lora(weights: Weights, modules: list[str], rank: int) -> Lora:
    shapes = {module: weights[f"{module}.weight"].shape for module in modules}
    return {m: (torch.randn(rank, into) / 8, torch.randn(out, rank) / 8) for m, (out, into) in shapes.items()}


def _merged(weights: Weights, lora: Lora, scaling: float) -> Weights:
    return weights | {f"{m}.weight": weights[f"{m}.weight"] + scaling * (b @ a) for m, (a, b) in lora.items()}


# What they compute.


def expected_logits(parts: Parts, before: list[int], pixels: Tensor, after: list[int]) -> Tensor:
    """Logits (T×300) over token ids, one image (3×24×24), and token ids."""
    llm = LlamaForCausalLM(LlamaConfig(**TEXT)).eval()
    llm.load_state_dict(parts.merged_language())
    embed = llm.get_input_embeddings()
    with torch.no_grad():
        image = project(parts, image_tokens(parts, pixels))
        rows = [embed(torch.tensor(before, dtype=torch.long)), image, embed(torch.tensor(after, dtype=torch.long))]
        logits: Tensor = llm(inputs_embeds=torch.cat(rows)[None]).logits[0]
    return logits


def image_tokens(parts: Parts, pixels: Tensor) -> Tensor:
    """Hidden state -2 of the tower without CLS, 9×32."""
    clip = CLIPVisionModel(CLIPVisionConfig(**VISION)).eval()
    prefix = "vision_model." if any(name.startswith("vision_model.") for name in clip.state_dict()) else ""
    clip.load_state_dict({prefix + name: tensor for name, tensor in parts.merged_tower().items()})
    with torch.no_grad():
        states: Tensor = clip(pixels[None], output_hidden_states=True).hidden_states[-2][0, 1:]
    return states


def project(parts: Parts, x: Tensor) -> Tensor:
    """9×32 -> 9×48, written out with the large intermediates of the definition."""
    w = parts.projector
    if parts.kind == "mlp2x_gelu":
        return F.linear(F.gelu(F.linear(x, w["0.weight"], w["0.bias"])), w["2.weight"], w["2.bias"])
    count = 256
    value, feature = (F.linear(x, w[f"{n}.weight"], w[f"{n}.bias"]) for n in "vf")
    centres, pooled = (F.adaptive_avg_pool1d(t.T[None], count)[0].T for t in (x, feature))
    for _ in range(2):
        centres = F.linear(centres, w["c.weight"], w["c.bias"])
        keys = value.T / value.T.norm(dim=-1, keepdim=True)  # over tokens, as the release does
        similarity = (centres / centres.norm(dim=-1, keepdim=True)) @ keys
        centres = similarity.softmax(dim=0) @ feature
    cosine = F.cosine_similarity(centres[:, None], x[None], dim=-1)
    weight = torch.sigmoid(w["sim_beta"][0] + w["sim_alpha"][0] * cosine)
    kept = F.one_hot(weight.argmax(dim=0), count).T.float()
    weight = weight * kept
    prototypes = ((weight[:, :, None] * feature[None]).sum(1) + pooled) / (kept.sum(1, keepdim=True) + 1)
    z = x + (weight[:, :, None] * prototypes[:, None]).sum(0)
    hidden = F.linear(z, w["mlp.0.weight"], w["mlp.0.bias"])
    return F.linear(hidden * torch.sigmoid(1.702 * hidden), w["mlp.2.weight"], w["mlp.2.bias"])


# How they are written.


def write_weights(folder: Path, weights: Weights, stem: str, kind: str = "bin", shards: int = 1) -> None:
    """``stem.kind``, or numbered shards with their index."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.clone().contiguous() for name, tensor in weights.items()}
    if shards == 1:
        _write(folder / f"{stem}.{kind}", weights)
        return
    places = {}
    for number in range(shards):
        name = f"{stem}-{number + 1:05d}-of-{shards:05d}.{kind}"
        part = dict(list(weights.items())[number::shards])
        _write(folder / name, part)
        places |= dict.fromkeys(part, name)
    (folder / f"{stem}.{kind}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def _write(file: Path, weights: Weights) -> None:
    if file.suffix == ".bin":
        torch.save(weights, file)
    else:
        save_file(weights, file, metadata={"format": "pt"})


def prefixed(prefix: str, weights: Mapping[str, Tensor]) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


def write_base(folder: Path, parts: Parts, kind: str = "bin", shards: int = 1, **extra: Tensor) -> Path:
    """A LLaMA folder; `extra` tensors lie beside (a base that is a LLaVA itself)."""
    stem = "model" if kind == "safetensors" else "pytorch_model"
    write_weights(folder, _cast(parts.language | extra, parts.dtype), stem, kind, shards)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", **TEXT}
    (folder / "config.json").write_text(json.dumps(config))
    write_tokenizer(folder)
    return folder


def write_tower(
    folder: Path, parts: Parts, kind: str = "bin", prefix: str = "vision_model.", whole: bool = False
) -> Path:
    """A CLIP folder: the vision model alone, or a whole CLIP."""
    weights = prefixed(prefix, parts.tower)
    config: dict[str, Any] = {"model_type": "clip_vision_model", **VISION}
    if whole:
        weights |= {"text_model.final_layer_norm.weight": torch.ones(8), "text_projection.weight": torch.ones(8, 8)}
        weights |= {"visual_projection.weight": torch.ones(8, 32), "logit_scale": torch.tensor(2.0)}
        weights |= {"vision_model.embeddings.position_ids": torch.arange(10)[None]}
        weights |= {"text_model.embeddings.position_ids": torch.arange(77)[None]}
        config = {"model_type": "clip", "vision_config": config, "text_config": {"hidden_size": 8}}
    write_weights(folder, weights, "model" if kind == "safetensors" else "pytorch_model", kind)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def release_config(parts: Parts, **changes: Any) -> dict[str, Any]:
    return {
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava",
        **TEXT,
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
        "mm_projector_type": parts.kind,
        "mm_hidden_size": VISION["hidden_size"],
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "image_aspect_ratio": "pad",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        **changes,
    }


def lora_settings(rank: int, alpha: int, modules: tuple[str, ...], **changes: Any) -> dict[str, Any]:
    return {
        "base_model_name_or_path": "lmsys/vicuna-7b-v1.5",
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "layers_pattern": None,
        "layers_to_transform": None,
        "lora_alpha": alpha,
        "lora_dropout": 0.05,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": rank,
        "revision": None,
        "target_modules": sorted({module.split(".")[-1] for module in modules}),
        "task_type": None,
        **changes,
    }


def lora_weights(lora: Lora, prefix: str) -> Weights:
    return {
        f"{prefix}{module}.lora_{side}.weight": tensor
        for module, pair in lora.items()
        for side, tensor in zip("AB", pair, strict=True)
    }


def write_vit_lora(folder: Path, parts: Parts, kind: str = "bin", prefix: str | None = None) -> None:
    prefix = "base_model.model.vision_tower.vision_model." if prefix is None else prefix
    write_weights(folder / "Vit-lora", lora_weights(parts.vit_lora, prefix), "adapter_model", kind)
    settings = lora_settings(VIT_RANK, VIT_ALPHA, VIT_MODULES, lora_dropout=0.2)
    (folder / "Vit-lora" / "adapter_config.json").write_text(json.dumps(settings))


def write_stage2(
    folder: Path,
    parts: Parts,
    kind: str = "bin",
    prefix: str = "base_model.model.",
    vit_prefix: str | None = None,
    **config: Any,
) -> Path:
    """Both adapters, and the projector among the ``non_lora_trainables``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(release_config(parts, **config)))
    (folder / "adapter_config.json").write_text(json.dumps(lora_settings(LLM_RANK, LLM_ALPHA, LLM_MODULES)))
    write_weights(folder, lora_weights(parts.llm_lora, prefix), "adapter_model", kind)
    non_lora = prefixed(f"{prefix}model.mm_projector.", parts.projector)
    write_weights(folder, non_lora, "non_lora_trainables", kind)
    if parts.vit_lora:
        write_vit_lora(folder, parts, kind, vit_prefix)
    return folder


def write_stage1(folder: Path, parts: Parts, kind: str = "bin") -> Path:
    """The projector alone, with the vision tower's adapter if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(release_config(parts)))
    write_weights(folder, prefixed("model.mm_projector.", parts.projector), "mm_projector", kind)
    if parts.vit_lora:
        write_vit_lora(folder, parts, kind)
    return folder


def write_full(folder: Path, parts: Parts, kind: str = "bin", shards: int = 1, tower: bool = False) -> Path:
    """All weights under LLaVA's names, adapters merged; with the vision tower inside or without it."""
    weights = parts.merged_language() | prefixed("model.mm_projector.", parts.projector)
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(6)
    if tower:
        weights |= prefixed("model.vision_tower.vision_tower.vision_model.", parts.merged_tower())
        weights["model.vision_tower.vision_tower.vision_model.embeddings.position_ids"] = torch.arange(10)[None]
    stem = "model" if kind == "safetensors" else "pytorch_model"
    write_weights(folder, _cast(weights, parts.dtype), stem, kind, shards)
    (folder / "config.json").write_text(json.dumps(release_config(parts)))
    write_tokenizer(folder)
    return folder


def _cast(weights: Mapping[str, Tensor], dtype: torch.dtype) -> Weights:
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
