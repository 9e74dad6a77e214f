"""What a conversion will write: every tensor of our model, where it comes from, and what is done to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.initialization import no_init_weights

from sqllava.config import SqLlavaConfig
from sqllava.conversion import names
from sqllava.conversion.layout import VISION_ADAPTER, Layout
from sqllava.conversion.lora import Adapter, Pair
from sqllava.conversion.vocabulary import grow
from sqllava.conversion.weights import Reader, Stored
from sqllava.errors import CheckpointError


@dataclass(slots=True)
class Source:
    """A folder that tensors come from."""

    role: str
    """What it is to the conversion: "checkpoint", "vision tower" or "base model"."""
    folder: Path
    tensors: dict[str, Stored]
    """By our names."""
    files: tuple[Path, ...]
    left: list[str] = field(default_factory=list)
    """Stored names of what is knowingly not used, such as the text half of a whole CLIP."""


@dataclass(frozen=True, slots=True)
class Target:
    """One tensor of our model."""

    name: str
    stored: Stored
    shape: tuple[int, ...]
    dtype: torch.dtype
    pairs: tuple[Pair, ...] = ()

    @property
    def nbytes(self) -> int:
        """Size in bytes, as it will be written."""
        return math.prod(self.shape) * self.dtype.itemsize

    def make(self, reader: Reader, *, merge: bool = True) -> Tensor:
        """The tensor as it will be written: ``W + Σ scaling · B · A`` in float32, then cast; rows added last."""
        tensor = reader.read(self.stored)
        if merge and self.pairs:
            tensor = tensor.float()
            for pair in self.pairs:
                tensor += pair.delta(reader)
        tensor = grow(tensor.to(self.dtype), self.shape[0]) if tensor.dim() == 2 else tensor.to(self.dtype)
        if not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{self.stored.file}: tensor {self.stored.name} is not finite as {self.dtype};"
                " if it is in the file, choose another --dtype"
            )
        return tensor


@dataclass(frozen=True, slots=True)
class Plan:
    """A conversion that can be carried out: everything is there, fits, and is used."""

    layout: Layout
    config: SqLlavaConfig
    tokenizer: Any
    targets: tuple[Target, ...]
    adapters: Mapping[str, Adapter]
    """By the part that they change: "language model", "vision tower"."""
    sources: tuple[Source, ...]

    @property
    def nbytes(self) -> int:
        """Size in bytes of the weights to be written."""
        return sum(target.nbytes for target in self.targets)

    @property
    def dtype(self) -> torch.dtype:
        """Of the language model, and the whole where one was asked for."""
        return next(target.dtype for target in self.targets if target.name == names.EMBEDDINGS)

    def lines(self) -> list[str]:
        """For people: what was found, one fact a line."""
        used = {target.stored.file for target in self.targets}
        facts = {"layout": self.layout.description, "projector": self.config.projector_type}
        for source in self.sources:
            count = sum(target.stored.file in source.files for target in self.targets)
            left = f", {len(source.left)} not needed" if source.left else ""
            files = len(used & {*source.files})
            facts[source.role] = f"{source.folder}: {count} tensors of {files} file{'s' * (files != 1)}{left}"
        facts |= {f"LoRA, {part}": adapter.summary() for part, adapter in self.adapters.items()}
        if self.layout.needs_base and "vision tower" not in self.adapters:
            facts["LoRA, vision tower"] = f"none: there is no {VISION_ADAPTER}/"
        facts["vocabulary"] = f"{len(self.tokenizer)} tokens, {self.config.text_config.vocab_size} rows"
        facts["writes"] = f"{len(self.targets)} tensors, {self.nbytes / 1e9:.2f} GB"
        return [f"{name:<22}{value}" for name, value in facts.items()]


def collect(
    stored: Mapping[str, Stored], our_name: Callable[[str], str | None], spare: Callable[[str], bool]
) -> tuple[dict[str, Stored], list[str]]:
    """Tensors by our names, and the stored names of those left out: known buffers, and what `spare` says is not needed.

    Raises CheckpointError for names that are neither, and for two that mean the same.
    """
    ours: dict[str, Stored] = {}
    left: list[str] = []
    foreign: list[str] = []
    for name, one in stored.items():
        target = our_name(name)
        if (target is not None and names.is_buffer(target)) or spare(name):
            left.append(name)
        elif target is None:
            foreign.append(name)
        elif target in ours:
            raise CheckpointError(f"{one.file}: {name} and {ours[target].name} are both {target}")
        else:
            ours[target] = one
    if foreign:
        folder = next(iter(stored.values())).file.parent
        raise CheckpointError(f"{folder}: {len(foreign)} tensors are of no known part: {names.listed(foreign)}")
    return ours, left


def match(
    config: SqLlavaConfig,
    sources: Iterable[Source],
    adapters: Iterable[Adapter],
    dtype: torch.dtype | None,
) -> tuple[Target, ...]:
    """The tensors of a model of `config`, each from the first source that has it.

    Raises CheckpointError that lists every missing, unused or misshapen tensor.
    """
    sources = tuple(sources)
    wanted = expected_shapes(config)
    pairs: dict[str, list[Pair]] = {}
    for adapter in adapters:
        for name, pair in adapter.pairs.items():
            pairs.setdefault(name, []).append(pair)
    found: dict[str, Stored] = {}
    for source in reversed(sources):
        found.update(source.tensors)
    unused = {f"{one.name} ({one.file.name})" for name, one in found.items() if name not in wanted}
    unused |= {f"the LoRA of {name}" for name in pairs if name not in wanted}
    rows = config.text_config.vocab_size
    misshapen = [
        f"{found[name].name} ({found[name].file.name}) is {_by(found[name].shape)} for {_by(shape)}"
        for name, shape in wanted.items()
        if name in found and not _fits(found[name].shape, shape, name, rows)
    ]
    misshapen += [
        f"the LoRA of {name} is {pair.b.shape[0]}×{pair.a.shape[1]} for {_by(wanted[name])}"
        for name, some in pairs.items()
        for pair in some
        if name in wanted and (pair.b.shape[0], pair.a.shape[1]) != wanted[name]
    ]
    _raise_faults(sources, missing=[name for name in wanted if name not in found], unused=unused, misshapen=misshapen)
    return tuple(
        Target(name, found[name], shape, dtype or found[name].dtype, tuple(pairs.get(name, ())))
        for name, shape in wanted.items()
    )


def expected_shapes(config: SqLlavaConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of what a model of `config` stores, in its own order; nothing is allocated."""
    from sqllava.modeling import SqLlavaForConditionalGeneration

    with torch.device("meta"), no_init_weights():
        model = SqLlavaForConditionalGeneration(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        del shapes[names.HEAD]
    return shapes


def _fits(stored: tuple[int, ...], shape: tuple[int, ...], name: str, rows: int) -> bool:
    if name in (names.EMBEDDINGS, names.HEAD):  # rows are added
        return len(stored) == 2 and stored[1] == shape[1] and stored[0] <= rows
    return stored == shape


def _raise_faults(
    sources: Iterable[Source], *, missing: Iterable[str], unused: Iterable[str], misshapen: Iterable[str]
) -> None:
    faults = {"missing": list(missing), "unused": sorted(unused), "of another shape": list(misshapen)}
    told = [f"{len(some)} {kind}: {names.listed(some)}" for kind, some in faults.items() if some]
    if told:
        where = ", ".join(str(source.folder) for source in sources)
        raise CheckpointError(
            f"{where}: tensors do not make up the model that config.json describes; {'; '.join(told)}"
        )


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
