"""Groups that are taken up together: their prefixes, their segments, and one step of all that are alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sqllava.inference.jobs import Job, alike
from sqllava.inference.packed import PackedModel
from sqllava.inference.segment import Continuation, Segment
from sqllava.inference.tree import Extension, Level

ROOT_TOKENS = 8
"""Shorter starts are not worth a level of their own."""


def alike_in_length(one: int, other: int) -> bool:
    """Whether nodes of these lengths may share a level, where each takes the room of the longest."""
    return max(one, other) <= 2 * min(one, other) + 32


@dataclass(slots=True)
class Branch:
    """A level of segments of similar length. `segments[n]` is node n, None once it is finished."""

    level: Level
    segments: list[Segment | None]

    @property
    def live(self) -> list[Segment]:
        """Those that go on."""
        return [segment for segment in self.segments if segment is not None]

    def prune(self) -> None:
        """Drop the nodes that are finished."""
        nodes = [node for node, segment in enumerate(self.segments) if segment is not None]
        self.level.keep(nodes)
        self.segments = [self.segments[node] for node in nodes]


@dataclass(slots=True)
class Wave:
    """Groups that were taken up together: a level of prefixes, and branches above it."""

    jobs: list[Job]
    prefixes: Level
    branches: list[Branch]

    @property
    def live(self) -> list[Segment]:
        """Segments that go on."""
        return [segment for branch in self.branches for segment in branch.live]

    def shrink(self) -> None:
        """Forget finished segments, and the memory of segments and of prefixes once half of them are done."""
        for branch in self.branches:
            branch.segments = [s if s is not None and s.finish_reason is None else None for s in branch.segments]
        self.branches = [branch for branch in self.branches if branch.live]
        for branch in self.branches:
            if 2 * len(branch.live) <= len(branch.segments):
                branch.prune()
        used = {parent for b in self.branches for parent, s in zip(b.level.parents, b.segments, strict=True) if s}
        if used and 2 * len(used) <= len(self.prefixes):
            for branch in self.branches:
                branch.prune()
            kept = sorted(used)
            self.prefixes.keep(kept)
            for branch in self.branches:
                branch.level.parents = [kept.index(parent) for parent in branch.level.parents]


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens for every node of a new level."""

    level: Level
    ids: list[list[int]]
    features: list[Tensor | None]
    """The image that each node's image tokens stand for."""
    seen: list[int]
    """How many of its tokens stand above the node."""

    def images(self, image_token: int) -> list[Tensor]:
        """The features of all image tokens, in order."""
        found = []
        for row, image, before in zip(self.ids, self.features, self.seen, strict=True):
            here = row.count(image_token)
            if here and image is not None:
                found.append(image[before : before + here])
        return found


class Launcher:
    """Starts waves on a packed model: prefixes first, then all segments behind them."""

    def __init__(self, packed: PackedModel) -> None:
        self.packed = packed
        self.image_token: int = packed.model.config.image_token_id
        self._root: tuple[list[int], Level] | None = None
        self.computed = 0
        """Prompt tokens that went through the model so far."""

    def prefixes(self, jobs: Sequence[Job]) -> Level:
        """A node for each job's prefix."""
        if jobs[0].node is not None:
            return jobs[0].node
        skip, root = self._shared([job.prefix for job in jobs])
        level = Level(root, [0] * len(jobs))
        ids = [job.prefix[skip:] for job in jobs]
        self._append([Part(level, ids, [job.features for job in jobs], [0] * len(jobs))], None)
        return level

    def start(self, jobs: Sequence[Job], prefixes: Level) -> tuple[Wave, Tensor, list[Continuation]]:
        """The wave of all segments, the hidden states before each live segment's first token (and, behind those,
        before each token of the continuations), and the continuations."""
        rows = [(number, row) for number, job in enumerate(jobs) for row in job.segments]
        seen = [job.prefix.count(self.image_token) for job in jobs]
        parts, branches = [], []
        by_length = _by_length(rows)
        for some in by_length:
            level = Level(prefixes, [number for number, _ in some])
            parts.append(
                Part(
                    level, [row.ids for _, row in some], [jobs[n].features for n, _ in some], [seen[n] for n, _ in some]
                )
            )
            branches.append(Branch(level, [row if isinstance(row, Segment) else None for _, row in some]))
        ordered = [row for some in by_length for _, row in some]
        last: list[int] = []
        inside: list[int] = []
        end = 0
        for row in ordered:
            end += len(row.ids)
            if isinstance(row, Segment):
                last.append(end - 1)
            else:
                inside += range(end - len(row.ids) + row.given - 1, end - 1)
        hidden = self._append(parts, torch.tensor(last + inside, device=self.packed.model.device))
        assert hidden is not None
        return Wave(list(jobs), prefixes, branches), hidden, [row for row in ordered if isinstance(row, Continuation)]

    def step(self, waves: Sequence[Wave]) -> tuple[list[Segment], Tensor]:
        """Append to each live segment the token that it said last; gives the segments and their V float32 logits."""
        tree: list[Extension] = []
        live: list[Segment] = []
        for branch in (branch for wave in waves for branch in wave.branches):
            tree.append(self.packed.extension(branch.level, [int(segment is not None) for segment in branch.segments]))
            live += branch.live
        embeddings = self.packed.embed([segment.tokens[-1] for segment in live])
        hidden = self.packed.append(tree, embeddings, torch.arange(len(live), device=embeddings.device))
        assert hidden is not None
        return live, self.packed.logits(hidden)

    def _append(self, parts: Sequence[Part], wanted: Tensor | None) -> Tensor | None:
        """One forward pass over all parts; the hidden states of the `wanted` tokens among them."""
        flat = [token for part in parts for row in part.ids for token in row]
        self.computed += len(flat)
        embeddings = self.packed.embed(flat)
        images = [image for part in parts for image in part.images(self.image_token)]
        if images:
            places = torch.tensor(flat, device=embeddings.device) == self.image_token
            embeddings = embeddings.masked_scatter(places[:, None], torch.cat(images).to(embeddings))
        tree = [self.packed.extension(part.level, [len(row) for row in part.ids]) for part in parts]
        return self.packed.append(tree, embeddings, wanted)

    def _shared(self, prefixes: Sequence[list[int]]) -> tuple[int, Level | None]:
        """How many tokens all begin with, and the node that holds them; (0, None) if that is not worth it.

        The first groups decide what it is: as a rule the template's system text.
        """
        if self._root is None and len(prefixes) > 1:
            first, other = min(prefixes), max(prefixes)
            text = first[: min(alike(first, other), len(first) - 1)]
            ids = text[: text.index(self.image_token)] if self.image_token in text else text
            if len(ids) >= ROOT_TOKENS:
                level = Level(None, [0])
                self._append([Part(level, [ids], [None], [0])], None)
                self._root = ids, level
        if self._root is None:
            return 0, None
        ids, level = self._root
        whole = all(len(prefix) > len(ids) and prefix[: len(ids)] == ids for prefix in prefixes)
        return (len(ids), level) if whole else (0, None)


def _by_length(rows: Sequence[tuple[int, Segment | Continuation]]) -> list[list[tuple[int, Segment | Continuation]]]:
    """The rows (job's number, segment) in parts of similar length, each in the order of the jobs."""
    lengths = sorted({len(row.ids) for _, row in rows})
    shortest = lengths[0]
    part = {}
    for length in lengths:
        if not alike_in_length(shortest, length):
            shortest = length
        part[length] = shortest
    return [[one for one in rows if part[len(one[1].ids)] == first] for first in dict.fromkeys(part.values())]


def held(waves: Sequence[Wave], jobs: Sequence[Job]) -> int:
    """Tokens that waves, and prefixes of groups that are not through, hold memory for."""
    levels = [level for wave in waves for level in (wave.prefixes, *(branch.level for branch in wave.branches))]
    levels += [job.node for job in jobs if job.node is not None]
    return sum(level.tokens for level in {id(level): level for level in levels}.values())
