"""Which weights of a stage learn: parts in full, or low-rank adapters in every Linear of a part (peft)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import Linear as LoraLinear
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from sqllava.modeling import SqLlavaForConditionalGeneration
from sqllava.training.recipe import Part, Trained

MODULES: dict[Part, str] = {
    "vision_tower": "vision_tower",
    "projector": "multi_modal_projector",
    "language_model": "language_model",
}
"""Where a part lives below `model.model`."""


def prepare_parts(
    model: SqLlavaForConditionalGeneration, trained: Mapping[Part, Trained]
) -> dict[Part, list[nn.Parameter]]:
    """Freeze everything, then let the trained parts learn; gives the parameters of each.

    Trained parameters are float32 whatever the dtype of the frozen ones. What never reaches the loss (the tower's
    layers beyond the one whose features are used, the projector's unused norm) stays frozen and gets no adapter.
    """
    model.requires_grad_(False)
    parameters: dict[Part, list[nn.Parameter]] = {}
    for part, how in trained.items():
        module = getattr(model.model, MODULES[part])
        unused = _unused(model) if part == "vision_tower" else re.compile(r"^ln_1\.")
        if how.lora is not None:
            names = [n for n, m in module.named_modules() if isinstance(m, nn.Linear) and not unused.search(n + ".")]
            lora = LoraConfig(
                r=how.lora.r,
                lora_alpha=how.lora.alpha,  # type: ignore[arg-type]
                lora_dropout=how.lora.dropout,
                target_modules=names,
            )
            lora._register_custom_module({nn.Linear: AdaptedLinear})
            inject_adapter_in_model(lora, module)
            found = [p for n, p in module.named_parameters() if "lora_" in n]
            for layer in lora_layers(module).values():
                layer.cast_input_dtype_enabled = False  # autocast chooses the dtype; a cast to float32 and back is lost
        else:
            found = [p for n, p in module.named_parameters() if not unused.search(n)]
            if part == "language_model":
                found += list(model.lm_head.parameters())
        parameters[part] = list(dict.fromkeys(found))  # tied embeddings are one parameter in two modules
        for parameter in parameters[part]:
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)
    return parameters


class AdaptedLinear(LoraLinear):
    """peft's layer with the factor at the other end: Wx + B(s·Ax), where peft computes Wx + s·(BAx).

    The same numbers but for rounding; r values a token are scaled instead of a whole output row, there and back.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """x: ...×in -> ...×out."""
        if args or kwargs or self.merged or self.disable_adapters or self.active_adapters != ["default"]:
            other: Tensor = super().forward(x, *args, **kwargs)
            return other
        down, up, dropout = (part["default"] for part in (self.lora_A, self.lora_B, self.lora_dropout))
        adapted: Tensor = self.base_layer(x) + up(down(dropout(x)) * self.scaling["default"])
        return adapted


def used_layers(model: SqLlavaForConditionalGeneration) -> int:
    """How many of the vision tower's layers the features pass through."""
    layer = model.config.vision_feature_layer
    return int(layer if layer >= 0 else model.config.vision_config.num_hidden_layers + 1 + layer)


def _unused(model: SqLlavaForConditionalGeneration) -> re.Pattern[str]:
    beyond = "|".join(map(str, range(used_layers(model), model.config.vision_config.num_hidden_layers)))
    final = r"^(post_layernorm|layernorm|head|pooler)\.|mask_token"
    return re.compile(rf"{final}|\blayers?\.({beyond})\." if beyond else final)


def lora_layers(module: nn.Module) -> dict[str, Any]:
    """The layers with adapters, by name."""
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, LoraLayer)}


def merged(state: dict[str, Tensor], scaling: Mapping[str, float]) -> Iterator[tuple[str, Tensor]]:
    """A state dictionary as if the adapters were folded in: W + scaling · B·A, computed in float32.

    state: of a model with adapters named "default". scaling: of each layer with adapters, by its name (as `scalings`
    gives it); weights come out in the dtype that they are stored in.
    """
    for name, weight in state.items():
        if ".lora_" in name:
            continue
        layer = name.removesuffix(".base_layer.weight")
        if layer != name:
            a, b = (state[f"{layer}.lora_{x}.default.weight"].float() for x in "AB")
            weight = (weight.float() + scaling[layer] * (b @ a).to(weight.device)).to(weight.dtype)
        yield name.replace(".base_layer.", "."), weight


def scalings(module: nn.Module) -> dict[str, float]:
    """α/r of every layer with adapters, by name."""
    return {name: float(layer.scaling["default"]) for name, layer in lora_layers(module).items()}
