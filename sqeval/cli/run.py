"""`sqeval run`: evaluate a checkpoint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sqeval.cli import completion
from sqeval.cli.options import Fresh, Images, Judge, JudgeRounds, MaxErrors, Protocol, Split
from sqeval.cli.output import AsJson, json_alone

if TYPE_CHECKING:
    from sqeval.evaluation import Outcome


def command(
    tasks: Annotated[
        str | None,
        typer.Option(
            help="Benchmarks, separated by commas, or `all` that --data has. See `sqeval tasks list`.",
            autocompletion=completion.tasks,
        ),
    ] = None,
    protocol: Protocol = None,
    ckpt: Annotated[
        str | None,
        typer.Option(
            help="Checkpoint: folder (ours, a LoRA adapter's, a release's), hub id, or packaged name such as `mini`.",
            show_default=False,
            autocompletion=completion.checkpoints,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Language model that a released LoRA needs: folder or hub id.", show_default=False),
    ] = None,
    vision_tower: Annotated[
        str | None, typer.Option(help="Vision tower that a release needs: folder or hub id.", show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Kind of model; see `sqeval models list`.",
            show_default="sqllava, if there is a checkpoint",
            autocompletion=completion.models,
        ),
    ] = None,
    model_args: Annotated[
        str | None, typer.Option(help="Settings of the model, k=v,k=v.", metavar="K=V,...", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder of official files, `mini` or `hub`.",
            envvar="SQEVAL_DATA",
            show_default=False,
            autocompletion=completion.data,
        ),
    ] = None,
    images: Images = None,
    split: Split = None,
    out: Annotated[str | None, typer.Option(help="Folder of run folders.", show_default="results")] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the run folder.", show_default="from checkpoint, data, split, protocol and limit"),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Ask at least this many questions a task, about whole images drawn by --seed.", min=1),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of --limit, --temperature and random guesses.", show_default="0")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Ask every question so often, and average its scores first.", min=1, show_default="1"),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Draw answers at this temperature.", min=0, show_default="the protocol's, 0 as a rule"),
    ] = None,
    self_question: Annotated[
        int | None,
        typer.Option(
            help="Questions that the model asks itself about an image, and answers, before each of the benchmark's.",
            min=0,
            show_default="none",
        ),
    ] = None,
    batch_tokens: Annotated[
        str | None,
        typer.Option(
            help="Tokens that the model holds at once, fewer for less memory, or `auto`: what fits, measured.",
            metavar="N|auto",
            show_default="auto",
        ),
    ] = None,
    image_workers: Annotated[
        str | None,
        typer.Option(
            help="Processes that open images ahead of the model, or `auto`: up to 8 for a GPU, none without.",
            metavar="N|auto",
            show_default="auto",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Copies of the model side by side, a GPU each; by Ray.", min=1, show_default="1"),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(help="Ray cluster whose machines they run on.", metavar="HOST:PORT|auto", show_default="here"),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="`auto` computes what questions about an image share once; `rows` each question alone, to compare.",
            metavar="auto|rows",
            show_default="auto",
        ),
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16.", show_default="auto")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, ...", show_default="auto")] = None,
    judge: Judge = None,
    judge_rounds: JudgeRounds = None,
    max_errors: MaxErrors = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with any of these settings; flags win.", show_default=False)
    ] = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Evaluate a checkpoint on benchmarks; the same command again continues where it stopped.

    Example: sqeval run --tasks gqa,pope --ckpt mini --data mini --limit 200 --name try

    A release, converted once and kept in the cache: sqeval run --tasks gqa --data DIR --ckpt ZachSun/sqllava-lora-7b
    --base BASE --vision-tower TOWER
    """
    from sqeval.config import resolve
    from sqeval.evaluation import evaluate
    from sqeval.progress import progress_for_stderr
    from sqeval.provenance import command_line

    flags = {
        "tasks": tasks,
        "protocol": protocol,
        "ckpt": ckpt,
        "base": base,
        "vision_tower": vision_tower,
        "model": model,
        "model_args": model_args,
        "data": data,
        "images": images,
        "split": split,
        "out": out,
        "name": name,
        "limit": limit,
        "seed": seed,
        "epochs": epochs,
        "temperature": temperature,
        "self_questions": self_question,
        "batch_tokens": batch_tokens,
        "image_workers": image_workers,
        "workers": workers,
        "ray_address": ray_address,
        "engine": engine,
        "dtype": dtype,
        "device": device,
        "judge": judge,
        "judge_rounds": judge_rounds,
        "max_errors": max_errors,
    }
    resolved = resolve(flags, config)
    with json_alone(as_json) as emit:
        outcome = evaluate(resolved, fresh=fresh, command=command_line(sys.argv), progress=progress_for_stderr())
        emit(outcome.to_json())
        show(outcome, resolved.max_errors)


def show(outcome: Outcome, max_errors: int, *, details: bool = False) -> None:
    """Print the table, with `details` every metric, what went wrong, and the run folder last.

    Raises IncompleteError for too many errors, and for responses that are not judged.
    """
    from rich.console import Console

    from sqeval.latest import beside
    from sqeval.report.summary import details_table, summary_table
    from sqeval.report.text import plain

    if outcome.untouched:
        print("complete since before, nothing was asked; --fresh starts over", file=sys.stderr)
    for task, errors in outcome.errors.items():
        for sample, message in errors:
            print(plain(f"{task}: {sample}: {message}", 300), file=sys.stderr)
    console = Console()
    if outcome.metrics:
        console.print(summary_table(outcome.metrics))
    if details:
        console.print(details_table(outcome.metrics))
    else:
        for line in beside(outcome.folder):
            console.print(line, style="dim", markup=False, highlight=False)
    for task in outcome.metrics:
        for file in outcome.hidden(task):
            print(f"{task}: {file} is for the benchmark's server")
    print(outcome.folder)
    outcome.require_success(max_errors)
