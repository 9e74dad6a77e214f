"""A whole training run: the stages of a recipe one after the other, from wherever an earlier call stopped.

A stage starts from the finished checkpoint of the one before, read from its folder. OUT holds recipe.json, train.jsonl,
checkpoints/ (resumable states, while they are needed), stages/ (finished stages but the last), best/ (with evaluation),
and at the end the finished checkpoint itself.
"""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from sqllava.atomic import explained, remove_leftovers, write_text
from sqllava.errors import SqLlavaError
from sqllava.hooks import evaluator
from sqllava.training.hold import LOCK, held
from sqllava.training.journal import Journal
from sqllava.training.loop import Run, StoppedError, StopSignal, train_stage
from sqllava.training.output import LAST, Output, is_finished, recipe_json, write_checkpoint
from sqllava.training.processes import leave, start
from sqllava.training.recipe import Recipe
from sqllava.training.stages import Corpus, finish, prepare
from sqllava.training.state import FOLDER, Position, newest, read_position, same_recipe

FINISHED = ".finished"


def train(
    recipe: Recipe, root: Path, out: Path, *, resume: bool = False, quiet: bool | None = None, cpu: bool = False
) -> Path:
    """Run every stage of `recipe` on the data under `root` and write the checkpoint to `out`.

    resume: continue what `out` holds, if anything; without it a folder with a run is an error. quiet: no progress.
    cpu: stay there even if there is an accelerator. Deterministic for a given thread count on CPU. Raises SqLlavaError
    and its kinds for bad data, checkpoints and recipes, and `loop.StoppedError` after SIGTERM, when the state is saved.
    """
    accelerator = start(recipe, out, cpu=cpu)
    try:
        _check_free(recipe, out, resume)
        accelerator.wait_for_everyone()
        with held(out) if accelerator.is_main_process else nullcontext():
            if accelerator.is_main_process:
                remove_leftovers(out)
                with explained(out):
                    write_text(out / "recipe.json", recipe_json(recipe))
            accelerator.wait_for_everyone()
            if not _unpack(out, accelerator):
                _train(recipe, root, out, accelerator, quiet)
    except (SqLlavaError, StoppedError):  # which all processes raise
        leave()
        raise
    leave()
    return out


def _train(recipe: Recipe, root: Path, out: Path, accelerator: Accelerator, quiet: bool | None) -> None:
    """What is left to do of the run in `out`."""
    evaluate = evaluator(recipe.evaluation, out) if recipe.evaluation else None
    output = Output.of(recipe)
    recipe = _applicable(recipe)
    corpus = Corpus(recipe, root)
    first, position, checkpoint = _where(recipe, out)
    steps = [(stage.name, corpus.steps(stage, recipe.seed)) for stage in recipe.stages]
    if recipe.trackers:
        accelerator.init_trackers(recipe.name, config={"recipe": output.recipe})
    resumed = (position.stage, position.step) if position.step else steps[first - 1] if first else None
    stop = StopSignal()
    journal = Journal(out / "train.jsonl", steps, resume_at=resumed, accelerator=accelerator, quiet=quiet)
    with stop.listening(), journal:
        run = Run(recipe, output, out, accelerator, journal, evaluate, stop)
        for number in range(first, len(recipe.stages)):
            position, checkpoint = _stage(run, number, corpus, position, checkpoint), None
    _unpack(out, accelerator)
    if recipe.trackers:
        accelerator.end_training()


def _stage(run: Run, number: int, corpus: Corpus, position: Position, checkpoint: Path | None) -> Position:
    """One stage, to its finished checkpoint; gives the position at which the next one starts."""
    recipe, stage, accelerator = run.recipe, run.recipe.stages[number], run.accelerator
    before = _folder(run.out, recipe, number - 1) if number else None
    prepared = prepare(recipe, stage, before, corpus, accelerator)
    objective = train_stage(run, number, prepared, position, checkpoint)
    finish(prepared, objective, stage)
    last = number + 1 == len(recipe.stages)
    target = run.out / FINISHED if last else _folder(run.out, recipe, number)
    output = run.output if last else replace(run.output, dtype=None, base=None)
    write_checkpoint(target, objective, prepared.processor, accelerator, output)
    following = position if last else Position(recipe.stages[number + 1].name, 0, position.bad_samples, position.best)
    if accelerator.is_main_process:
        if not last:
            with explained(target):
                write_text(target / "position.json", json.dumps(asdict(following)) + "\n")
        shutil.rmtree(run.out / FOLDER, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    return following


def _check_free(recipe: Recipe, out: Path, resume: bool) -> None:
    """Raise SqLlavaError if `out` is another run's folder."""
    told = out / "recipe.json"
    if out.is_dir() and _begun(out):
        if not told.is_file():
            raise SqLlavaError(f"{out} is not empty and holds no training run; choose another --out")
        if not resume:
            raise SqLlavaError(f"{out} holds a training run; --resume auto continues it, another --out starts anew")
        differing = same_recipe(_read_json(told), json.loads(recipe_json(recipe)))
        if differing:
            raise SqLlavaError(
                f"{out} holds a run of another recipe (they differ in {', '.join(differing)}); choose another --out"
            )


def _begun(out: Path) -> bool:
    """Whether `out` holds anything beyond what a run leaves that failed before its first step, over a typo say."""
    left = {path.name: path.stat().st_size for path in out.iterdir()}
    for name in ("recipe.json", LOCK):
        left.pop(name, None)
    return bool(left) and left != {"train.jsonl": 0}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SqLlavaError(f"{path}: not valid JSON: {error}") from error


def _applicable(recipe: Recipe) -> Recipe:
    """Without the stages that a blind control has no use for."""
    if recipe.model.sees_images:
        return recipe
    return recipe.model_copy(update={"stages": tuple(s for s in recipe.stages if s.kind != "regions")})


def _where(recipe: Recipe, out: Path) -> tuple[int, Position, Path | None]:
    """Number of the stage to do next, the position in it, and the checkpoint with that state, if any."""
    names = [stage.name for stage in recipe.stages]
    checkpoint = newest(out, names)
    done = [number for number in range(len(names)) if (_folder(out, recipe, number) / "position.json").is_file()]
    number = done[-1] + 1 if done else 0
    if checkpoint is not None:
        position = read_position(checkpoint)
        if names.index(position.stage) >= number:
            return names.index(position.stage), position, checkpoint
    if done:
        return number, read_position(_folder(out, recipe, done[-1])), None
    return 0, Position(names[0], 0), None


def _folder(out: Path, recipe: Recipe, number: int) -> Path:
    """Where a finished stage that is not the last lies."""
    return out / "stages" / f"{number + 1}-{recipe.stages[number].name}"


def _unpack(out: Path, accelerator: Accelerator) -> bool:
    """Move the finished checkpoint to its place, what makes it one last; whether there is one."""
    if accelerator.is_main_process and (out / FINISHED).is_dir():
        for file in sorted((out / FINISHED).iterdir(), key=lambda file: file.name in LAST):
            file.replace(out / file.name)
        (out / FINISHED).rmdir()
    accelerator.wait_for_everyone()
    return is_finished(out)
