"""`sqeval ask`: let a model ask about many images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sqeval.cli import completion

if TYPE_CHECKING:
    from sqeval.questions.asking import How

PREFACES = ("describe", "none")


def command(
    ckpt: Annotated[
        str,
        typer.Option(
            help="Checkpoint: folder, packaged name, or hub id.",
            show_default=False,
            autocompletion=completion.checkpoints,
        ),
    ],
    images: Annotated[
        Path,
        typer.Option(help="Folder of images, or a manifest (CSV, JSON Lines or a path a line).", show_default=False),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="*.questions.jsonl to write.", show_default=False)],
    n: Annotated[int, typer.Option("-n", help="Questions an image.", min=1)] = 5,
    temperature: Annotated[
        str | None,
        typer.Option(help="One or several, separated by commas; a condition each.", show_default="the protocol's, 1.2"),
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Keep the k likeliest tokens; 0 keeps all.", min=0)] = None,
    top_p: Annotated[float | None, typer.Option(help="Keep tokens up to this probability.", min=0, max=1)] = None,
    preface: Annotated[
        str,
        typer.Option(
            help="`describe`: the model describes the image first, as the release does; `none`: it asks at once; or a "
            "file with another request to put first."
        ),
    ] = "describe",
    answer: Annotated[bool, typer.Option("--answer", help="Let the model answer its own questions.")] = False,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Each question sees those before it; else they are drawn alone.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same questions.", min=0)] = 0,
    name: Annotated[str | None, typer.Option(help="run_id of the questions.", show_default="the checkpoint's")] = None,
    model: Annotated[str | None, typer.Option(help="Adapter.", show_default="sqllava")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Discard what the file holds.")] = False,
) -> None:
    """Ask about every image, by the release's protocol; the same command again continues where it stopped.

    Example: sqeval ask --ckpt mini --images photos/ -n 5 -o mini.questions.jsonl

    Three conditions: sqeval ask --ckpt mini --images photos/ -n 5 --temperature 0.7,1.0,1.2 -o warmth.questions.jsonl
    """
    from rich.console import Console

    from sqeval.config import resolve
    from sqeval.errors import EXIT_INCOMPLETE
    from sqeval.models.loading import load_model
    from sqeval.progress import progress_for_stderr
    from sqeval.questions.asking import asker
    from sqeval.questions.campaign import ask_all, conditions, find_images
    from sqeval.report.text import plain

    found = find_images(images)
    how = _how(n, top_k, top_p, preface, answer, sequential, seed)
    flags = {"ckpt": ckpt, "model": model, "device": device, "dtype": dtype, "seed": seed}
    config = resolve({**flags, "tasks": "ask", "data": str(images)})
    loaded = load_model(config)
    wanted = conditions(name or loaded.identity.name, how, _temperatures(temperature))
    console = Console(stderr=True)
    asked = ask_all(loaded, asker(loaded), found, wanted, out, fresh=fresh, progress=progress_for_stderr())
    failed = [image for image in asked if "error" in image.extra]
    for image in failed[:5]:
        console.print(plain(f"{image.image_id}: {image.extra['error']}", 300), markup=False)
    print(f"{out}: {sum(len(image.questions) for image in asked):,} questions about {len(found):,} images")
    if failed:
        console.print(f"{len(failed)} images failed; put the cause right and repeat the command", markup=False)
        raise typer.Exit(EXIT_INCOMPLETE)


def _how(
    n: int, top_k: int | None, top_p: float | None, preface: str, answer: bool, sequential: bool, seed: int
) -> How:
    from sqeval.data.text import read_text
    from sqeval.errors import UserError
    from sqeval.questions.asking import DESCRIBE, How

    text, kind = DESCRIBE, preface
    if preface not in PREFACES:
        if not Path(preface).is_file():
            raise UserError(f"--preface {preface}: expected describe, none or a file with a request")
        text, kind = read_text(Path(preface)).strip(), "file"
    return How(n, None, top_k, top_p, kind, text, answer, sequential, seed)


def _temperatures(text: str | None) -> list[float]:
    from sqeval.errors import UserError

    if text is None:
        return []
    try:
        found = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UserError(f"--temperature {text}: expected numbers separated by commas") from None
    if not found or min(found) < 0 or len(set(found)) < len(found):
        raise UserError(f"--temperature {text}: expected different numbers of at least 0")
    return found
