"""The training loop: from a recipe to a checkpoint, one stage after the other.

regions         the vision tower learns what patches show (it stands in for CLIP's pretraining)
conversations   projector and language model learn next-token prediction on supervised tokens: captions with the
                `plain` template (alignment), then conversations with `v1_sq`, in which some questions are
                supervised too (self-questioning)
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sqllava.conversation import template
from sqllava.modeling import SqLlavaForConditionalGeneration
from sqllava.processing import SqLlavaProcessor, pad_batch
from sqllava.training.build import build, tokenizer_corpus
from sqllava.training.data import Conversation, Encoded, Encoder, draw_batches, read_conversations
from sqllava.training.features import FeatureCache, load_pixels, tower_features
from sqllava.training.grounding import Grounding
from sqllava.training.recipe import Recipe, Schedule, Stage
from sqllava.training.regions import RegionHeads, read_regions, rescale_residual_stream

Log = Callable[[dict[str, Any]], None]
"""Receives what is logged: stage, step, steps, loss, and what else the stage knows."""


def train(recipe: Recipe, root: Path, log: Log) -> tuple[SqLlavaForConditionalGeneration, SqLlavaProcessor]:
    """Run every stage of `recipe` on the data under `root`.

    Raises TrainingDataError for bad data. Deterministic for a given thread count on CPU.
    """
    torch.manual_seed(recipe.seed)
    files = {s.data: read_conversations(root / s.data) for s in recipe.stages if s.kind == "conversations"}
    corpus = (text for conversations in files.values() for text in tokenizer_corpus(conversations))
    model, processor = build(recipe.model, corpus)
    images = ImageStore(root, processor)
    for stage in recipe.stages:
        if stage.kind == "regions" and recipe.model.sees_images:
            train_regions(model, stage, root, images, recipe, log)
        elif stage.kind == "conversations":
            train_conversations(model, processor, stage, files[stage.data], images, recipe, log)
    return model.eval(), processor


class ImageStore:
    """Preprocessed images of the data root, read once."""

    def __init__(self, root: Path, processor: SqLlavaProcessor) -> None:
        self.root, self._processor = root, processor
        self._names: list[str] = []
        self._pixels: Tensor | None = None

    def pixels(self, names: list[str]) -> Tensor:
        """(images, 3, S, S) for distinct names, in their order."""
        if self._pixels is None or names != self._names:
            self._names, self._pixels = names, load_pixels(self.root, names, self._processor)
        return self._pixels


def train_regions(
    model: SqLlavaForConditionalGeneration, stage: Stage, root: Path, images: ImageStore, recipe: Recipe, log: Log
) -> None:
    """Teach the vision tower to classify patches, then bring its features to unit size."""
    vision = model.config.vision_config
    labels = read_regions(root / stage.data, side=vision.image_size, patch=vision.patch_size)
    pixels = images.pixels(labels.images)
    heads = RegionHeads(vision.hidden_size, labels)
    tower = model.model.vision_tower
    order = torch.Generator().manual_seed(recipe.seed)
    with training(model, [tower], stage) as optimizer:
        for step in range(stage.steps):
            rows = torch.randint(len(pixels), (stage.batch_size,), generator=order)
            targets = {attribute: target[rows] for attribute, target in labels.targets.items()}
            features = tower_features(model, pixels[rows])
            loss = heads.loss(features, targets)
            optimizer.update(loss, step)
            if (step + 1) % recipe.log_every == 0 or step + 1 == stage.steps:
                log(_entry(stage, step, loss, **heads.accuracy(features, targets)))
    with torch.inference_mode():
        size = float(tower_features(model, pixels[:256]).pow(2).mean().sqrt())
    rescale_residual_stream(tower, 1 / size)


def train_conversations(
    model: SqLlavaForConditionalGeneration, processor: SqLlavaProcessor, stage: Stage, samples: list[Conversation],
    images: ImageStore, recipe: Recipe, log: Log,
) -> None:  # fmt: skip
    """Next-token prediction on conversations: cross-entropy, mean over the batch's supervised tokens."""
    encoder = Encoder(
        processor, template(stage.template), sq_r=stage.sq_r,
        evaluation=template(model.config.conversation_template), evaluation_share=stage.answer_template_share,
        sees_images=recipe.model.sees_images, seed=recipe.seed,
        max_length=model.config.text_config.max_position_embeddings,
    )  # fmt: skip
    cache, grounding = None, None
    if recipe.model.sees_images:
        names = sorted({s.image for s in samples if s.image is not None})
        cache = FeatureCache(model, images.pixels(names), names)
        if stage.grounding is not None:
            vision = model.config.vision_config
            labels = read_regions(images.root / stage.grounding.data, side=vision.image_size, patch=vision.patch_size)
            grounding = Grounding(labels, processor.tokenizer), stage.grounding.weight
    trained = [getattr(model.model, {"projector": "multi_modal_projector"}.get(p, p)) for p in stage.trained]
    if "language_model" in stage.trained:
        trained.append(model.lm_head)
    with training(model, trained, stage) as optimizer:
        started = time.monotonic()
        for step, batch in enumerate(_batches(samples, stage, recipe.seed, encoder)):
            loss, patches = conversation_loss(model, processor, batch, cache)
            total = loss
            if grounding is not None and patches is not None:
                total = loss + grounding[1] * grounding[0].loss(model, patches, [e.image for e in batch if e.image])
            optimizer.update(total, step)
            if (step + 1) % recipe.log_every == 0 or step + 1 == stage.steps:
                tokens = sum(len(e.ids) for e in batch)
                rate = (step + 1) / (time.monotonic() - started)
                log(_entry(stage, step, loss, steps_per_second=round(rate, 3), tokens=tokens))


def _batches(samples: list[Conversation], stage: Stage, seed: int, encoder: Encoder) -> Iterator[list[Encoded]]:
    """`stage.steps` encoded batches, epoch after epoch."""
    done, epoch = 0, 0
    while done < stage.steps:
        batches = draw_batches(samples, stage.batch_size, seed, epoch, group_by_length=stage.group_by_length)
        for indices in batches[: stage.steps - done]:
            yield [encoder(samples[i], i, epoch) for i in indices]
            done += 1
        epoch += 1


def conversation_loss(
    model: SqLlavaForConditionalGeneration, processor: SqLlavaProcessor, batch: list[Encoded],
    cache: FeatureCache | None,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Mean cross-entropy over supervised tokens, logits computed at their positions only; and the projected patches.

    Rows are padded on the right, where a causal model needs no mask: nothing that counts comes after the padding.
    """
    device = model.device
    ids = pad_batch([e.ids for e in batch], processor.pad_id, "right")["input_ids"].to(device)  # B×T
    counts = pad_batch([e.supervised for e in batch], 0, "right")["input_ids"].bool().to(device)
    embeddings = model.get_input_embeddings()(ids)
    projected = None
    names = [e.image for e in batch if e.image is not None]
    if names and cache is not None:
        projected = model.model.multi_modal_projector(cache(names))  # images×L×H
        places = (ids == model.config.image_token_index)[..., None]
        embeddings = embeddings.masked_scatter(places, projected.to(embeddings.dtype))
    hidden = model.model.language_model(inputs_embeds=embeddings, use_cache=False).last_hidden_state
    predicts = counts[:, 1:]
    return F.cross_entropy(model.lm_head(hidden[:, :-1][predicts]), ids[:, 1:][predicts]), projected


@dataclass
class Optimizer:
    """AdamW with warm-up and cosine decay over a stage."""

    adam: torch.optim.AdamW
    parameters: list[torch.nn.Parameter]
    schedule: Schedule

    def update(self, loss: Tensor, step: int) -> None:
        """One step along the clipped gradient of `loss`."""
        for group in self.adam.param_groups:
            group["lr"] = learning_rate(self.schedule, step)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, self.schedule.clip)
        self.adam.step()


def learning_rate(schedule: Schedule, step: int) -> float:
    """Linear from 0 over the warm-up, then half a cosine down to `floor` times the peak."""
    warm = max(1, round(schedule.warmup * schedule.steps))
    if step < warm:
        return schedule.learning_rate * (step + 1) / warm
    progress = (step - warm) / max(1, schedule.steps - warm)
    return schedule.learning_rate * (schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * progress)))


@contextmanager
def training(model: torch.nn.Module, trained: list[torch.nn.Module], schedule: Schedule) -> Iterator[Optimizer]:
    """Let gradients reach `trained` and nothing else, for the duration of a stage."""
    model.requires_grad_(False)
    # Tied weights (input and output embeddings) are one parameter in two modules.
    parameters = list(dict.fromkeys(p for module in trained for p in module.parameters()))
    for parameter in parameters:
        parameter.requires_grad_(True)
    model.train()
    adam = torch.optim.AdamW(
        parameters, lr=schedule.learning_rate, betas=(0.9, schedule.beta2), weight_decay=schedule.weight_decay
    )
    try:
        yield Optimizer(adam, parameters, schedule)
    finally:
        model.eval()


def _entry(stage: Stage, step: int, loss: Tensor, **more: Any) -> dict[str, Any]:
    return {"stage": stage.name, "step": step + 1, "steps": stage.steps, "loss": round(float(loss.detach()), 4), **more}
