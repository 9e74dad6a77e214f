"""Groups that were taken up together: their prefixes, their segments, and one step of all that are alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sqllava.inference.jobs import Job, alike
from sqllava.inference.packed import PackedModel
from sqllava.inference.segment import Continuation, Segment
from sqllava.inference.tree import Extension, Level

ROOT_TOKENS = 8
"""Shorter starts are not worth a level of their own."""


@dataclass(slots=True)
class Wave:
    """A level of segments over a level of prefixes. `segments[n]` is node n, None once it is finished."""

    jobs: list[Job]
    level: Level
    segments: list[Segment | None]

    @property
    def live(self) -> list[Segment]:
        """Those that go on."""
        return [segment for segment in self.segments if segment is not None]

    def shrink(self) -> None:
        """Forget finished segments, and the memory of segments and prefixes once half of them are done."""
        self.segments = [s if s is not None and s.finish_reason is None else None for s in self.segments]
        nodes = [node for node, segment in enumerate(self.segments) if segment is not None]
        if not nodes or 2 * len(nodes) > len(self.segments):
            return
        self.level.keep(nodes)
        self.segments = [self.segments[node] for node in nodes]
        prefixes = sorted(set(self.level.parents))
        if self.level.above is not None and 2 * len(prefixes) <= len(self.level.above):
            self.level.above.keep(prefixes)
            self.level.parents = [prefixes.index(parent) for parent in self.level.parents]


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
        self._append(level, ids, [job.features for job in jobs], [0] * len(jobs), None)
        return level

    def start(self, jobs: Sequence[Job], prefixes: Level) -> tuple[Wave, Tensor, list[Continuation]]:
        """The wave of all segments, the hidden states before each segment's first token (and, behind those, before
        each token of the continuations), and the continuations."""
        rows = [(job, number, row) for number, job in enumerate(jobs) for row in job.segments]
        level = Level(prefixes, [number for _, number, _ in rows])
        ids = [row.ids for *_, row in rows]
        ends = torch.tensor([len(row) for row in ids]).cumsum(0).tolist()
        last: list[int] = []
        inside: list[int] = []
        for end, (*_, row) in zip(ends, rows, strict=True):
            if isinstance(row, Segment):
                last.append(end - 1)
            else:
                begin = end - len(row.ids) + row.given - 1
                inside += range(begin, end - 1)
        seen = [job.prefix.count(self.image_token) for job in jobs]
        hidden = self._append(
            level, ids, [job.features for job, *_ in rows], [seen[number] for _, number, _ in rows],
            torch.tensor(last + inside, device=self.packed.model.device),
        )  # fmt: skip
        assert hidden is not None
        segments = [row if isinstance(row, Segment) else None for *_, row in rows]
        return Wave(list(jobs), level, segments), hidden, [row for *_, row in rows if isinstance(row, Continuation)]

    def step(self, waves: Sequence[Wave]) -> tuple[list[Segment], Tensor]:
        """Append to each live segment the token that it said last; gives the segments and their V float32 logits."""
        tree: list[Extension] = []
        live: list[Segment] = []
        for wave in waves:
            tree.append(self.packed.extension(wave.level, [int(segment is not None) for segment in wave.segments]))
            live += wave.live
        embeddings = self.packed.embed([segment.tokens[-1] for segment in live])
        hidden = self.packed.append(tree, embeddings, torch.arange(len(live), device=embeddings.device))
        assert hidden is not None
        return live, self.packed.logits(hidden)

    def _append(
        self, level: Level, ids: Sequence[list[int]], features: Sequence[Tensor | None], seen: Sequence[int],
        wanted: Tensor | None,
    ) -> Tensor | None:  # fmt: skip
        """One forward pass over a row of tokens for each node. seen: image tokens that stand above each node."""
        flat = [token for row in ids for token in row]
        self.computed += len(flat)
        embeddings = self.packed.embed(flat)
        parts = []
        for row, image, before in zip(ids, features, seen, strict=True):
            here = row.count(self.image_token)
            if here and image is not None:
                parts.append(image[before : before + here])
        if parts:
            images = torch.tensor(flat, device=embeddings.device) == self.image_token
            embeddings = embeddings.masked_scatter(images[:, None], torch.cat(parts).to(embeddings))
        return self.packed.append([self.packed.extension(level, [len(row) for row in ids])], embeddings, wanted)

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
                self._append(level, [ids], [None], [0], None)
                self._root = ids, level
        if self._root is None:
            return 0, None
        ids, level = self._root
        whole = all(len(prefix) > len(ids) and prefix[: len(ids)] == ids for prefix in prefixes)
        return (len(ids), level) if whole else (0, None)


def held(waves: Sequence[Wave], jobs: Sequence[Job]) -> int:
    """Tokens that waves, and prefixes of groups that are not through, hold memory for."""
    levels: dict[int, Any] = {}
    for wave in waves:
        levels[id(wave.level)] = wave.level
        levels[id(wave.level.above)] = wave.level.above
    for job in jobs:
        if job.node is not None:
            levels[id(job.node)] = job.node
    return sum(level.tokens for level in levels.values())
