"""The content of run.json, from "running" to "complete"; and whether two of them are about the same run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqeval.errors import UserError
from sqeval.protocol import OFFICIAL
from sqeval.provenance import now, provenance

Json = dict[str, Any]

SCHEMA = 1
SAME = ("protocol", "model", "model_args", "limit", "seed", "epochs", "temperature", "self_questions")
"""Settings that change answers by themselves; what `dtype` and `device` come to stands in the identity's details."""

DEFAULTS: Json = {"protocol": OFFICIAL, "epochs": 1, "temperature": None, "self_questions": 0}
"""What a run had that was begun before there were such settings."""

JUDGE = ("judge", "judge_rounds")
"""Settings that change scores; a run may be given a judge later, but no second one."""


def begin(told: Mapping[str, Any], before: Json | None, command: str) -> Json:
    """run.json as the run starts or goes on; a run that goes on keeps the tasks that it had."""
    config = dict(told["config"])
    earlier: Json = before or {}
    if config["judge"] is None:  # what an earlier call had judged stays judged
        config.update({key: earlier["config"][key] for key in JUDGE if key in earlier.get("config", {})})
    config["split"] = {**earlier.get("config", {}).get("split", {}), **config["split"]}
    config["tasks"] = list(dict.fromkeys([*earlier.get("config", {}).get("tasks", []), *config["tasks"]]))
    timing = earlier.get("timing", {})
    return {
        "schema": SCHEMA,
        "kind": told["kind"],
        "name": config["name"],
        "status": "running",
        "command": command,
        "config": config,
        "identity": told["identity"],
        "data": {**earlier.get("data", {}), **told["data"]},
        "sources": {**earlier.get("sources", {}), **told["sources"]},
        "seeds": {"limit": config["seed"], "bootstrap": 0},
        **provenance(),
        "timing": {
            "started": timing.get("started", now()),
            "finished": None,
            "seconds": timing.get("seconds", 0.0),
            "sessions": timing.get("sessions", 0) + 1,
        },
        "throughput": earlier.get("throughput"),
        "tasks": dict(earlier.get("tasks", {})),
    }


def with_task(run: Json, metrics: Mapping[str, Any]) -> Json:
    """`run` with the summary of a task, whose metrics.json is `metrics`; tasks stand in the order of the configuration,
    whichever is finished first."""
    primary = {"primary": metrics["primary"], **metrics["metrics"][metrics["primary"]]}
    summary = {"version": metrics["version"], **primary, "counts": metrics["counts"]}
    tasks = {**run["tasks"], metrics["task"]: summary}
    return {**run, "tasks": {name: tasks[name] for name in run["config"]["tasks"] if name in tasks}}


def without_task(run: Json, name: str) -> Json:
    """`run` without the summary of a task that is not finished any more."""
    return {**run, "tasks": {other: summary for other, summary in run["tasks"].items() if other != name}}


def end(run: Json, seconds: float) -> Json:
    """`run` after all tasks of this command; complete once every task that was ever asked for is."""
    complete = set(run["config"]["tasks"]) <= set(run["tasks"])
    timing = {**run["timing"], "finished": now(), "seconds": round(run["timing"]["seconds"] + seconds, 3)}
    return {**run, "status": "complete" if complete else "running", "timing": timing}


def require_same(before: Json | None, told: Mapping[str, Any], folder: Path) -> None:
    """Raise UserError, naming what differs, if `before` was told something else that changes answers or scores."""
    if before is None:
        return
    try:
        changed = [f"  {what}: {_show(there)} there, {_show(here)} now" for what, there, here in _differ(before, told)]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / 'run.json'} is not a run of this version ({error}); --fresh starts over") from None
    if changed:
        raise UserError(
            "\n".join([f"{folder} holds a run of another configuration:", *changed])
            + "\ngive another --name, or start over with --fresh"
        )


def _differ(before: Json, told: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    yield from _unequal([("kind", before["kind"], told["kind"])])
    then = {**DEFAULTS, **before["config"]}
    yield from _unequal([(key, then[key], told["config"][key]) for key in SAME])
    if before["config"].get("judge") is not None and told["config"]["judge"] is not None:
        yield from _unequal([(key, before["config"][key], told["config"][key]) for key in JUDGE])
    for task, here in told["data"].items():
        if before["data"].get(task, here) != here:
            there, name = before["config"]["data"], told["config"]["data"]
            yield f"data files of {task}", there, f"others in {name}"
    if "identity" in told:
        yield from _strangers(before["identity"], told["identity"])


def _strangers(there: Json, here: Json) -> Iterator[tuple[str, Any, Any]]:
    """What distinguishes two answerers; the place of a checkpoint does not if its content is known."""
    known = there["checkpoint_hash"] and here["checkpoint_hash"]
    key = "checkpoint_hash" if known else "checkpoint"
    yield from _unequal([(what, there[what], here[what]) for what in ("kind", key)])
    for name in sorted(there["details"].keys() | here["details"].keys()):
        yield from _unequal([(name, there["details"].get(name), here["details"].get(name))])


def _unequal(entries: Sequence[tuple[str, Any, Any]]) -> Iterator[tuple[str, Any, Any]]:
    yield from ((what, there, here) for what, there, here in entries if there != here)


def _show(value: Any) -> str:
    if value is None:
        return "none"
    text = str(value)
    return text[:12] + "..." if re.fullmatch("[0-9a-f]{64}", text) else text
