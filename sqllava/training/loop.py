"""The training loop of one stage, on Accelerate.

A step: read the samples that belong to it, agree with the other processes on how many tokens are supervised, run the
micro-batches forward and backward, clip, update. What is read, the learning rates and dropout are functions of the
step's number, so that a resumed run and an uninterrupted one go through the same numbers.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from sqllava.errors import SqLlavaError
from sqllava.segments import ordinary_attention
from sqllava.training.conversations import TrainingDataError
from sqllava.training.dataset import Step, loader
from sqllava.training.journal import Journal
from sqllava.training.optimizer import build_optimizer, schedule, set_learning_rates
from sqllava.training.output import Output, write_checkpoint
from sqllava.training.processes import configure, whole_model
from sqllava.training.recipe import Recipe, Stage
from sqllava.training.stages import Prepared
from sqllava.training.state import Position, restore, save_state
from sqllava.training.throughput import Meter

Evaluate = Callable[[Any, Any, str], dict[str, float]]
"""Model, processor and a name for the moment -> primary metric of each task, 0..1 or the metric's own scale."""


class StoppedError(Exception):
    """The run was asked to stop (SIGTERM); its state is saved."""


class StopSignal:
    """Remembers that SIGTERM came, for the loop to see between two steps."""

    def __init__(self) -> None:
        self.came = False
        self.agreed = False
        """Some process has seen it, and all know."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch the signal inside the block."""
        before = signal.signal(signal.SIGTERM, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _note(self, *_: object) -> None:
        self.came = True


@dataclass
class Run:
    """What every stage of a run shares."""

    recipe: Recipe
    output: Output
    out: Path
    accelerator: Accelerator
    journal: Journal
    evaluate: Evaluate | None = None
    stop: StopSignal = field(default_factory=StopSignal)

    @property
    def stages(self) -> list[str]:
        """Names in order."""
        return [stage.name for stage in self.recipe.stages]


def train_stage(run: Run, number: int, prepared: Prepared, position: Position, checkpoint: Path | None) -> Any:
    """Do what is left of stage `number` after `position`, whose state is in `checkpoint`; gives the objective.

    Raises StoppedError, TrainingDataError for too many bad samples, SqLlavaError for a loss that is no number.
    """
    recipe, stage, accelerator = run.recipe, run.recipe.stages[number], run.accelerator
    configure(accelerator, stage)
    objective, optimizer = accelerator.prepare(prepared.objective, build_optimizer(prepared.parameters, stage))
    if checkpoint is not None:
        restore(checkpoint, objective, optimizer, accelerator)
    steps = len(prepared.dataset)
    sums = Sums(prepared.objective, position.since_log, accelerator)
    meter = Meter(prepared.model.config, prepared.trained, accelerator, pad_id=prepared.processor.pad_id)
    batches = iter(loader(prepared.dataset, position.step, recipe.workers))
    objective.train()
    for step in range(position.step, steps):
        rates = set_learning_rates(optimizer, stage, schedule(stage, step, steps))
        torch.manual_seed(_dropout_seed(recipe.seed, number, step, accelerator.process_index))
        batch = next(batches)
        counts = _agree(run, prepared, batch, position)
        norm = _update(accelerator, objective, optimizer, batch, counts, sums, stage)
        position.step = step + 1
        meter.step(batch)
        last = position.step == steps
        if last or position.step % recipe.log_every == 0:
            _log(
                run, stage, steps, position, {**sums.flush(), "lr": rates, "grad_norm": _rounded(norm), **meter.flush()}
            )
        every = recipe.evaluation.every if recipe.evaluation and stage.kind == "conversations" else 0
        if every and (last or position.step % every == 0):
            with meter.paused():
                _evaluate(run, objective, prepared, position)
        if not last and (run.stop.agreed or (recipe.save_every and position.step % recipe.save_every == 0)):
            position.since_log = sums.kept()
            with meter.paused():
                save_state(run.out, position, run.stages, objective, optimizer, accelerator, recipe.keep)
            if run.stop.agreed:
                raise StoppedError
    return objective


def _dropout_seed(seed: int, stage: int, step: int, process: int) -> int:
    """Dropout is drawn anew from this at each step: resuming, or evaluating in between, leaves it as it was."""
    return (((seed + 1) * 64 + stage) * 10_000_000 + step) * 4096 + process


def _agree(run: Run, prepared: Prepared, batch: Step, position: Position) -> Tensor:
    """What the step's losses are divided by, summed over processes; and whether somebody was told to stop."""
    counts = [sum(column) for column in zip(*map(prepared.objective.counts, batch.micro_batches), strict=True)]
    told = torch.tensor([*counts, len(batch.bad), run.stop.came], dtype=torch.float32, device=run.accelerator.device)
    *_, bad, stop = (agreed := run.accelerator.reduce(told, "sum")).tolist()
    run.stop.agreed = run.stop.agreed or stop > 0
    messages = gather_object(batch.bad) if bad else []
    for message in messages:
        run.journal.event("bad sample", stage=position.stage, step=position.step, message=message)
    position.bad_samples += len(messages)
    if position.bad_samples > run.recipe.bad_samples:
        raise TrainingDataError(
            f"stage {position.stage}: {position.bad_samples} samples with missing or broken images, the recipe's "
            f"bad_samples allows {run.recipe.bad_samples}; the last: {messages[-1]}"
        )
    whole: Tensor = agreed[:-2]
    return whole


def _update(
    accelerator: Accelerator, objective: Any, optimizer: Any, batch: Step, counts: Tensor, sums: Sums, stage: Stage
) -> Any:
    """Forward and backward through the micro-batches, then one step of the optimizer; gives the gradient norm."""
    for i, micro in enumerate(batch.micro_batches):
        last = i + 1 == len(batch.micro_batches)
        accelerator.sync_gradients = last
        # FSDP sums up gradients at each micro-batch: whole ones, kept for later, are what it is there to avoid.
        with nullcontext() if last or accelerator.is_fsdp2 else accelerator.no_sync(objective):
            found = objective(on_device(micro, accelerator.device))
            # Processes' gradients are averaged, and the loss is a sum over all of them.
            loss = sums.objective.total(found, counts) * accelerator.num_processes
            accelerator.backward(loss)
        sums.add(found.detach())
    sums.divide(counts)
    norm = accelerator.clip_grad_norm_([p for p in objective.parameters() if p.requires_grad], stage.clip)
    optimizer.step()
    optimizer.zero_grad()
    return norm


def on_device(micro: dict[str, Tensor], device: torch.device) -> dict[str, Any]:
    """A micro-batch as objectives take it: tensors on the device, lengths as a list."""
    moved: dict[str, Any] = {name: tensor.to(device, non_blocking=True) for name, tensor in micro.items()}
    if "lengths" in micro:
        moved["lengths"] = micro["lengths"].tolist()
    return moved


class Sums:
    """Losses since the last logged step, as sums and counts for each of the objective's terms."""

    def __init__(self, objective: Any, kept: dict[str, list[float]], accelerator: Accelerator) -> None:
        self.objective, self._accelerator = objective, accelerator
        zero = [0.0] * len(objective.terms)
        self._share = accelerator.is_main_process  # what was kept is counted once
        self._sums = torch.tensor(kept.get("sums", zero) if self._share else zero, device=accelerator.device)
        self._counts = torch.tensor(kept.get("counts", zero), device=accelerator.device)

    def add(self, sums: Tensor) -> None:
        """Losses of a micro-batch of this process."""
        self._sums += sums

    def divide(self, counts: Tensor) -> None:
        """Counts of a step, over all processes."""
        self._counts += counts

    def kept(self) -> dict[str, list[float]]:
        """For a checkpoint. Every process must call it."""
        return {"sums": self._whole().tolist(), "counts": self._counts.tolist()}

    def flush(self) -> dict[str, float]:
        """The loss and its terms, means over the steps; then begins anew. Every process must call it."""
        sums, counts = self._whole(), self._counts.clone()
        self._sums.zero_()
        self._counts.zero_()
        terms = zip(self.objective.terms, sums.tolist(), counts.tolist(), strict=True)
        told = {"loss": float(self.objective.total(sums, counts))}
        if len(self.objective.terms) > 1:
            told |= {f"loss_{term}": value / count for term, value, count in terms if count}
        return told

    def _whole(self) -> Tensor:
        whole: Tensor = self._accelerator.reduce(self._sums.clone(), "sum")
        return whole


def _log(run: Run, stage: Stage, steps: int, position: Position, entry: dict[str, Any]) -> None:
    if not math.isfinite(entry["loss"]):
        raise SqLlavaError(
            f"stage {stage.name}, step {position.step}: the loss is {entry['loss']}; lower the learning rates or train "
            "in fp32; the last checkpoint is untouched"
        )
    bad = {"bad_samples": position.bad_samples} if position.bad_samples else {}
    run.journal.log({"stage": stage.name, "step": position.step, "steps": steps, **entry, **bad})


def _rounded(norm: Any) -> float | None:
    """The gradient norm for the log; DeepSpeed has none to give at this point."""
    if norm is None:
        return None
    whole = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
    return round(float(whole), 5)


def _evaluate(run: Run, objective: Any, prepared: Prepared, position: Position) -> None:
    """Run the recipe's tasks on the main process and keep the best checkpoint."""
    plan = run.recipe.evaluation
    assert plan is not None
    found: dict[str, float] = {}
    model = whole_model(run.accelerator, objective, prepared.model)
    if run.accelerator.is_main_process and model is not None and run.evaluate is not None:
        model.eval()
        with ordinary_attention(model.model.language_model), run.accelerator.autocast():
            found = run.evaluate(model, prepared.processor, f"{position.stage}-{position.step:07d}")
        objective.train()
        run.journal.event("evaluation", stage=position.stage, step=position.step, tasks=found)
    value = torch.tensor([found.get(plan.metric or plan.tasks[0], 0.0)], device=run.accelerator.device)
    deciding = float(run.accelerator.reduce(value, "sum"))
    if position.best is None or deciding > position.best:
        position.best = deciding
        write_checkpoint(run.out / "best", objective, prepared.processor, run.accelerator, run.output)
