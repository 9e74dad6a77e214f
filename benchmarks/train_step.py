"""What a training step costs, against the same step written with transformers and peft alone.

Every row does every step from the same weights and on the same samples, and must come to the same loss and the same
gradient norm; if not, the exit code is 1. Rows take turns, so that whatever else the machine does slows all of them:
read the ratios. The second table lets one sample of a step grow at the others' expense. The tokens stay as many; only
padding grows.

    python benchmarks/train_step.py                                    # a small model; about a minute on two free cores
    python benchmarks/train_step.py --device cuda --size 7b --compile  # random weights, for a GPU with 80 GB
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from training_peers import PAD, SAMPLES, SIZES, Contender, EveryLogit, Ours, Peer, Samples, Size, base_model, draw

from sqllava.training.flops import step_flops
from sqllava.training.recipe import Stage
from sqllava.training.throughput import GIB, contents, peak_flops

PEER, PACKED = "transformers + peft", "ours, packed"
SPREAD = 0.18
"""Lengths in the first table lie so far around their mean at most."""
LONGEST = (1.0, 1.6, 2.4)
"""Length of the longest sample in the second table, in means."""
WARM_UP = 1
TOLERANCE = {"fp32": 1e-5, "bf16": 1e-2}
"""Largest relative difference of losses and of gradient norms, by precision."""

Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "processor": time.process_time}


@dataclass
class Measured:
    """Of one variant."""

    seconds: NDArray[np.float64]
    """Rounds × cases."""
    results: list[tuple[float, float]] = field(default_factory=list)
    """Loss and gradient norm of every step in order."""
    memory: float | None = None
    """GiB that a step takes at most on top of weights and optimizer, if known."""


def measure(
    variants: Mapping[str, Contender], cases: Sequence[Samples], rounds: int, device: torch.device, clock: Clock
) -> dict[str, Measured]:
    """Every variant's step on every case, in turns; the first rounds warm up and are not timed."""
    found = {name: Measured(np.zeros((rounds, len(cases)))) for name in variants}
    batches = {name: [variant.batch(case) for case in cases] for name, variant in variants.items()}
    weights = [parameter.detach().clone() for parameter in variants[PEER].learning]
    for number in range(-WARM_UP, rounds):
        for case in range(len(cases)):
            for name, variant in variants.items():
                variant.reset(weights)
                resident = _start(device)
                began = clock()
                found[name].results.append(variant.step(batches[name][case]))
                used = _finish(device, resident)
                if number >= 0:
                    found[name].seconds[number, case] = clock() - began
                    found[name].memory = used and max(used, found[name].memory or 0.0)
    return found


def _start(device: torch.device) -> int:
    """Bytes on the device before a step."""
    if device.type != "cuda":
        return 0
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def _finish(device: torch.device, resident: int) -> float | None:
    """GiB that were taken at most since then."""
    if device.type != "cuda":
        return None
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - resident) / GIB


def build(size: Size, stage: Stage, accelerator: Accelerator, *, compiled: bool) -> dict[str, Contender]:
    """The rows of the first table."""
    base = base_model(size, str(accelerator.device))
    made: dict[str, Contender] = {
        PEER: Peer(base, stage, accelerator),
        "ours, padded rows, every logit": Ours(base, stage, accelerator, packing=False, objective=EveryLogit),
        "ours, padded rows": Ours(base, stage, accelerator, packing=False),
        PACKED: Ours(base, stage, accelerator, packing=True),
    }
    if compiled:
        made[f"{PACKED}, compiled"] = Ours(base, stage, accelerator, packing=True, compiled=True)
    return made


def steps_table(found: Mapping[str, Measured], cases: Sequence[Samples], size: Size, device: torch.device) -> Table:
    """Speed, memory, use of the hardware and loss."""
    config, trained, peak = size.config(), size.stage().trained, peak_flops(device)
    tokens = sum(sum(case.lengths) for case in cases)
    predicted = [contents(case.batch(packing=True), PAD)[2] for case in cases]
    flops = sum(
        step_flops(config, case.lengths, len(case.pictures), count, trained)
        for case, count in zip(cases, predicted, strict=True)
    )
    slots = sum(SAMPLES * max(case.lengths) for case in cases)
    table = Table(
        title=f"{SAMPLES} samples a step, {tokens / len(cases):.0f} tokens ({sum(predicted) / tokens:.0%} supervised); "
        f"rows would be {1 - tokens / slots:.0%} padding"
    )
    table.add_column("step")
    speed = ("real tokens/s", "× peer", "useful GFLOP/s", "MFU", "GiB a step")
    for name in (*speed, "loss", "gradient norm", "apart from peer"):
        table.add_column(name, justify="right")
    peer = found[PEER].seconds.sum(1)
    for name, one in found.items():
        seconds = one.seconds.sum(1)
        rate = flops / float(np.median(seconds))
        table.add_row(
            name, f"{tokens / np.median(seconds):,.0f}", f"{np.median(peer / seconds):.2f}", f"{rate / 1e9:,.0f}",
            f"{rate / peak:.1%}" if peak else "-", "-" if one.memory is None else f"{one.memory:.1f}",
            *(f"{value:.5f}" for value in one.results[0]), f"{apart(one, found[PEER]):.0e}",
        )  # fmt: skip
    return table


def padding_table(found: Mapping[str, Measured], cases: Sequence[Samples]) -> Table:
    """How the time of a step grows with padding."""
    table = Table(title=f"One sample grows, {sum(cases[0].lengths)} tokens in all")
    for name in ("longest", "padding in rows", f"{PEER}: ms", "× no padding", f"{PACKED}: ms", "× no padding"):
        table.add_column(name, justify="right")
    for number, case in enumerate(cases):
        row = [str(max(case.lengths)), f"{1 - sum(case.lengths) / (SAMPLES * max(case.lengths)):.0%}"]
        for one in found.values():
            seconds = one.seconds
            row += [f"{1000 * np.median(seconds[:, number]):.0f}"]
            row += [f"{np.median(seconds[:, number] / seconds[:, 0]):.2f}"]
        table.add_row(*row)
    return table


def apart(one: Measured, peer: Measured) -> float:
    """Largest relative difference of two variants' losses or gradient norms."""
    mine, other = np.array(one.results), np.array(peer.results)
    return float((np.abs(mine - other) / np.abs(other)).max())


def similar(size: Size, seed: int) -> Samples:
    """Samples of about the mean length."""
    rng = random.Random(seed)
    lengths = [round(size.tokens * (1 + rng.uniform(-SPREAD, SPREAD))) for _ in range(SAMPLES)]
    return draw(size.config(), lengths, seed)


def uneven(size: Size, longest: float) -> Samples:
    """As many tokens as samples of the mean length have, but in one sample of `longest` means and in short ones."""
    first, others = round(longest * size.tokens), SAMPLES - 1
    short, extra = divmod(SAMPLES * size.tokens - first, others)
    return draw(size.config(), [first] + [short + (number < extra) for number in range(others)], seed=0)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=5, help="of which medians are taken")
    parser.add_argument("--precision", choices=TOLERANCE, help="the size's own if not given")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="processor: time that threads were busy, on a shared CPU"
    )
    parser.add_argument("--compile", action="store_true", help="one more row, with compiled blocks")
    args = parser.parse_args(arguments)
    if args.device == "cuda" and (args.clock == "processor" or not torch.cuda.is_available()):
        parser.error("--device cuda needs a GPU, and the wall clock")

    size, console = SIZES[args.size], Console(width=150)
    size = replace(size, precision=args.precision or size.precision)
    accelerator = Accelerator(mixed_precision="bf16" if size.precision == "bf16" else "no", cpu=args.device == "cpu")
    device, clock = accelerator.device, CLOCKS[args.clock]
    variants = build(size, size.stage(), accelerator, compiled=args.compile)
    mixed = [similar(size, seed) for seed in range(2)]
    first = measure(variants, mixed, args.rounds, device, clock)
    console.print(steps_table(first, mixed, size, device))
    growing = [uneven(size, longest) for longest in LONGEST]
    second = measure({name: variants[name] for name in (PEER, PACKED)}, growing, args.rounds, device, clock)
    console.print(padding_table(second, growing))

    tolerance = TOLERANCE[size.precision]
    wrong = [name for found in (first, second) for name in found if not apart(found[name], found[PEER]) <= tolerance]
    for name in wrong:
        console.print(f"{name}: its loss or gradient is over {tolerance:g} from the peer's; it is another step")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
