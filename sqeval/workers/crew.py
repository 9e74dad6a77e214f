"""The workers of a run: started, greeted when their model is loaded, listened to, and replaced when they are lost."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sqeval.errors import IncompleteError, SqevalError, UserError
from sqeval.model import Identity, Work
from sqeval.models.sqllava import MOST_WORKERS
from sqeval.workers.cluster import Room
from sqeval.workers.portions import Portion
from sqeval.workers.worker import Load, Ready, Worker, versions

if TYPE_CHECKING:
    from sqeval.config import RunConfig
    from sqeval.progress import Progress

REPLACEMENTS = 3
"""For each worker that was asked for, so many are started anew before a run goes on with fewer."""
PATIENCE = 60.0
"""Seconds without any worker after which the user is told what is free: a GPU may be waited for."""


class WorkerLostError(Exception):
    """A worker is gone, or failed in a way that makes it useless; says why."""


@dataclass(eq=False)
class Hand:
    """A worker as this process knows it."""

    actor: Any
    due: Any
    """What it owes: that it is ready, then a stream of messages; None: it is idle."""
    node: str = ""
    """Empty until its model is loaded."""
    portion: Portion | None = None
    rate: float | None = None
    """Questions a second, of its last portion."""
    questions: int = 0
    seconds: float = 0.0
    before: tuple[int, float] = (0, 0.0)
    """`questions` and `seconds` when the portion was handed out."""
    work: Work | None = None
    """What its model did since it was loaded."""
    lost: str | None = None
    """Why it is gone."""


@dataclass
class Crew:
    """Workers with the model that `load` makes of `config`, each in its room of the cluster."""

    ray: Any
    config: RunConfig
    load: Load
    room: Room
    wanted: int
    """How many are to be alive, if there is room."""
    progress: Progress
    hands: list[Hand] = field(default_factory=list)
    """In the order in which they were started, the lost ones included."""
    identity: Identity | None = None
    """None until one is ready."""
    _told: set[str] = field(default_factory=set)

    @property
    def alive(self) -> list[Hand]:
        """Those that are loading, idle or at work."""
        return [hand for hand in self.hands if hand.lost is None]

    def fill(self, wanted: int) -> None:
        """Start workers until `wanted` are alive, as long as replacing them makes sense.

        Raises IncompleteError if nobody is alive then.
        """
        limit = self.wanted * (1 + REPLACEMENTS)
        while len(self.alive) < wanted and len(self.hands) < limit:
            self.hands.append(self._hire())
        if wanted and not self.alive:
            raise IncompleteError(
                f"all {len(self.hands)} workers were lost, the last one on node {self.hands[-1].node or 'unknown'}: "
                f"{self.hands[-1].lost}; what was answered is kept, and the same command continues"
            )

    def dismiss(self) -> None:
        """Let all of them go."""
        for hand in self.alive:
            self.ray.kill(hand.actor)

    def free(self) -> str:
        """What the cluster has free, in words."""
        free, there = self.ray.available_resources(), self.ray.cluster_resources()
        return ", ".join(f"{free.get(what, 0):g} of {there.get(what, 0):g} {what}s" for what in ("GPU", "CPU"))

    def wait(self, seconds: float | None) -> list[Hand]:
        """Those that have something to say; none after so many seconds."""
        due = {hand.due: hand for hand in self.alive if hand.due is not None}
        ready, waiting = self.ray.wait(list(due), num_returns=1, timeout=seconds)
        if ready and waiting:  # all that have, or the first of them would always be heard first
            ready += self.ray.wait(waiting, num_returns=len(waiting), timeout=0)[0]
        return [due[one] for one in ready]

    def greet(self, hand: Hand) -> None:
        """A worker has loaded its model, or failed to: it is lost then.

        Raises UserError for what its user can put right, and if its model is another than that of the others.
        """
        try:
            ready: Ready = self.result(hand.due)
        except WorkerLostError as error:
            self.lose(hand, str(error))
            return
        hand.due, hand.node, hand.work = None, ready.node, ready.work
        self.note(hand, ready.notes)
        if self.identity is None:
            self.identity = ready.identity
        elif ready.identity != self.identity:
            differences = _differences(self.identity, ready.identity)
            raise UserError("\n".join([f"node {ready.node} loads another model than others:", *differences]))

    def lose(self, hand: Hand, why: str) -> None:
        """A worker is gone, and what it had in hand is open again."""
        hand.lost, hand.due, hand.portion = why, None, None
        self.ray.kill(hand.actor)
        where = f" on node {hand.node}" if hand.node else ""
        self.progress.note(f"worker {self.hands.index(hand) + 1}{where} is lost: {why}")

    def note(self, hand: Hand, lines: Iterable[str]) -> None:
        """Show what a worker has to say to the user, once if others say the same."""
        for line in lines:
            if line not in self._told:
                self._told.add(line)
                self.progress.note(line)

    def result(self, reference: Any) -> Any:
        """What a worker sent. Raises WorkerLostError if it is gone or failed, and the error itself if the user can put
        that right."""
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, SqevalError):
                raise UserError(str(error.cause)) from None
            first = (str(error.cause).strip().splitlines() or ["no message"])[0]
            raise WorkerLostError(f"{type(error.cause).__name__}: {first}") from error
        except self.ray.exceptions.OutOfMemoryError as error:
            raise WorkerLostError("its machine ran out of memory") from error
        except self.ray.exceptions.RayError as error:
            if "No module named" in str(error):
                last = str(error).strip().splitlines()[-1].strip()
                raise UserError(f"a machine of the cluster lacks a package: {last}") from None
            raise WorkerLostError("its process ended (killed, out of memory, or its machine is gone)") from error

    def _hire(self) -> Hand:
        """Start a worker, which begins to load."""
        room, config = self.room, self.config
        actor = self.ray.remote(Worker).options(num_cpus=room.cores, num_gpus=room.gpus).remote()
        if room.gpus and config.image_workers is None:  # other GPUs of the machine have their share of its cores
            config = config.model_copy(update={"image_workers": min(MOST_WORKERS, max(1, room.cores - 1))})
        paths = [path for path in (config.ckpt, config.base, config.vision_tower) if path and os.path.exists(path)]
        due = actor.load.remote(config.model_dump_json(), self.load, os.getcwd(), paths, versions())
        return Hand(actor, due)


def _differences(ours: Identity, theirs: Identity) -> Iterator[str]:
    for name, value in asdict(ours).items():
        other = getattr(theirs, name)
        if other != value:
            yield f"  {name}: {other} there, {value} elsewhere"
