"""The random SQ-LLaVA with LoRA layers as training leaves them: injected part by part, with settings of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny_sqllava as tiny
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor

from sqllava import SqLlavaForConditionalGeneration
from sqllava.adapters import write_adapter

LLM = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.05, "target_modules": "all-linear"}
VIT = {"r": 2, "lora_alpha": 3, "lora_dropout": 0.2, "target_modules": ["q_proj", "k_proj", "v_proj", "fc1"]}


@torch.no_grad()
def adapted(model: SqLlavaForConditionalGeneration | None = None, llm: Any = LLM, vit: Any = VIT) -> Any:
    """The model (seed 0's if None) with random adapters and a projector that has moved; None leaves a part alone."""
    model = tiny.model() if model is None else model
    for part, settings in ((model.model.language_model, llm), (model.model.vision_tower, vit)):
        if settings is not None:
            inject_adapter_in_model(LoraConfig(**settings), part)
    generator = torch.Generator().manual_seed(7)
    for name, parameter in model.named_parameters():
        if "lora_" in name or "multi_modal_projector" in name:
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model.eval()


def adapter_folder(folder: Path, base: str = "../base") -> Path:
    """An adapter with a trained projector, beside the whole model in ``base`` that it stands on."""
    tiny.model().save_pretrained(folder.parent / "base")
    tiny.processor().save_pretrained(folder.parent / "base")
    write_adapter(folder, adapted(), base=base, full=["projector"])
    return folder


@torch.no_grad()
def logits(model: Any) -> Tensor:
    """Of a fixed prompt with a fixed image, 1×13×V float32."""
    ids = torch.tensor([[1, *[4] * 9, 20, 30, 40]])
    pixels = torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(0)).to(model.dtype)
    found: Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels).logits.float()
    return found
