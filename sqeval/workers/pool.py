"""Several workers as one model: gives them portions, passes their answers on, makes up for those that are lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from sqeval.model import Completion, Group, Identity, Share, Work
from sqeval.models.loading import load_model
from sqeval.workers.cluster import cluster, machines, room
from sqeval.workers.crew import PATIENCE, Crew, Hand, WorkerLostError
from sqeval.workers.portions import Portion, Portions
from sqeval.workers.worker import OFTEN, Load, Said

if TYPE_CHECKING:
    from sqeval.config import RunConfig
    from sqeval.progress import Progress


@contextmanager
def pool(config: RunConfig, progress: Progress, load: Load = load_model) -> Iterator[Pool]:
    """`config.workers` workers with the model that `load` makes of `config`; they end with the block.

    At least one is ready when it begins. Raises UserError for a cluster that cannot be used, and for what `load`
    refuses.
    """
    with cluster(config.ray_address, config.workers, cpu=config.device == "cpu") as ray:
        place = room(machines(ray), config.workers, config.device)
        wanted = config.workers if config.ray_address else place.workers
        if place.workers < config.workers:
            more = "; the others start when it has more" if config.ray_address else ""
            progress.note(f"--workers {config.workers}: there is room for {place.workers} at a time{more}")
        pool = Pool(Crew(ray, config, load, place, wanted, progress))
        try:
            pool.start()
            yield pool
        finally:
            pool.crew.dismiss()


class Pool:
    """The workers behind the model protocol."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    @property
    def identity(self) -> Identity:
        """Of the model that every worker has."""
        assert self.crew.identity is not None, "no worker is ready"
        return self.crew.identity

    def start(self) -> None:
        """Start all workers, and wait until one is ready. Raises UserError."""
        told = False
        while self.crew.identity is None:
            self.crew.fill(self.crew.wanted)
            heard = self.crew.wait(PATIENCE)
            for hand in heard:
                self.crew.greet(hand)
            if not heard and not told:
                told = True
                self.crew.progress.note(f"no worker is ready yet; the cluster has free: {self.crew.free()}")

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        """Answer every request of `groups` once, in the order in which workers finish them.

        They go on while what they answered is scored. A group over which several workers were lost gets errors. Raises
        IncompleteError if nobody is left, UserError if a worker finds on its machine what the user has to put right.
        """
        answers: SimpleQueue[Sequence[Completion] | BaseException | None] = SimpleQueue()
        stopped = Event()
        manager = Thread(target=self._manage, args=(Portions(groups, self.crew.wanted), answers.put, stopped))
        manager.start()
        try:
            while (item := answers.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield from item
        finally:
            stopped.set()
            manager.join()

    def _manage(self, portions: Portions, put: Callable[[Any], None], stopped: Event) -> None:
        """Keep everybody busy until all is answered; `put` gets what they say, then None, or what went wrong."""
        try:
            while not stopped.is_set() and (portions or any(hand.portion for hand in self.crew.alive)):
                for hand in self.crew.alive:
                    if hand.due is None and (portion := portions.next(hand.rate)) is not None:
                        self._give(hand, portion)
                self.crew.fill(self.crew.wanted if portions else 0)
                for hand in self.crew.wait(OFTEN):
                    if hand.portion is None:
                        self.crew.greet(hand)
                    else:
                        put(self._listen(hand, hand.portion, portions))
            put(None)
        except BaseException as error:  # is raised again where answers are awaited
            put(error)

    def work(self) -> Work | None:
        """What all of them did; seconds and tokens at once are those of a single one, the mean and the least."""
        known = [hand.work for hand in self.crew.hands if hand.work is not None]
        if not known:
            return None
        return Work(
            prompt_tokens=sum(work.prompt_tokens for work in known),
            prefilled_tokens=sum(work.prefilled_tokens for work in known),
            generated_tokens=sum(work.generated_tokens for work in known),
            images_encoded=sum(work.images_encoded for work in known),
            seconds=sum(work.seconds for work in known) / self.crew.wanted,
            batch_tokens=min(work.batch_tokens for work in known),
            shared_prefixes=all(work.shared_prefixes for work in known),
            notes=tuple(dict.fromkeys(note for work in known for note in work.notes)),
        )

    def shares(self) -> list[Share]:
        """What each of them did, in the order in which they were started; those that never were ready did nothing."""
        return [Share(hand.node, hand.questions, hand.seconds, hand.lost) for hand in self.crew.hands if hand.node]

    def _give(self, hand: Hand, portion: Portion) -> None:
        parents = {os.path.dirname(g.image.path) for g in portion.groups if g.image and g.image.path}
        folders = sorted(folder for folder in parents if _is_folder(folder))
        hand.portion, hand.before = portion, (hand.questions, hand.seconds)
        stream: Any = hand.actor.answer.options(num_returns="streaming")
        hand.due = stream.remote(portion.groups, folders)

    def _listen(self, hand: Hand, portion: Portion, portions: Portions) -> Sequence[Completion]:
        """What a worker answers next; none at the portion's end; errors, if it is lost and they are due."""
        try:
            said: Said = self.crew.result(next(hand.due))
        except StopIteration:
            hand.due = hand.portion = None
            hand.rate = (hand.questions - hand.before[0]) / max(hand.seconds - hand.before[1], 1e-3)
            return ()
        except WorkerLostError as error:
            self.crew.lose(hand, str(error))
            return list(portions.lost(portion, str(error)))
        hand.work, hand.seconds = said.work, hand.seconds + said.seconds
        hand.questions += len(said.answers)
        self.crew.note(hand, said.notes)
        for answer in said.answers:
            portion.take(answer)
        return said.answers


@cache
def _is_folder(path: str) -> bool:
    """What is missing on this machine too is an error of its images alone."""
    return os.path.isdir(path)
