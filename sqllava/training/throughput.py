"""How fast a stage runs, and how much of the accelerator's speed and memory it uses."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from sqllava.config import SqLlavaConfig
from sqllava.training.dataset import Step
from sqllava.training.flops import step_flops
from sqllava.training.recipe import Part, Trained

GIB = 2**30

PEAK_FLOPS = {
    "NVIDIA A100-PCIE-40GB": 312e12,
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100 80GB PCIe": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A40": 149.7e12,
    "NVIDIA B200": 2250e12,
    "NVIDIA GeForce RTX 3090": 71e12,
    "NVIDIA GeForce RTX 4090": 165.2e12,
    "NVIDIA GH200 480GB": 989e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H100 NVL": 835e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H200": 989e12,
    "NVIDIA L4": 121e12,
    "NVIDIA L40S": 362e12,
    "NVIDIA RTX 6000 Ada Generation": 364.2e12,
    "NVIDIA RTX A6000": 154.8e12,
}
"""Dense bfloat16 matrix products a second, with sums in float32, by the name that the driver gives the card. From the
manufacturer's data sheets and architecture papers; figures given there "with sparsity" are halved."""


def peak_flops(device: torch.device) -> float | None:
    """Dense bfloat16 FLOP/s that the device's data sheet promises; None if unknown, as for any CPU."""
    return PEAK_FLOPS.get(torch.cuda.get_device_name(device)) if device.type == "cuda" else None


def peak_memory(device: torch.device) -> float | None:
    """Most memory in use so far, in GiB: tensors on a CUDA device, the whole process on the CPU; None elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    if device.type != "cpu":
        return None
    import resource

    kept = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kept * (1 if sys.platform == "darwin" else 1024) / GIB


class Meter:
    """Adds up what the steps of a stage hold until `flush`, which every process must call at the same step.

    `config` is the model's, `trained` the stage's; `pad_id` fills rows that are not packed. Batches are read where they
    are: hand them over before they go to a device, or each read waits for it.
    """

    def __init__(
        self, config: SqLlavaConfig, trained: Mapping[Part, Trained], accelerator: Any, *, pad_id: int
    ) -> None:
        self.config, self.trained, self.accelerator, self.pad_id = config, trained, accelerator, pad_id
        self._restart()

    def _restart(self) -> None:
        self._tokens = self._slots = self._images = 0
        self._flops = 0.0
        self._began = time.monotonic()

    def step(self, step: Step) -> None:
        """Count this process's share of a step."""
        for batch in step.micro_batches:
            lengths, slots, supervised = contents(batch, self.pad_id)
            images = len(batch["pixel_values"]) if "pixel_values" in batch else 0
            self._tokens += sum(lengths)
            self._slots += slots
            self._images += images
            self._flops += step_flops(self.config, lengths, images, supervised, self.trained)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time inside the block (an evaluation, a checkpoint) does not count."""
        began = time.monotonic()
        yield
        self._began += time.monotonic() - began

    def flush(self) -> dict[str, float]:
        """What was measured since the last time, over all processes.

        tokens_per_second   without padding; only if there were tokens
        images_per_second   only if there were images
        padding             share of padding among the tokens computed; only if there were tokens
        mfu                 model FLOPs utilisation, 0..1: useful FLOPs (`step_flops`) of what `peak_flops` allows
        memory_gb           GiB, of the process that took most (`peak_memory`)
        """
        device = self.accelerator.device
        seconds = max(time.monotonic() - self._began, 1e-9)
        memory, peak = peak_memory(device), peak_flops(device)
        mine = [self._tokens, self._slots, self._images, self._flops, memory or 0.0]
        gathered = self.accelerator.gather(torch.tensor([mine], dtype=torch.float32, device=device)).double()
        tokens, slots, images, flops, _ = gathered.sum(0).tolist()
        rates: dict[str, float] = {}
        if slots:
            rates |= {"tokens_per_second": round(tokens / seconds, 1), "padding": round(1 - tokens / slots, 4)}
        if images:
            rates["images_per_second"] = round(images / seconds, 2)
        if peak is not None:
            rates["mfu"] = round(flops / (seconds * peak * len(gathered)), 4)
        if memory is not None:
            rates["memory_gb"] = round(float(gathered[:, 4].max()), 2)
        self._restart()
        return rates


def contents(batch: Mapping[str, Tensor], pad_id: int) -> tuple[list[int], int, int]:
    """Of a micro-batch of `collate`: tokens of each sample, tokens computed with padding, and tokens predicted."""
    if "input_ids" not in batch:
        return [], 0, 0
    ids = batch["input_ids"]
    supervised = int(((batch["kinds"][:, 1:] > 0) & (batch["position_ids"][:, 1:] > 0)).sum())
    if "lengths" in batch:
        lengths = batch["lengths"]
    else:
        padding = ids.eq(pad_id) & batch["kinds"].eq(0)
        lengths = ids.shape[1] - padding.flip(1).long().cumprod(1).sum(1)  # the run of padding at a row's end
    return lengths.tolist(), ids.numel(), supervised
