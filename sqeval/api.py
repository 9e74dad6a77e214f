"""The harness from Python: what the commands `run`, `score`, `compare` and `leaderboard` do, as functions.

Flags are those of the commands, with underscores. What a command exits with, these raise: UserError and DataError for
bad input, IncompleteError for results that cannot be trusted as they stand. Nothing is printed, unless `progress` asks
for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from sqeval import runs
from sqeval.errors import IncompleteError, UserError
from sqeval.progress import Silent, progress_for_stderr
from sqeval.runs import Run

if TYPE_CHECKING:
    from sqeval.evaluation import Outcome
    from sqeval.model import Model
    from sqeval.shown import Comparison, Leaderboard

Place = str | Path
"""A file or a folder."""


class ScoreFlags(TypedDict, total=False):
    """Settings of `run` and `score`; `sqeval score --help` explains them."""

    protocol: str | None
    images: Place | None
    split: str | Mapping[str, str] | None
    out: Place | None
    name: str | None
    judge: str | None
    judge_rounds: int | None
    max_errors: int | None


class RunFlags(ScoreFlags, total=False):
    """Settings of `run`; `sqeval run --help` explains them."""

    base: Place | None
    vision_tower: Place | None
    model_args: str | Mapping[str, str | int | float] | None
    limit: int | None
    seed: int | None
    epochs: int | None
    temperature: float | None
    self_questions: int | None
    batch_tokens: int | Literal["auto"] | None
    image_workers: int | Literal["auto"] | None
    workers: int | None
    ray_address: str | None
    engine: Literal["auto", "rows"] | None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] | None
    device: str | None


class RuleFlags(TypedDict, total=False):
    """How `compare` judges: the fields of `sqeval.comparison.Rules`."""

    alpha: float
    margin: float
    min_effect: float
    max_errors: int
    max_rise: float
    allow_partial: bool


def run(
    tasks: str | Sequence[str] | None = None,
    *,
    ckpt: Place | None = None,
    model: str | Model | None = None,
    data: Place | None = None,
    config: Place | None = None,
    fresh: bool = False,
    progress: bool = False,
    **flags: Unpack[RunFlags],
) -> Run:
    """Evaluate a checkpoint, or continue where an earlier call with the same settings stopped.

    tasks: names of benchmarks, ``"all"``, or several names separated by commas.
    model: name of an adapter, or an object with the methods of `sqeval.model.Model`.
    data: a folder of official files, ``"mini"`` or ``"hub"``; without it, $SQEVAL_DATA.
    config: a YAML file with any of these settings; arguments win.
    fresh: discard what the run folder holds.
    progress: show on stderr how far it has come.

    The run folder is there before and after, with all that `sqeval run` writes. Raises UserError for bad input,
    DataError for a bad record, IncompleteError for more errored samples than `max_errors` and for responses that wait
    for a judge; what was computed is kept, and the same call asks the rest.

    Example:
        >>> import sqeval
        >>> result = sqeval.run("pope", ckpt="mini", data="mini", limit=20, name="try")
        >>> result.metrics[["task", "metric", "n"]].head(1).to_string(index=False, header=False)
        'pope f1_mean 36'
        >>> result.path.as_posix()
        'results/try'
        >>> len(result.samples) == len(result.tasks["pope"].samples)
        True
    """
    from sqeval.config import resolve
    from sqeval.evaluation import evaluate

    given: dict[str, Any] = {"tasks": tasks, "ckpt": ckpt, "data": data or os.environ.get("SQEVAL_DATA"), **flags}
    loaded = None if model is None or isinstance(model, str) else model
    if loaded is None:
        given["model"] = model
    elif ckpt is not None:
        raise UserError(f"ckpt={str(ckpt)!r}: the model is loaded already; leave it out")
    else:
        given |= {"model": loaded.identity.kind, "ckpt": loaded.identity.name}
    resolved = resolve(_texts(given), None if config is None else Path(config))
    shown = progress_for_stderr() if progress else Silent()
    outcome = evaluate(resolved, model=loaded, fresh=fresh, command=_call("run", given), progress=shown)
    return _finished(outcome, resolved.max_errors)


def score(
    predictions: Place,
    *,
    task: str | None = None,
    data: Place | None = None,
    allow_missing: bool = False,
    allow_extra: bool = False,
    allow_duplicates: bool = False,
    allow_part: bool = False,
    fresh: bool = False,
    progress: bool = False,
    **flags: Unpack[ScoreFlags],
) -> Run:
    """Score predictions in a benchmark's result format, or the responses of a run folder again; no model is needed.

    task: the benchmark; for a run folder, all that it has.
    data: as for `run`; for a run folder, what the run was given.
    allow_missing, allow_part, allow_extra, allow_duplicates: what the file may have; each raises DataError otherwise.

    Raises as `run` does.

    Example:
        >>> import sqeval
        >>> asked = sqeval.run("pope", model="majority", data="mini", limit=20, name="floor")
        >>> again = sqeval.score("results/floor", protocol="lmms")
        >>> again.protocol, again.info["kind"]
        ('lmms', 'score')
    """
    from sqeval.data.collection import paused
    from sqeval.evaluation import evaluate
    from sqeval.rescoring import scoring_config

    allowed = {"allow_missing": allow_missing, "allow_extra": allow_extra, "allow_duplicates": allow_duplicates}
    allowed |= {"allow_part": allow_part}
    given: dict[str, Any] = {"task": task, "data": data, **flags, **allowed}
    resolved = scoring_config(Path(predictions), _texts(given))
    shown = progress_for_stderr() if progress else Silent()
    command = _call("score", {"predictions": predictions, **given})
    with paused():  # what is read is kept to the end
        outcome = evaluate(resolved, fresh=fresh, command=command, kind="score", progress=shown)
    return _finished(outcome, resolved.max_errors)


def load_run(path: Place | Run) -> Run:
    """The finished run in the folder `path`, a stored baseline too; samples are read when they are asked for.

    Raises UserError if there is none, IncompleteError if it has not finished.

    Example:
        >>> import sqeval
        >>> sqeval.run("pope", model="majority", data="mini", limit=20, name="floor")
        <Run floor: pope f1_mean 66.7>
        >>> sqeval.load_run("results/floor").sees_images
        False
    """
    return path if isinstance(path, Run) else runs.load_run(Path(path))


def compare(
    paths: Place | Run | Sequence[Place | Run],
    *,
    baseline: Place | Run | None = None,
    strict: bool = False,
    **rules: Unpack[RuleFlags],
) -> Comparison:
    """Which differences between runs are real: paired by sample, clustered by image, adjusted over tasks.

    paths: a results folder, a run, or several; the first is the baseline unless `baseline` names another.
    strict: `Comparison.exit_code` is 4 if anything is inconclusive.
    rules: `margin`, `min_effect` and `max_rise` in points, `alpha`, `max_errors`, `allow_partial`.

    A regression is a result and raises nothing: see `Comparison.verdict`. Raises UserError if there is nothing to
    compare, IncompleteError for a run that was named and has not finished.

    Example:
        >>> import sqeval
        >>> model = sqeval.run("pope", ckpt="mini", data="mini", limit=120, name="model")
        >>> floor = sqeval.run("pope", model="majority", data="mini", limit=120, name="bar")
        >>> found = sqeval.compare([model, floor], margin=2.0)
        >>> str(found.verdict), found.exit_code
        ('regression', 3)
        >>> found.table.query("primary")["difference"].item() < -0.2
        True
    """
    from sqeval.comparing import compare_runs
    from sqeval.comparison import Rules, exit_code
    from sqeval.matchup import match
    from sqeval.shown import Comparison

    several = [paths] if isinstance(paths, str | Path | Run) else paths
    found = match([_path(each) for each in several], None if baseline is None else str(_path(baseline)))
    judged = Rules(**rules)
    comparisons = tuple(compare_runs(found.baseline, candidate, judged) for candidate in found.candidates)
    code = exit_code(comparisons, explicit=found.explicit, strict=strict)
    return Comparison(comparisons, judged, code, found.notes)


def leaderboard(
    results: Place = "results", *, sort: str | None = None, ties: bool = True, published: bool = False
) -> Leaderboard:
    """All runs of a results folder, ranked where they answered the same data.

    sort: the task that orders the rows.
    ties: read all samples to find ties within noise and intervals of ranks.
    published: add published scores, which are never ranked with measured ones.

    Raises UserError if there is no such folder, or no finished run in it.

    Example:
        >>> import sqeval
        >>> floor = sqeval.run("pope", model="majority", data="mini", limit=20, name="floor", out="boards")
        >>> sqeval.leaderboard("boards").table[["run", "task", "standing"]].to_string(index=False, header=False)
        'floor pope floor'
    """
    from sqeval.boards import boards
    from sqeval.places import weigh
    from sqeval.published import published as quoted
    from sqeval.shown import Leaderboard

    folder = Path(results)
    found = runs.find_runs(folder)
    if not found.runs and not published:
        raise UserError(f"{folder}: there is no finished run; sqeval.run(..., out={str(folder)!r}) makes one")
    tables = boards(found.runs, sort)
    problems = [problem for board in tables for problem in weigh(board)] if ties else []
    return Leaderboard(tables, quoted(folder) if published else (), (*found.problems, *problems))


def _finished(outcome: Outcome, max_errors: int) -> Run:
    try:
        outcome.require_success(max_errors)
    except IncompleteError as error:
        raise IncompleteError(f"{outcome.folder}: {error}") from None
    return runs.load_run(outcome.folder)


def _path(place: Place | Run) -> Path:
    return place.path if isinstance(place, Run) else Path(place)


def _texts(given: Mapping[str, Any]) -> dict[str, Any]:
    """Paths as the texts that a configuration has, other mappings as plain ones."""
    return {
        key: str(value) if isinstance(value, Path) else dict(value) if isinstance(value, Mapping) else value
        for key, value in given.items()
    }


def _call(function: str, given: Mapping[str, Any]) -> str:
    """How run.json records the call, secrets masked."""
    from sqeval.secrets import mask, mask_settings

    told = {
        key: mask_settings(value) if key == "model_args" and isinstance(value, dict) else value
        for key, value in _texts(given).items()
        if value not in (None, False)
    }
    return mask(f"sqeval.{function}({', '.join(f'{key}={value!r}' for key, value in told.items())})")
