"""What `train_step.py` sets side by side: a training step as transformers and peft do it, and as the loop here does it.

All start each step from the same weights, on the same samples. Frozen weights are held once.
"""

from __future__ import annotations

import copy
import random
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, LlamaConfig

from sqllava import SqLlavaConfig, SqLlavaForConditionalGeneration
from sqllava.training.collate import collate
from sqllava.training.dataset import Step
from sqllava.training.encode import ANSWER, QUESTION, Encoded
from sqllava.training.loop import Sums, update
from sqllava.training.lora import lora_layers, prepare_parts
from sqllava.training.objective import ConversationObjective
from sqllava.training.optimizer import build_optimizer
from sqllava.training.recipe import Stage
from sqllava.training.stages import set_execution

PAD, IMAGE, FIRST_WORD = 3, 4, 5
SAMPLES = 8


@dataclass(frozen=True)
class Size:
    """A model, and the samples it is trained on."""

    vision: tuple[int, int, int, int, int, int]
    """Width, feed-forward width, layers, heads, side of the image, side of a patch."""
    text: tuple[int, int, int, int, int]
    """Width, feed-forward width, layers, heads, vocabulary."""
    prototypes: int
    ranks: tuple[int, int]
    """Of the adapters in the language model and in the vision tower."""
    tokens: int
    """Mean length of a sample, image tokens included."""
    precision: str

    def config(self) -> SqLlavaConfig:
        """The model's configuration."""
        names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
        vision = CLIPVisionConfig(
            **dict(zip((*names, "image_size", "patch_size"), self.vision, strict=True)), hidden_act="quick_gelu"
        )
        text = LlamaConfig(
            **dict(zip((*names, "vocab_size"), self.text, strict=True)), max_position_embeddings=4096,
            initializer_range=1.28 * self.text[0] ** -0.5, bos_token_id=1, eos_token_id=2, pad_token_id=PAD,
        )  # fmt: skip
        return SqLlavaConfig(
            vision_config=vision, text_config=text, image_token_index=IMAGE, num_prototypes=self.prototypes,
            image_seq_length=(vision.image_size // vision.patch_size) ** 2, tie_word_embeddings=False,
        )  # fmt: skip

    def stage(self) -> Stage:
        """The second stage of the recipes. Without dropout, which would draw other numbers in rows than in a pack."""
        low, lower = ({"r": rank, "alpha": 2 * rank} for rank in self.ranks)
        trained = {
            "language_model": {"learning_rate": 2e-4, "lora": low},
            "vision_tower": {"learning_rate": 2e-5, "lora": lower},
            "projector": {"learning_rate": 2e-5},
        }
        return Stage.model_validate(
            {"name": "step", "kind": "conversations", "data": "none", "trained": trained, "steps": 1,
             "batch_size": SAMPLES, "gradient_checkpointing": True}
        )  # fmt: skip


SIZES = {
    "tiny": Size((32, 48, 3, 2, 24, 8), (48, 64, 2, 4, 300), 5, (4, 2), 30, "fp32"),
    "small": Size((128, 512, 4, 4, 120, 12), (256, 688, 6, 4, 4096), 16, (8, 4), 148, "fp32"),
    "7b": Size((1024, 4096, 24, 16, 336, 14), (4096, 11008, 32, 32, 32000), 256, (128, 64), 850, "bf16"),
}


@dataclass(frozen=True)
class Samples:
    """The samples of one step."""

    encoded: list[Encoded]
    pictures: list[Tensor]

    @property
    def lengths(self) -> list[int]:
        """Tokens of each sample."""
        return [len(sample.ids) for sample in self.encoded]

    def batch(self, *, packing: bool) -> dict[str, Tensor]:
        """As the loop's data loader hands them over."""
        return collate(self.encoded, self.pictures, packing=packing, pad_id=PAD)


def draw(config: SqLlavaConfig, lengths: list[int], seed: int) -> Samples:
    """Random samples: an image, then text, of which an answer, a learnt question or neither takes eight tokens each."""
    rng, encoded = random.Random(seed), []
    for length in lengths:
        words = length - config.image_seq_length
        kinds = [kind for _ in range(0, words, 8) for kind in [rng.choice((0, ANSWER, QUESTION))] * 8][:words]
        text = [rng.randrange(FIRST_WORD, config.text_config.vocab_size) for _ in range(words)]
        ids = [IMAGE] * config.image_seq_length + text
        encoded.append(Encoded(ids, [0] * config.image_seq_length + kinds, "drawn"))
    generator = torch.Generator().manual_seed(seed)
    side = config.image_size
    return Samples(encoded, [torch.randn(3, side, side, generator=generator) for _ in lengths])


def base_model(size: Size, device: str) -> SqLlavaForConditionalGeneration:
    """Random weights, drawn where they stay."""
    torch.manual_seed(0)
    with torch.device(device):
        made = SqLlavaForConditionalGeneration._from_config(
            size.config(), dtype=torch.bfloat16 if size.precision == "bf16" else torch.float32
        )
    return made.train()  # type: ignore[no-any-return]


def copied(base: SqLlavaForConditionalGeneration) -> SqLlavaForConditionalGeneration:
    """A model on the same frozen weights, with a projector of its own."""
    shared = {id(p): p for name, p in base.named_parameters() if "multi_modal_projector" not in name}
    made = copy.deepcopy(base, shared)
    made.model.multi_modal_projector.float()
    return made


def draw_adapters(model: nn.Module) -> None:
    """Alike in every model, and none of them zero, so that they matter to the loss from the first step on."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_" in name:
                parameter.normal_(std=0.5 * parameter.shape[1] ** -0.5)


class EveryLogit(ConversationObjective):
    """The loop's objective, but for logits of all tokens, of which the supervised ones are then chosen."""

    def _token_losses(self, hidden: Tensor, ids: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.model.lm_head(hidden[:, :-1]).float().flatten(0, 1)
        losses = F.cross_entropy(logits, ids[:, 1:].flatten(), reduction="none")
        return losses[predicted.flatten() > 0], predicted[predicted > 0]


class Contender(ABC):
    """One way of doing a step."""

    def __init__(self, model: nn.Module, stage: Stage, accelerator: Accelerator) -> None:
        self.stage, self.accelerator = stage, accelerator
        self.learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer: Any = None

    @abstractmethod
    def batch(self, samples: Samples) -> Any:
        """What `step` takes."""

    @abstractmethod
    def step(self, batch: Any) -> tuple[float, float]:
        """Forward, backward, optimizer; gives the loss and the norm of its gradient."""

    def reset(self, weights: list[Tensor]) -> None:
        """Start again from `weights`, with an optimizer that has seen nothing."""
        with torch.no_grad():
            torch._foreach_copy_(self.learning, weights)
        for moments in self.optimizer.state.values():
            for tensor in moments.values():
                tensor.zero_()


class Ours(Contender):
    """A step of the training loop."""

    def __init__(
        self, base: SqLlavaForConditionalGeneration, stage: Stage, accelerator: Accelerator, *, packing: bool,
        objective: type[ConversationObjective] = ConversationObjective, compiled: bool = False,
    ) -> None:  # fmt: skip
        model = copied(base)
        parameters = prepare_parts(model, stage.trained)
        draw_adapters(model)
        set_execution(model, stage, compiled=compiled)
        super().__init__(model, stage, accelerator)
        self.packing, self.plain = packing, objective(model, looks=True)
        self.objective, self.optimizer = accelerator.prepare(self.plain, build_optimizer(parameters, stage))

    def batch(self, samples: Samples) -> Step:
        return Step(0, [samples.batch(packing=self.packing)])

    def step(self, batch: Step) -> tuple[float, float]:
        counts = torch.tensor(self.plain.counts(batch.micro_batches[0]), device=self.accelerator.device)
        sums = Sums(self.plain, {}, self.accelerator)
        norm = update(self.accelerator, self.objective, self.optimizer, batch, counts, sums, self.stage)
        return sums.flush()["loss"], float(norm)


class Peer(Contender):
    """A step with transformers and peft alone: rows, an attention mask, `labels`, adapters as peft makes them."""

    def __init__(self, base: SqLlavaForConditionalGeneration, stage: Stage, accelerator: Accelerator) -> None:
        self.model = copied(base)
        parameters = prepare_parts(self.model, stage.trained)
        for layer in lora_layers(self.model).values():
            layer.__class__, layer.cast_input_dtype_enabled = LoraLinear, True  # undoes what the loop changes in peft
        draw_adapters(self.model)
        self.model.set_attn_implementation("sdpa")
        self.model.activation_checkpointing_enable()
        super().__init__(self.model, stage, accelerator)
        groups = [{"params": found, "lr": stage.trained[part].learning_rate} for part, found in parameters.items()]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, stage.beta2), weight_decay=stage.weight_decay)

    def batch(self, samples: Samples) -> dict[str, Tensor]:
        rows = samples.batch(packing=False)
        ids, width = rows["input_ids"], rows["input_ids"].shape[1]
        return {
            "input_ids": ids,
            "attention_mask": (torch.arange(width) < torch.tensor(samples.lengths)[:, None]).long(),
            "labels": torch.where(rows["kinds"] > 0, ids, -100),
            "pixel_values": rows["pixel_values"],
        }

    def step(self, batch: dict[str, Tensor]) -> tuple[float, float]:
        moved = {name: tensor.to(self.accelerator.device, non_blocking=True) for name, tensor in batch.items()}
        with self.accelerator.autocast():
            loss = self.model(**moved, use_cache=False).loss
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.learning, self.stage.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(loss.detach()), float(norm)
