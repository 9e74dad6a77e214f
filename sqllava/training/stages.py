"""From a stage of a recipe to what the loop needs: a model, an objective, the learning parameters, and the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from sqllava.conversation import template
from sqllava.errors import SqLlavaError
from sqllava.modeling import SqLlavaForConditionalGeneration
from sqllava.processing import SqLlavaProcessor
from sqllava.segments import use_segments
from sqllava.training.build import build, tokenizer_corpus
from sqllava.training.conversations import ConversationFile, TrainingDataError
from sqllava.training.dataset import StepDataset
from sqllava.training.drawing import Mixture, StepPlan
from sqllava.training.encode import Encoder
from sqllava.training.grounding import PatchWords
from sqllava.training.lora import prepare_parts
from sqllava.training.objective import ConversationObjective
from sqllava.training.pictures import PictureReader
from sqllava.training.processes import is_zero3, read_whole
from sqllava.training.recipe import Part, Recipe, Stage, StartingCheckpoint, Trained
from sqllava.training.regions import RegionLabels, RegionObjective, RegionSteps, read_regions, unit_size


@dataclass
class Prepared:
    """A stage, ready to run."""

    model: SqLlavaForConditionalGeneration
    processor: SqLlavaProcessor
    objective: Any
    """Module with `forward` (micro-batch -> sums), `counts`, `total` and `terms`."""
    trained: dict[Part, Trained]
    """Parts that learn, which in a blind control are fewer than the recipe's."""
    parameters: dict[Part, list[nn.Parameter]]
    dataset: Any
    """One `Step` for each optimizer step."""


class Corpus:
    """The conversation files of a recipe, each scanned once."""

    def __init__(self, recipe: Recipe, root: Path) -> None:
        self.root = root
        self._files: dict[tuple[str, str], ConversationFile] = {}
        for stage in recipe.stages:
            if stage.kind == "conversations":
                for entry in stage.data:
                    key = entry.file, entry.images
                    if key not in self._files:
                        self._files[key] = ConversationFile(root / entry.file, entry.images)

    def mixture(self, stage: Stage) -> Mixture:
        """All of a stage's files with their weights."""
        return Mixture([self._files[e.file, e.images] for e in stage.data], [e.weight for e in stage.data])

    def steps(self, stage: Stage, seed: int) -> int:
        """Optimizer steps of a stage."""
        return stage.steps or StepPlan(self.mixture(stage), stage, seed).steps

    def texts(self) -> Any:
        """What a new tokenizer is trained on."""
        for file in self._files.values():
            yield from tokenizer_corpus(file[i] for i in range(len(file)))


def starting_model(
    recipe: Recipe, corpus: Corpus, folder: Path | None
) -> tuple[SqLlavaForConditionalGeneration, SqLlavaProcessor]:
    """The model that a stage begins with: the recipe's own, or the finished checkpoint `folder` of the stage before."""
    torch.manual_seed(recipe.seed)
    source = recipe.model if folder is None else StartingCheckpoint(source="checkpoint", checkpoint=str(folder))
    texts = corpus.texts() if folder is None and recipe.model.source == "new" else None
    return build(source, texts, dtype=torch.bfloat16 if recipe.precision == "bf16" else torch.float32)


def prepare(recipe: Recipe, stage: Stage, folder: Path | None, corpus: Corpus, accelerator: Accelerator) -> Prepared:
    """Everything for one stage. Raises TrainingDataError, CheckpointError, TemplateError."""
    read_whole(accelerator)
    model, processor = starting_model(recipe, corpus, folder)
    for each in recipe.stages:  # the later ones too: now rather than in some hours
        if each.kind == "conversations":
            template(each.template).check(processor.tokenizer)
    torch.manual_seed(recipe.seed + 1)  # adapters start alike whether or not the model was built a moment ago
    sees = model.config.sees_images
    trained: dict[Part, Trained] = {p: how for p, how in stage.trained.items() if sees or p == "language_model"}
    parameters = prepare_parts(model, trained)
    pictures = PictureReader(corpus.root, processor) if sees else None
    share = accelerator.process_index, accelerator.num_processes
    objective: nn.Module
    if stage.kind == "regions":
        if pictures is None:
            raise TrainingDataError(f"stage {stage.name}: a model that sees no images has no regions to learn")
        if is_zero3(accelerator):
            raise SqLlavaError(f"stage {stage.name}: ZeRO 3 cannot spread a `regions` stage; use ddp or fsdp2")
        labels = _labels(model, corpus.root / stage.data[0].file)
        objective = RegionObjective(model, labels, recipe.seed)
        dataset: Any = RegionSteps(labels, pictures, stage, recipe.seed, *share)
        return Prepared(model, processor, objective, trained, parameters, dataset)
    set_execution(model, stage, compiled=recipe.compile)
    grounding = stage.grounding if sees else None
    extras = None
    if grounding is not None:
        extras = PatchWords(_labels(model, corpus.root / grounding.data), processor.tokenizer)
    looks = bool({"vision_tower", "projector"} & set(trained))
    objective = ConversationObjective(model, looks=looks, grounding_weight=grounding.weight if grounding else 0.0)
    mixture = corpus.mixture(stage)
    encoder = Encoder(
        processor, template(stage.template), sq_r=stage.sq_r, evaluation=template(model.config.conversation_template),
        evaluation_share=stage.answer_template_share, sees_images=sees, seed=recipe.seed,
        max_length=min(stage.max_length, model.config.text_config.max_position_embeddings),
    )  # fmt: skip
    plan = StepPlan(mixture, stage, recipe.seed)
    dataset = StepDataset(plan, mixture, encoder, pictures, stage, *share, extras=extras)
    return Prepared(model, processor, objective, trained, parameters, dataset)


def set_execution(model: SqLlavaForConditionalGeneration, stage: Stage, *, compiled: bool) -> None:
    """How `model` computes a `conversations` stage: attention by samples, recomputation, compiled blocks."""
    use_segments(model.model.language_model)
    if stage.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
        # Transformers makes embeddings want gradients, which only the reentrant kind needs; a frozen tower would be
        # gone through backward for nothing.
        model.disable_input_require_grads()
    if compiled:
        for block in model.model.language_model.layers:
            block.compile()


def finish(prepared: Prepared, objective: Any, stage: Stage) -> None:
    """What is left to do to the weights of the prepared `objective` once a stage is through. Every process calls it."""
    if stage.kind == "regions":
        dataset: RegionSteps = prepared.dataset
        pixels, readable = dataset.read(list(range(min(256, len(dataset.labels.images)))), [])
        unit_size(objective, prepared.model, pixels[readable].to(prepared.model.device))


def _labels(model: SqLlavaForConditionalGeneration, path: Path) -> RegionLabels:
    vision = model.config.vision_config
    return read_regions(path, side=model.config.image_size, patch=vision.patch_size)
