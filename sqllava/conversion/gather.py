"""From folders to a plan: which part of the model comes from which folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from sqllava.conversion import names
from sqllava.conversion.layout import VISION_ADAPTER, Kind, Layout, read_json, recognise, stored_as
from sqllava.conversion.lora import Adapter, read_adapter
from sqllava.conversion.plan import Plan, Source, collect, match
from sqllava.conversion.settings import model_config
from sqllava.conversion.sources import named_folder
from sqllava.conversion.vocabulary import load_tokenizer, rows_needed
from sqllava.conversion.weights import Reader, model_files, scan
from sqllava.errors import CheckpointError

DTYPES = {"keep": None, "float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def plan_conversion(src: Path, base: Path | None = None, tower: Path | None = None, dtype: str = "keep") -> Plan:
    """Read all headers, configurations and the tokenizer, and decide what every tensor of the result is made of.

    A tensor comes from the checkpoint if it is there, else from the vision tower's folder, else from the base model.
    Raises CheckpointError for whatever would make the conversion fail, before anything is written.
    """
    if dtype not in DTYPES:
        raise CheckpointError(f"unknown dtype {dtype!r}; give {', '.join(DTYPES)}")
    layout = _recognised(src)
    base = _base(layout, base)
    tower = _tower(layout, tower, base)
    config = model_config(layout, base, tower)
    sources = _sources(layout, base, tower)
    tokenizer = load_tokenizer(base or src)
    adapters = _adapters(layout)

    embeddings = next((one for source in sources if (one := source.tensors.get(names.EMBEDDINGS))), None)
    if embeddings is not None:  # a missing one is reported with all that is missing
        config.text_config.vocab_size = rows_needed(embeddings.shape[0], len(tokenizer))
    config.image_token_index = tokenizer.convert_tokens_to_ids(tokenizer.image_token)
    if config.tie_word_embeddings:
        _drop_tied_head(sources)
    targets = match(config, sources, adapters.values(), DTYPES[dtype])
    config.architectures = ["SqLlavaForConditionalGeneration"]
    config.dtype = next(target.dtype for target in targets if target.name == names.EMBEDDINGS)
    return Plan(layout, config, tokenizer, targets, adapters, sources)


def _recognised(src: Path) -> Layout:
    if not src.is_dir():
        raise CheckpointError(f"{src}: no such folder")
    layout = recognise(src)
    if layout is None:
        raise CheckpointError(
            f"{src}: is no checkpoint that can be converted. Known are: LoRA checkpoints of the release (config.json,"
            f" adapter_config.json, adapter_model, non_lora_trainables, {VISION_ADAPTER}/), its stage 1 (config.json,"
            " mm_projector), merged or full LLaVA weights, and transformers' LlavaForConditionalGeneration"
        )
    if not layout.to_convert:
        raise CheckpointError(f"{src}: {layout.description}: nothing is to be converted; use the folder as it is")
    return layout


def _base(layout: Layout, base: Path | None) -> Path | None:
    if not layout.needs_base:
        if base is not None:
            raise CheckpointError(f"{layout.folder}: holds its whole language model; leave out --base")
        return None
    base = base or named_folder(layout.base_name)
    if base is None:
        wanted = layout.base_name or "the language model that it was trained on"
        raise CheckpointError(f"{layout.folder}: holds no language model; give --base {wanted} (a folder or a hub id)")
    return base


def _tower(layout: Layout, tower: Path | None, base: Path | None) -> Path | None:
    """The folder with the vision tower's configuration, and its weights where nothing before it has them."""
    if layout.kind is Kind.llava:
        if tower is not None:
            raise CheckpointError(f"{layout.folder}: holds its vision tower; leave out --vision-tower")
        return None
    tower = tower or named_folder(layout.vision_tower_name)
    if tower is None and base is not None and isinstance(read_json(base / "config.json").get("vision_config"), dict):
        return base
    if tower is None:
        wanted = layout.vision_tower_name or "the CLIP folder that it was trained with"
        raise CheckpointError(
            f"{layout.folder}: its vision tower is not on this machine; give --vision-tower {wanted}"
            " (a folder or a hub id)"
        )
    return tower


def _sources(layout: Layout, base: Path | None, tower: Path | None) -> tuple[Source, ...]:
    """In the order in which they are asked for a tensor."""
    checkpoint = _checkpoint(layout)
    sources = [checkpoint]
    holds_tower = not layout.needs_base and _has(checkpoint, names.VISION)
    if tower is not None and tower != base and not holds_tower:
        files = model_files(tower)
        tensors, left = collect(scan(files), names.tower_name, names.is_text_tower)
        sources.append(Source("vision tower", tower, tensors, tuple(files), left))
    if base is not None:
        files = model_files(base)
        tensors, left = collect(scan(files), names.model_name, lambda name: False)
        sources.append(_without_replaced(Source("base model", base, tensors, tuple(files), left), sources))
    return tuple(sources)


def _checkpoint(layout: Layout) -> Source:
    folder = layout.folder
    if layout.kind is Kind.release_lora:
        files = [file for file in [stored_as(folder, "non_lora_trainables")] if file is not None]
    elif layout.kind is Kind.projector:
        files = [file for file in [stored_as(folder, "mm_projector")] if file is not None]
    else:
        files = model_files(folder)
    tensors, left = collect(scan(files), names.model_name, lambda name: False)
    return Source("checkpoint", folder, tensors, tuple(files), left)


def _without_replaced(base: Source, before: Sequence[Source]) -> Source:
    """A base without its own projector and vision tower, where the checkpoint brings its own or a tower is given.

    They may be of another kind (ShareGPT4V's base has LLaVA's projector), so single tensors must not be mixed.
    """
    replaced = [part for part in (names.PROJECTOR, names.VISION) if any(_has(source, part) for source in before)]
    kept = {name: one for name, one in base.tensors.items() if not name.startswith(tuple(replaced))}
    dropped = [one.name for name, one in base.tensors.items() if name not in kept]
    return replace(base, tensors=kept, left=[*base.left, *dropped])


def _has(source: Source, part: str) -> bool:
    return any(name.startswith(part) for name in source.tensors)


def _adapters(layout: Layout) -> dict[str, Adapter]:
    adapters = {}
    vision = layout.folder / VISION_ADAPTER
    if layout.kind is Kind.release_lora:
        adapters["language model"] = _language_adapter(layout)
        if not vision.is_dir() and any(names.is_adapted_tower(key) for key in adapters["language model"].left):
            raise CheckpointError(f"{layout.folder}: its vision tower was adapted, but {VISION_ADAPTER}/ is missing")
    if layout.needs_base and vision.is_dir():
        adapters["vision tower"] = read_adapter(vision, names.tower_name)
    return adapters


def _language_adapter(layout: Layout) -> Adapter:
    """The language model's adapter, without what it holds of the vision tower, as the release reads it.

    Its file is written from all LoRA parameters of the process, those of the tower's own adapter included, and
    suffixes such as ``q_proj`` match layers of the tower too. The release attaches it before the tower is there
    (unless `unfreeze_mm_vision_tower`), and then the tower's own adapter from its folder.
    """
    attached = bool(layout.config.get("unfreeze_mm_vision_tower"))

    def spare(name: str) -> bool:
        ours = names.model_name(name)
        of_tower = ours is not None and ours.startswith(names.VISION)
        return of_tower and (not attached or names.is_adapted_tower(name))

    return read_adapter(layout.folder, names.model_name, spare)


def _drop_tied_head(sources: Sequence[Source]) -> None:
    """Where head and embeddings are one table, a head that is stored too must be the same."""
    reader = Reader()
    for source in sources:
        head, embeddings = source.tensors.pop(names.HEAD, None), source.tensors.get(names.EMBEDDINGS)
        if head is None:
            continue
        if embeddings is None or not torch.equal(reader.read(head), reader.read(embeddings)):
            raise CheckpointError(
                f"{head.file}: config.json ties the head to the embeddings, but {head.name} differs from them"
            )
        source.left.append(head.name)
