"""Questions a second: a row for each question by transformers' `generate`, and the shared-prefix engine.

    python benchmarks/engine.py --device cpu --size small        # about a minute on two cores
    python benchmarks/engine.py --device cuda --size 7b          # LLaVA-1.5-7B's shape, random weights, bfloat16

Every peer gets the same model, images and prompts, and computes the vision tower as it is meant to: rows once for each
question, the engine once for each image. All say exactly as many tokens. `same` is the share of answers equal to those
of batch 1, token for token. The floor is what the engine's matrix products alone would take at the rate that this
machine reached on large products in the same run.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from transformers import CLIPVisionConfig, LlamaConfig

from sqllava import Engine, Group, Request, SqLlavaConfig, SqLlavaForConditionalGeneration, SqLlavaProcessor, load

Said = dict[str, tuple[int, ...]]
SYSTEM = 35
"""Tokens of LLaVA-1.5's system text with `USER:`."""


@dataclass(frozen=True)
class Shape:
    """A benchmark's questions: how many for an image, and their tokens behind the image."""

    name: str
    questions: int
    tokens: int
    new: int
    source: str


SHAPES = (
    Shape("GQA", 32, 28, 3, "testdev-balanced: 12,578 questions, 398 images"),
    Shape("POPE", 18, 26, 2, "9,000 questions, 500 images"),
    Shape("VQAv2", 5, 26, 3, "val2014: 214,354 questions, 40,504 images"),
    Shape("MMBench", 4, 95, 2, "four rotations of a question"),
    Shape("captions", 1, 16, 20, "one an image, about 12 words"),
)


@dataclass(frozen=True)
class Size:
    """A model's shape and how much is asked."""

    vision: dict[str, int]
    text: dict[str, int]
    rows: int
    """Rows of a batch."""
    images: int
    """Images that the engine is asked about; rows get `few` questions."""
    few: int


SIZES = {
    "small": Size(
        {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4},
        {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 4, "num_attention_heads": 8,
         "num_key_value_heads": 8, "vocab_size": 4000}, 16, 8, 32,
    ),
    "7b": Size(
        {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16},
        {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
         "num_key_value_heads": 32, "vocab_size": 32064}, 64, 64, 128,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One peer on one shape."""

    name: str
    rate: float
    memory: float
    same: float | None


def main() -> None:
    args = arguments()
    size, console = SIZES[args.size], Console()
    model, processor = build(size, args.device, args.dtype)
    rate = matrix_rate(model.device, model.dtype)
    console.print(f"{args.size} on {args.device}, {args.dtype}; large matrix products: {rate / 1e12:.2f} TFLOP/s")
    table = Table("shape", "questions\nan image", "peer", "questions/s", "× rows", "peak memory\nGiB", "same")
    for shape in SHAPES:
        if args.shapes and shape.name.lower() not in args.shapes.lower().split(","):
            continue
        measured = measure(model, processor, size, shape, args)
        rows = next(one.rate for one in measured if one.name == f"rows of {size.rows}")
        for one in measured:
            table.add_row(
                shape.name, str(shape.questions), one.name, f"{one.rate:,.1f}", f"{one.rate / rows:.1f}",
                f"{one.memory:.2f}", "" if one.same is None else f"{one.same:.0%}",
            )  # fmt: skip
        flops = engine_flops(model, shape)
        table.add_row(shape.name, str(shape.questions), "floor", f"{rate / flops:,.0f}", f"{rate / flops / rows:.1f}")
        table.add_section()
    console.print(table)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", default="small", choices=SIZES)
    parser.add_argument("--dtype", help="default: float32 on a CPU, bfloat16 elsewhere")
    parser.add_argument("--shapes", help="comma-separated names; default: all")
    parser.add_argument("--batch-tokens", type=int, help="of the engine; default: its own choice")
    args = parser.parse_args()
    args.dtype = args.dtype or ("float32" if args.device == "cpu" else "bfloat16")
    return args


def measure(model: Any, processor: Any, size: Size, shape: Shape, args: argparse.Namespace) -> list[Measured]:
    """Batch 1, batches, and the engine, in this order, after a small warm-up each."""
    groups = questions(shape, size.images, processor)
    flat = [(group, request) for group in groups for request in group.requests]
    few = flat[: max(size.few, size.rows)]
    alone, said = timed(model, lambda: rows(model, processor, few[: size.few // 4], shape, 1))
    batch, batched = timed(model, lambda: rows(model, processor, few, shape, size.rows))
    engine = Engine(model, processor, template="v1", batch_tokens=args.batch_tokens)
    engine.end_id = None  # all say the same number of tokens
    list(engine.generate(groups[:1]))

    def ask() -> Said:
        return {answer.id: answer.token_ids for answer in engine.generate(groups)}

    packed, answered = timed(model, ask)
    return [
        Measured("batch 1", len(said) / alone[0], alone[1], None),
        Measured(f"rows of {size.rows}", len(batched) / batch[0], batch[1], agreement(batched, said)),
        Measured("engine", len(answered) / packed[0], packed[1], agreement(answered, said)),
    ]


def agreement(found: Said, expected: Said) -> float:
    """Share of the expected answers that were found, token for token."""
    return sum(found[key] == tokens for key, tokens in expected.items()) / len(expected)


def rows(model: Any, processor: Any, asked: Sequence[tuple[Group, Request]], shape: Shape, batch: int) -> Said:
    """The usual way: transformers' `generate`, an image and its tokens in every row."""
    said: Said = {}
    for start in range(0, len(asked), batch):
        some = asked[start : start + batch]
        images = [group.image() for group, _ in some if group.image is not None]
        inputs = processor([request.prompt for _, request in some], images).to(model.device, model.dtype)
        with torch.inference_mode():
            out = model.generate(**inputs, min_new_tokens=shape.new, max_new_tokens=shape.new, do_sample=False)
        for (_, request), row in zip(some, out[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
            said[request.id] = tuple(row)
    return said


def questions(shape: Shape, images: int, processor: Any) -> list[Group]:
    """Prompts of exactly the shape's tokens, about images of noise."""
    rng = random.Random(shape.name)
    before = len(processor.tokenize(["x"])[0])
    words = [f" {word}" for word in WORDS.split() if len(processor.tokenize([f"x {word}"])[0]) == before + 1]

    def text(tokens: int) -> str:
        return "".join(rng.choices(words, k=tokens))

    system = text(SYSTEM)
    groups = []
    for number in range(images):
        picture = Image.effect_noise((480, 360), 90).convert("RGB")
        requests = tuple(
            Request(f"{number}/{i}", f"{system}<image>{text(shape.tokens)}", shape.new) for i in range(shape.questions)
        )
        groups.append(Group(requests, image=picture.copy))
    return groups


WORDS = "the red blue green yellow circle square star small large left right of is there what how many colour a in"


def build(size: Size, device: str, dtype: str) -> tuple[Any, Any]:
    """A random model with 576 image tokens, made where it will compute."""
    torch.manual_seed(0)
    tokenizer = load("mini", device="cpu")[1].tokenizer
    config = SqLlavaConfig(
        vision_config=CLIPVisionConfig(**size.vision, image_size=336, patch_size=14, projection_dim=64),
        text_config=LlamaConfig(**size.text, max_position_embeddings=4096, initializer_range=0.05),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"), image_seq_length=576, image_size=336,
        num_prototypes=256 if size.vision["hidden_size"] > 512 else 32,
    )  # fmt: skip
    kind = getattr(torch, dtype)
    torch.set_default_dtype(kind)
    with torch.device(device):
        model = SqLlavaForConditionalGeneration(config)
    torch.set_default_dtype(torch.float32)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model.to(kind).eval(), SqLlavaProcessor.for_config(config, tokenizer)


def engine_flops(model: Any, shape: Shape) -> float:
    """Matrix products of the engine for one question: every token once through every linear layer of its part."""
    text, vision = model.config.text_config, model.config.vision_config
    layer = sum(p.numel() for p in model.model.language_model.layers[0].parameters() if p.ndim == 2)
    tower = sum(p.numel() for p in model.model.vision_tower.encoder.layers[0].parameters() if p.ndim == 2)
    projector = sum(p.numel() for p in model.model.multi_modal_projector.parameters() if p.ndim == 2)
    head = text.vocab_size * text.hidden_size
    image = 576 * (layer * text.num_hidden_layers + tower * vision.num_hidden_layers + projector)
    question = (shape.tokens + shape.new - 1) * layer * text.num_hidden_layers + shape.new * head
    return 2 * (image / shape.questions + question)


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of large matrix products."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(4):
            a @ b
        synchronize(device)
        best = max(best, 8 * n**3 / (time.perf_counter() - began))
    return best


def timed(model: Any, what: Callable[[], Said]) -> tuple[tuple[float, float], Said]:
    """Seconds and peak memory in GiB beyond the model's, and what came out."""
    with peak_memory(model.device) as peak:
        began = time.perf_counter()
        out = what()
        synchronize(model.device)
        seconds = time.perf_counter() - began
    return (seconds, peak[0]), out


@contextmanager
def peak_memory(device: torch.device) -> Any:
    """A list that holds, after the block, the most GiB taken beyond what was taken before."""
    peak = [0.0]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak[0] = (torch.cuda.max_memory_allocated(device) - before) / 2**30
        return
    process, done = psutil.Process(), threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], (process.memory_info().rss - before) / 2**30)

    thread = threading.Thread(target=watch)
    thread.start()
    yield peak
    done.set()
    thread.join()


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
