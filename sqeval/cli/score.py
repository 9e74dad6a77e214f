"""`sqeval score`: score answers that exist already, without a model."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sqeval.cli.options import Fresh, Images, Judge, JudgeRounds, MaxErrors, Protocol, Split


def command(
    predictions: Annotated[
        Path,
        typer.Option(help="Predictions in the benchmark's result format, or a run folder.", show_default=False),
    ],
    task: Annotated[str | None, typer.Option(help="The benchmark.", show_default="all of a run folder")] = None,
    protocol: Protocol = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder of official files, `mini` or `hub`.", show_default="what the run was given, or $SQEVAL_DATA"
        ),
    ] = None,
    images: Images = None,
    split: Split = None,
    out: Annotated[str | None, typer.Option(help="Folder of run folders.", show_default="results")] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the new run folder.", show_default="from the predictions' name")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Samples without a prediction count as wrong.")
    ] = False,
    allow_extra: Annotated[
        bool,
        typer.Option("--allow-extra", help="Leave out predictions for other ids, as in a file about a larger split."),
    ] = False,
    allow_duplicates: Annotated[
        bool, typer.Option("--allow-duplicates", help="Of several predictions for one id the last counts.")
    ] = False,
    judge: Judge = None,
    judge_rounds: JudgeRounds = None,
    max_errors: MaxErrors = None,
    fresh: Fresh = False,
) -> None:
    """Score predictions, or score a run again; writes a run folder like that of `sqeval run`.

    Official result files hold final answers, which are compared as they are, as the benchmark's own evaluator does.
    Responses, as in LLaVA's answer files and in a samples.jsonl, are first processed as the published numbers were.

    Example: sqeval score --task pope --data mini --predictions answers.jsonl --out results

    A run's responses scored as another evaluation would: sqeval score --predictions results/RUN --protocol lmms

    Responses that wait for a judge: sqeval score --predictions results/RUN --judge gpt-4-0613
    """
    from sqeval.cli.run import show
    from sqeval.config import resolve
    from sqeval.data.collection import paused
    from sqeval.evaluation import evaluate
    from sqeval.progress import progress_for_stderr
    from sqeval.provenance import command_line
    from sqeval.registry import get_task

    given: dict[str, Any] = {"tasks": task, "data": data, "out": out, "name": name, "max_errors": max_errors}
    given |= {"images": images, "split": split, "protocol": protocol, "judge": judge, "judge_rounds": judge_rounds}
    allowed = {"missing": allow_missing, "extra": allow_extra, "duplicates": allow_duplicates}
    given["model_args"] = {f"allow_{what}": "true" for what, yes in allowed.items() if yes} or None
    settings = {key: value for key, value in given.items() if value is not None}
    if task is not None:
        get_task(task)
    source, remembered = _source(predictions, task, protocol)
    elsewhere = {"data": os.environ.get("SQEVAL_DATA")}
    resolved = resolve({**elsewhere, **remembered, **settings, "model": "replay", "ckpt": str(source)})
    with paused():  # what is read is kept to the end
        outcome = evaluate(
            resolved, fresh=fresh, command=command_line(sys.argv), kind="score", progress=progress_for_stderr()
        )
    show(outcome, resolved.max_errors, details=True)


def _source(predictions: Path, task: str | None, protocol: str | None) -> tuple[Path, dict[str, Any]]:
    """What to replay and, if it is a run of ours, the settings that decided which questions were asked."""
    from sqeval.errors import DataError, UserError
    from sqeval.protocol import protocol_of
    from sqeval.rundir import RUN, SAMPLES, read_json

    if not predictions.exists():
        raise UserError(f"--predictions {predictions}: no such file or folder")
    folder = predictions.parent.parent if predictions.name == SAMPLES else predictions
    run = read_json(folder / RUN)
    if run is None:
        if task is None:
            raise UserError("--task: name the benchmark that the predictions belong to")
        return predictions, {}
    try:
        remembered = {key: run["config"][key] for key in ("tasks", "data", "limit", "seed")}
        remembered |= {key: run["config"][key] for key in ("epochs", "temperature") if key in run["config"]}
        asked = protocol_of(run["config"])
        images, splits = run["config"].get("images"), run["config"].get("split", {})
    except (KeyError, TypeError) as error:
        raise DataError(f"is not a run of this version ({error})", file=folder / RUN, field="config") from None
    other = protocol is not None and protocol != asked
    remembered["name"] = f"{folder.resolve().name}-rescored" + (f"-{protocol}" if other else "")
    remembered["protocol"] = asked
    if predictions.name == SAMPLES:
        remembered["tasks"] = task = predictions.parent.name
    remembered["split"] = {name: split for name, split in splits.items() if task in (None, name)}
    if images is not None and Path(images).expanduser().is_dir():  # scoring can do without
        remembered["images"] = images
    return folder, remembered
