"""`sqeval score`: score answers that exist already, without a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sqeval.cli import completion
from sqeval.cli.options import Fresh, Images, Judge, JudgeRounds, MaxErrors, Protocol, Split
from sqeval.cli.output import AsJson, json_alone


def command(
    predictions: Annotated[
        Path,
        typer.Option(help="Predictions in the benchmark's result format, or a run folder.", show_default=False),
    ],
    task: Annotated[
        str | None,
        typer.Option(help="The benchmark.", show_default="all of a run folder", autocompletion=completion.task),
    ] = None,
    protocol: Protocol = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder of official files, `mini` or `hub`.",
            show_default="what the run was given, or $SQEVAL_DATA",
            autocompletion=completion.data,
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
    allow_part: Annotated[
        bool, typer.Option("--allow-part", help="Samples without a prediction are left out; the run is not ranked.")
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
    as_json: AsJson = False,
) -> None:
    """Score predictions, or score a run again; writes a run folder like that of `sqeval run`.

    Official result files hold final answers, which are compared as they are, as the benchmark's own evaluator does.
    Responses, as in LLaVA's answer files and in a samples.jsonl, are first processed as the published numbers were.

    Judgements of MM-Vet and LLaVA-Bench, which are published as files of grades and of reviews, need no judge.

    Example: sqeval score --task pope --data DIR --predictions answers.jsonl

    A run's responses scored as another evaluation would: sqeval score --predictions results/try --protocol lmms

    Responses that wait for a judge: sqeval score --predictions RUN --judge gpt-4-0613
    """
    from sqeval.cli.run import show
    from sqeval.data.collection import paused
    from sqeval.evaluation import evaluate
    from sqeval.progress import progress_for_stderr
    from sqeval.provenance import command_line
    from sqeval.rescoring import scoring_config

    given = {"task": task, "data": data, "out": out, "name": name, "max_errors": max_errors, "images": images}
    given |= {"split": split, "protocol": protocol, "judge": judge, "judge_rounds": judge_rounds}
    given |= {"allow_missing": allow_missing, "allow_part": allow_part}
    given |= {"allow_extra": allow_extra, "allow_duplicates": allow_duplicates}
    resolved = scoring_config(predictions, given)
    with json_alone(as_json) as emit, paused():  # what is read is kept to the end
        outcome = evaluate(
            resolved, fresh=fresh, command=command_line(sys.argv), kind="score", progress=progress_for_stderr()
        )
        emit(outcome.to_json())
        show(outcome, resolved.max_errors, details=True)
