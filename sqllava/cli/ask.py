"""`sqllava ask`: questions that a model asks about an image."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sqllava.cli import completion
from sqllava.cli.output import AsJson, print_json


class Preface(StrEnum):
    """What comes before the first question."""

    describe = "describe"
    none = "none"


def command(
    image: Annotated[Path, typer.Argument(help="Image file.")],
    ckpt: Annotated[
        str, typer.Option(help="Checkpoint folder or packaged name.", autocompletion=completion.checkpoints)
    ] = "mini",
    n: Annotated[int, typer.Option("-n", help="Number of questions.", min=1)] = 5,
    preface: Annotated[Preface, typer.Option(help="Describe the image first, or ask at once.")] = Preface.describe,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature; 0 is greedy.", min=0)] = None,
    top_k: Annotated[int | None, typer.Option(help="Keep the k likeliest tokens; 0 keeps all.", min=0)] = None,
    top_p: Annotated[float | None, typer.Option(help="Keep tokens up to this probability, in (0, 1].")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same questions.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Let a model ask questions about an image, and answer them itself.

    Example: sqllava ask photo.jpg --ckpt mini -n 5
    """
    from dataclasses import asdict

    from sqllava.asking import ask
    from sqllava.checkpoints import load
    from sqllava.errors import SqLlavaError
    from sqllava.images import open_image

    picture = open_image(image)
    model, processor = load(ckpt, device=device, dtype=dtype)
    if not model.config.sees_images:
        raise SqLlavaError(f"checkpoint {ckpt!r} is a blind control: it would ask without seeing the image")
    asked = ask(
        model,
        processor,
        picture,
        n=n,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        preface=preface.value,
    )
    if as_json:
        print_json([asdict(one) for one in asked])
        return
    for number, one in enumerate(asked, 1):
        typer.echo(f"{number}. {one.question}\n   {one.answer}  (log-probability of the question {one.logprob:.1f})")
