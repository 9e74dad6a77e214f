"""Every command that goes on where it was killed: what to type, and what its folder must hold in the end."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nursery import Nursery
from small_recipe import SMALL, steps, training_root

from sqeval.data.mini import ensure_mini

CLOCK = frozenset({"seconds", "tokens_per_second", "images_per_second", "memory_gb"})
"""What the journal of a training knows of the clock."""
TIMES = ("timing", "throughput", "command", "git")
"""What run.json knows of it, of the words that were typed, and of changes to the code."""
IMAGES, CHAIN = 5, 4


@dataclass(frozen=True, slots=True)
class Command:
    """A command line whose every result is in one folder, which the words name OUT."""

    name: str
    program: str
    words: tuple[str, ...]

    def typed(self, out: Path) -> list[str]:
        """The words for this folder."""
        return [word.replace("OUT", str(out)) for word in self.words]


@dataclass
class Count:
    """What happened to one command."""

    kills: int = 0
    late: int = 0
    """Kills that came too late: the command had ended."""
    chains: int = 0
    """Folders: killed, perhaps again and again, then finished."""
    faults: list[str] = field(default_factory=list)
    """What was not as in a run that nobody killed."""


def commands(work: Path) -> list[Command]:
    """All of them, small; what they read is written to `work`."""
    pictures = sorted((ensure_mini() / "coco" / "val2014").iterdir())[:IMAGES]
    (work / "list.csv").write_text("image\n" + "".join(f"{path}\n" for path in pictures), "utf-8")
    root = training_root(work / "training", scenes=12)
    small = (*SMALL, *steps(3), "save_every=1", "workers=0", f"data={root}")
    ask = ("ask", "--ckpt", "mini", "--images", str(work / "list.csv"), "-n", "2", "--answer")
    mini = ("--data", "mini", "--out", "OUT", "--name", "it")
    return [
        Command("run", "sqeval", ("run", "--ckpt", "mini", "--tasks", "pope,vqav2", "--limit", "10", *mini)),
        Command("score", "sqeval", ("score", "--predictions", str(work / "run" / "it"), *mini)),
        Command("ask", "sqeval", (*ask, "--temperature", "0.7,1.2", "-o", "OUT/it.questions.jsonl")),
        Command(
            "answer", "sqeval", ("questions", "answer", str(work / "ask" / "it.questions.jsonl"), "--answerer", "mini",
            "-J", "2", "-o", "OUT/it.answers.jsonl"),
        ),
        Command(
            "train", "sqllava", ("train", "mini", "--out", "OUT", "--resume", "auto",
            *(word for setting in small for word in ("--set", setting))),
        ),
    ]  # fmt: skip


@dataclass
class Whole:
    """A command that nobody killed."""

    command: Command
    content: Mapping[str, Any]
    events: int
    seconds: float
    """The shortest that it took."""

    def kill(self, nursery: Nursery, out: Path, draw: random.Random, count: Count, most: int = CHAIN) -> None:
        """Kill the command in `out` up to `most` times, at moments that `draw` gives; finish it and compare."""
        told = []
        for _ in range(draw.randint(1, most)):
            if draw.random() < 0.5:
                after, event = draw.uniform(0, self.seconds), None
            else:
                after, event = None, draw.randint(1, self.events)
            told.append(f"{after:.3f} s" if event is None else f"file event {event}")
            ended = nursery.run(self.command.program, self.command.typed(out), out, after=after, event=event)
            count.kills += ended.status == -9
            if ended.status == 0:
                count.late += 1
                self.seconds = min(self.seconds, ended.seconds)
                break
            if ended.status != -9:
                count.faults.append(f"{told}: exit code {ended.status}: {ended.said[-1500:]}")
                return
        ended = nursery.run(self.command.program, self.command.typed(out), out)
        count.chains += 1
        if ended.status:
            count.faults.append(f"{told}: finishing gave exit code {ended.status}: {ended.said[-1500:]}")
        else:
            count.faults += [f"{told}: {name} differs" for name in differing(self.content, content(out))]


def whole(command: Command, nursery: Nursery, out: Path) -> Whole:
    """The command, left alone."""
    ended = nursery.run(command.program, command.typed(out), out)
    assert ended.status == 0, ended.said
    return Whole(command, content(out), ended.events, ended.seconds)


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names of files that only one has, or that differ."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def content(out: Path) -> dict[str, Any]:
    """Bytes of all files, hidden ones too; of those that tell the time, what they tell besides it."""
    readers: Mapping[str, Callable[[Path], Any]] = {"run.json": _run, "train.jsonl": _journal}
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): readers.get(path.name, Path.read_bytes)(path) for path in files}


def _run(path: Path) -> Any:
    value = json.loads(path.read_bytes())
    return {key: each for key, each in value.items() if key not in TIMES}


def _journal(path: Path) -> Any:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [{key: each for key, each in line.items() if key not in CLOCK} for line in lines]


def fresh(out: Path) -> Path:
    """`out`, empty."""
    shutil.rmtree(out, ignore_errors=True)
    return out
