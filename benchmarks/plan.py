"""How long the whole suite takes on so many GPUs, and what bounds it: arithmetic, nothing is run.

    python benchmarks/plan.py                            # 7B and 13B on 1, 8 and 64 GPUs
    python benchmarks/plan.py --gpus 4 --disk 0.5        # yours: GPUs, GB/s at which weights are read
    python benchmarks/plan.py --images 100e6             # that many images with a question each, instead of the suite

An image costs the model its vision tower and the 611 tokens before the questions, a question its own tokens. The two
prices follow from two rates, of questions in groups of 32 and of 6 an image. Those that are assumed were measured on an
H100 with a prototype of the engine (LLaVA-1.5-7B's shape, random weights, bfloat16); `benchmarks/engine.py --device
cuda --size 7b` prints yours. 13B is 7B times its parameters: matrix products bound both. Sizes are those that the tasks
state (`sqeval tasks show NAME`); an image that several benchmarks use is counted for each. Opening an image is
measured here, on one core. What an option stands for is an assumption until you give yours.
"""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import dataclass

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from transformers import CLIPImageProcessor

from sqeval.registry import get_task

CONSOLE = Console()
SHAPES = ((32, 31), (6, 29))
"""(questions an image, tokens of a question and its answer) of the two measured rates."""
BILLIONS = {"7B": 6.74, "13B": 13.02}
"""Parameters of the language models; in bfloat16 two bytes each."""


@dataclass(frozen=True)
class Benchmark:
    """What is asked: the split, and about how many tokens a question and its answer have behind the image."""

    name: str
    version: str
    tokens: int
    rotations: int = 0
    """Rows about one image, where the task states no number of images."""
    images: int = 0
    questions: int = 0

    def size(self) -> tuple[int, int]:
        """(questions, images)."""
        if self.questions:
            return self.questions, self.images
        size = get_task(self.name).sizes[self.version]
        return size.samples, size.images or size.samples // self.rotations


SUITE = (
    Benchmark("vqav2", "val", 29),
    Benchmark("gqa", "testdev_balanced", 31),
    Benchmark("pope", "3,000 random questions (current)", 28),
    Benchmark("vizwiz", "val", 45),
    Benchmark("textvqa", "val", 120),
    Benchmark("scienceqa", "", 150),
    Benchmark("mmbench", "MMBench_DEV_EN.tsv", 97, rotations=4),
    Benchmark("mmbench_cn", "MMBench_DEV_CN.tsv", 120, rotations=4),
    Benchmark("coco_caption", "karpathy-test", 36),
    Benchmark("flickr30k", "", 36),
    Benchmark("nocaps", "val", 36),
    Benchmark("mmvet", "", 150),
    Benchmark("llava_wild", "", 250),
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--rate32", type=float, default=564, help="questions/s at 7B, 32 an image")
    parser.add_argument("--rate6", type=float, default=198, help="questions/s at 7B, 6 an image")
    parser.add_argument("--begin", type=float, default=30, help="seconds until a process begins to read weights")
    parser.add_argument("--disk", type=float, default=2.0, help="GB/s at which a machine reads them")
    parser.add_argument("--store", type=float, default=10.0, help="GB/s that the storage gives all machines together")
    parser.add_argument("--machine", type=int, default=8, help="GPUs of a machine, which read the weights once")
    parser.add_argument("--handing", type=float, default=0.3, help="seconds in which a GPU waits for each portion")
    parser.add_argument("--driver", type=float, default=20_000, help="answers/s of one run (benchmarks/workers.py)")
    parser.add_argument("--decode", type=float, help="ms of a core to open and resize an image; otherwise measured")
    parser.add_argument("--image-kb", type=float, default=160, help="KB of an image")
    parser.add_argument("--images", type=float, help="so many images with a question each, instead of the suite")
    return parser.parse_args()


def prices(rate32: float, rate6: float) -> tuple[float, float]:
    """Seconds of an image and of a question's token, from the two rates."""
    (many, long), (few, short) = SHAPES
    token = (many / rate32 - few / rate6) / (many * long - few * short)
    return many / rate32 - many * long * token, token


def decoding() -> float:
    """Milliseconds in which a core opens a JPEG of 640×480 and makes it 336×336 numbers, as the engine's workers do."""
    shades = np.kron(np.random.default_rng(0).integers(0, 256, (60, 80, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    held = io.BytesIO()
    Image.fromarray(shades).save(held, "JPEG", quality=90)
    process = CLIPImageProcessor(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    best = float("inf")
    for _ in range(20):
        began = time.process_time()
        process([Image.open(io.BytesIO(held.getvalue())).convert("RGB")], return_tensors="np")
        best = min(best, time.process_time() - began)
    return 1e3 * best


def main() -> None:
    args = arguments()
    args.decode = args.decode or decoding()
    image, token = prices(args.rate32, args.rate6)
    CONSOLE.print(f"7B: {1e3 * image:.1f} ms an image, {1e3 * token:.4f} ms a token of a question")
    CONSOLE.print(f"opening an image: {args.decode:.1f} ms of a core")
    suite = SUITE
    if args.images:
        suite = (Benchmark("images", "", 31, images=int(args.images), questions=int(args.images)),)
    table = Table("benchmark", "questions", "images", *(f"GPU s, {name}" for name in BILLIONS), title="What is asked")
    total = [0.0, 0.0, 0.0]
    for benchmark in suite:
        questions, images = benchmark.size()
        seconds = images * image + questions * benchmark.tokens * token
        total = [total[0] + questions, total[1] + images, total[2] + seconds]
        table.add_row(
            benchmark.name, f"{questions:,}", f"{images:,}", *(f"{seconds * scale(n):,.0f}" for n in BILLIONS)
        )
    table.add_section()
    questions, images, seconds = total
    table.add_row("all", f"{questions:,.0f}", f"{images:,.0f}", *(f"{seconds * scale(n):,.0f}" for n in BILLIONS))
    CONSOLE.print(table)
    CONSOLE.print(clock(args, questions, images, seconds))
    if args.images:
        storage(args, images, seconds)


def scale(model: str) -> float:
    """How much longer than 7B."""
    return BILLIONS[model] / BILLIONS["7B"]


def clock(args: argparse.Namespace, questions: float, images: float, seconds: float) -> Table:
    """Time from typing the command to the last answer, part by part."""
    columns = (
        "model",
        "GPUs",
        "begin and load",
        "asking",
        "of it waiting",
        "all",
        "busy",
        "bound by",
        "images/s",
        "cores a GPU",
    )
    table = Table(*columns, title="Seconds, and what bounds them")
    for name in BILLIONS:
        for gpus in args.gpus:
            machines = -(-gpus // args.machine)
            gigabytes = 2 * BILLIONS[name]
            load = max(gigabytes / args.disk, gigabytes * machines / args.store)
            work = seconds * scale(name) / gpus
            waiting = args.handing * (
                work / 10 + 7
            )  # portions of 10 seconds; the last ones halve, down to 16 questions
            asking = max(work + waiting, questions / args.driver)
            parts = {"the model": work, "begin and load": args.begin + load}
            if asking > work + waiting:
                parts["the driver"] = asking
            table.add_row(
                name, str(gpus), f"{args.begin + load:,.0f}", f"{asking:,.0f}", f"{asking - work:,.0f}",
                f"{args.begin + load + asking:,.0f}", f"{work / (args.begin + load + asking):.0%}",
                max(parts, key=lambda part: parts[part]), f"{images / asking:,.0f}",
                f"{images / asking / gpus * args.decode / 1e3:.2f}",
            )  # fmt: skip
    return table


def storage(args: argparse.Namespace, images: float, seconds: float) -> None:
    """What so many images ask of storage and of the process that writes."""
    CONSOLE.print(f"images: {images * args.image_kb / 1e9:,.1f} TB at {args.image_kb:g} KB")
    for gpus in args.gpus:
        rate = images / (seconds / gpus)
        CONSOLE.print(f"{gpus} GPUs at 7B read {rate:,.0f} images/s, {rate * args.image_kb / 1e6:,.2f} GB/s")
    CONSOLE.print(
        f"in one run: {images * 1.8e3 / 1e9:,.0f} GB of memory, and samples.jsonl of {images * 627 / 1e9:,.0f} GB"
    )


if __name__ == "__main__":
    main()
