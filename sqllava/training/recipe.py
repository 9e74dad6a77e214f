"""Recipes: everything a training run depends on, in one short YAML file.

Unknown keys, wrong types and impossible combinations are errors that name the key; nothing is guessed.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from sqllava.conversation import TEMPLATES

Positive = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Part = Literal["vision_tower", "projector", "language_model"]
Precision = Literal["bf16", "fp32"]


def _known_template(name: str) -> str:
    if name not in TEMPLATES:
        raise ValueError(f"unknown template {name!r}; known: {', '.join(TEMPLATES)}")
    return name


TemplateName = Annotated[str, BeforeValidator(_known_template)]


class Strict(BaseModel):
    """Unknown keys are errors; values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Projector(Strict):
    """The module between tower and language model, drawn at random."""

    type: Literal["cluster", "mlp2x_gelu"] = "cluster"
    num_prototypes: Positive = 256
    num_iterations: Positive = 2


class NewModel(Strict):
    """A model built from nothing. `vision` and `text` are keys of transformers' CLIP and LLaMA configurations."""

    source: Literal["new"]
    vision: dict[str, Any]
    text: dict[str, Any]
    projector: Projector = Projector()
    vision_feature_layer: int = -1
    vocab_size: Positive
    template: TemplateName = "v1"
    """Template that benchmark questions are asked with, once the model is trained."""
    sees_images: bool = True
    """False trains the blind control: same recipe, images withheld."""


class PretrainedParts(Strict):
    """A pretrained language model and vision tower joined by a new projector. Both are folders or hub ids."""

    source: Literal["parts"]
    language_model: str
    vision_tower: str
    projector: Projector = Projector()
    vision_feature_layer: int = -2
    template: TemplateName = "v1"
    image_aspect_ratio: Literal["pad", "crop"] = "pad"
    sees_images: bool = True


class StartingCheckpoint(Strict):
    """A whole checkpoint: packaged name, folder, adapter folder, or hub id; what `sqllava.load` takes."""

    source: Literal["checkpoint"]
    checkpoint: str

    @property
    def sees_images(self) -> bool:
        """The checkpoint's own configuration decides."""
        return True


Model = Annotated[NewModel | PretrainedParts | StartingCheckpoint, Field(discriminator="source")]


class Lora(Strict):
    """Low-rank adapters in every Linear of a part."""

    r: Positive
    alpha: PositiveFloat
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Trained(Strict):
    """How one part learns: through adapters, or in full."""

    learning_rate: PositiveFloat
    lora: Lora | None = None


class DataFile(Strict):
    """One file of LLaVA conversations (JSON list or JSON Lines)."""

    file: str
    """Path under the data root."""
    images: str = ""
    """Folder under the data root that the samples' image paths start from."""
    weight: PositiveFloat = 1.0
    """Readings of each sample per epoch: 2 reads all twice, 0.25 a quarter of them, another one each epoch."""

    @model_validator(mode="after")
    def _inside(self) -> DataFile:
        for path in (self.file, self.images):
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise ValueError(f"{path}: expected a path inside the data root")
        return self


def _data_files(value: Any) -> Any:
    """A single file may be written as its name."""
    listed = value if isinstance(value, list | tuple) else [value]
    return [{"file": entry} if isinstance(entry, str) else entry for entry in listed]


class Grounding(Strict):
    """The auxiliary loss of `sqllava.training.grounding`."""

    data: str
    """Region labels under the data root."""
    weight: PositiveFloat


class Stage(Strict):
    """One stage of training: what learns from which data, and how it is optimised (AdamW, warm-up, cosine)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    kind: Literal["regions", "conversations"]
    """`regions`: the vision tower alone learns what each patch shows. `conversations`: next-token prediction."""
    data: Annotated[tuple[DataFile, ...], BeforeValidator(_data_files), Field(min_length=1)]
    trained: Annotated[dict[Part, Trained], Field(min_length=1)]
    template: TemplateName = "v1_sq"
    sq_r: Share = 0.5
    """Probability that a turn after the first is asked by the model itself (templates with a virtual user)."""
    answer_template_share: Share = 0.0
    """Share of samples rendered with the evaluation template, without self-questioning."""
    grounding: Grounding | None = None
    max_length: Positive = 2048
    """Tokens of a sample, image tokens included; longer ones are cut on the right."""

    steps: Positive | None = None
    epochs: PositiveFloat | None = None
    batch_size: Positive
    """Samples an optimizer step, over all processes and accumulation."""
    micro_batch_size: Positive | None = None
    """Samples a process computes at once; None: its whole share of the batch."""
    packing: bool = True
    """Samples laid end to end, attending within themselves only; False: rows padded to the longest."""
    group_by_length: bool = True
    """Batches of one modality and similar lengths, as the release draws them in stage 2."""
    gradient_checkpointing: bool = False

    warmup: Share = 0.03
    """Share of the steps in which the learning rates rise to their peaks."""
    floor: Share = 0.0
    """Share of the peak that is left at the end."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    beta2: Share = 0.999
    clip: PositiveFloat = 1.0
    """Largest gradient norm."""

    @model_validator(mode="after")
    def _possible(self) -> Stage:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give steps or epochs, one of the two")
        if self.micro_batch_size is not None and self.batch_size % self.micro_batch_size:
            raise ValueError(f"micro_batch_size: {self.micro_batch_size} does not divide batch_size {self.batch_size}")
        if self.kind == "regions":
            if tuple(self.trained) != ("vision_tower",) or self.trained["vision_tower"].lora:
                raise ValueError("trained: a `regions` stage trains the vision_tower in full and nothing else")
            if self.grounding is not None:
                raise ValueError("grounding: only `conversations` stages have projected patches to ground")
            if len(self.data) != 1 or self.steps is None:
                raise ValueError("a `regions` stage takes one data file and a number of steps")
        if "projector" in self.trained and self.trained["projector"].lora:
            raise ValueError("trained.projector.lora: the projector is small; it is trained in full")
        return self


class Evaluation(Strict):
    """Benchmarks that are run while training goes on; the checkpoint with the best `metric` is kept."""

    every: Positive
    """Steps."""
    tasks: Annotated[tuple[str, ...], Field(min_length=1)]
    data: str = "mini"
    limit: Positive | None = None
    metric: str | None = None
    """Task whose primary metric decides; None: the first."""


class Recipe(Strict):
    """A whole training run."""

    name: str
    seed: int = 0
    data: str
    """Data root: ``mini`` (generated on first use) or a folder."""
    model: Model
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    precision: Precision = "fp32"
    """bf16: frozen weights and matrix products in bfloat16, trained weights and their sums in float32."""
    save_dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the weights in the finished checkpoint."""
    merge: bool = True
    """Whether adapters are folded into the finished checkpoint's weights; False writes an adapter folder."""
    compile: bool = False
    """Compile the language model's blocks."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Data loading processes for each training process; 0 loads in the training process."""
    bad_samples: Annotated[int, Field(ge=0)] = 0
    """Samples with a missing or broken image that are skipped before training stops with an error."""
    log_every: Positive = 50
    save_every: Positive | None = None
    """Steps between resumable checkpoints; None: only at the end of a stage."""
    keep: Positive = 2
    """Resumable checkpoints that are kept."""
    evaluation: Evaluation | None = None
    trackers: tuple[str, ...] = ()
    """Experiment trackers that Accelerate knows (tensorboard, trackio, wandb, ...), beside train.jsonl."""

    @model_validator(mode="after")
    def _possible(self) -> Recipe:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError("stages: two stages have the same name")
        metric = self.evaluation and self.evaluation.metric
        if self.evaluation and metric and metric not in self.evaluation.tasks:
            raise ValueError(f"evaluation.metric: {metric!r} is not one of its tasks")
        if not self.merge and (len(self.stages) > 1 or self.model.source != "checkpoint"):
            raise ValueError("merge: false needs a single stage that starts from a checkpoint, the adapters' base")
        if not self.merge and not any(how.lora for how in self.stages[0].trained.values()):
            raise ValueError("merge: false has no adapters to keep; no part is trained with lora")
        return self
