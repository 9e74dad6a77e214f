"""A checkpoint in any known layout becomes a folder that `sqllava.load` and transformers take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from torch import Tensor
from transformers import GenerationConfig

from sqllava.conversion.adapter_folder import BASE, write_kept_adapter
from sqllava.conversion.gather import plan_conversion
from sqllava.conversion.output import check_free, whole_folder
from sqllava.conversion.plan import Plan, Target
from sqllava.conversion.provenance import PROVENANCE, bytes_to_hash, provenance
from sqllava.conversion.shards import SHARD_BYTES, write_model
from sqllava.conversion.weights import Reader
from sqllava.processing import SqLlavaProcessor

Progress = Callable[[str, int, int], None]
"""Told what is being done, and how many bytes of how many are."""


def convert(
    src: Path,
    out: Path,
    *,
    base: Path | None = None,
    vision_tower: Path | None = None,
    keep_lora: bool = False,
    dtype: str = "keep",
    progress: Progress | None = None,
) -> Path:
    """Convert the checkpoint folder `src` into the new folder `out`, and return `out`.

    `base` and `vision_tower` are the folders of what the checkpoint was trained on; where they are None, the folders
    that the checkpoint names are used if they are on this machine. Adapters are merged, or with `keep_lora` written
    as one PEFT adapter over the unmerged model in ``out/base``. `dtype` "keep" leaves every tensor as it is stored
    (a merged one as its base); or float16, bfloat16, float32.

    Tensors are read, converted and written one at a time: memory holds a few of them. `out` appears when it is
    complete. Raises CheckpointError, before anything is written, for missing folders and packages, unknown layouts,
    tensors that are missing, unused or misshapen, settings that are not supported, or an `out` that holds something.
    """
    check_free(out, 0)
    plan = plan_conversion(src, base, vision_tower, dtype)
    return write(plan, out, keep_lora=keep_lora, dtype=dtype, progress=progress)


def write(
    plan: Plan,
    out: Path,
    *,
    keep_lora: bool = False,
    dtype: str = "keep",
    progress: Progress | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> Path:
    """Carry out `plan`; the rest as `convert`. Files of weights are at most `shard_bytes` (or one tensor) large."""
    kept = [pair for target in plan.targets for pair in target.pairs] if keep_lora else []
    total = plan.nbytes + sum(pair.nbytes for pair in kept)
    check_free(out, total)
    reader = Reader()
    wrote = _counter("writing weights", total, progress)

    def make(target: Target) -> Tensor:
        tensor = target.make(reader, merge=not keep_lora)
        wrote(target.nbytes)
        return tensor

    with whole_folder(out) as folder:
        model = folder / BASE if keep_lora else folder
        model.mkdir(exist_ok=True)
        if keep_lora:
            write_kept_adapter(folder, plan, reader, wrote)
        write_model(model, plan.targets, make, shard_bytes)
        processor = SqLlavaProcessor.for_config(plan.config, plan.tokenizer)
        plan.config.save_pretrained(model)
        _generation_config(plan).save_pretrained(model)
        for place in {model, folder}:
            processor.save_pretrained(place)
        hashed = _counter("hashing sources", bytes_to_hash(plan), progress)
        facts = provenance(plan, dtype=dtype, merged=not keep_lora, hashed=hashed)
        for place in {model, folder}:
            (place / PROVENANCE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return out


def _counter(what: str, total: int, progress: Progress | None) -> Callable[[int], None]:
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(what, done, total)

    return add


def _generation_config(plan: Plan) -> GenerationConfig:
    """Where sequences begin and end; sampling settings are the caller's, so those of a base model are not taken."""
    text, tokenizer = plan.config.text_config, plan.tokenizer
    return GenerationConfig(
        bos_token_id=text.bos_token_id,
        eos_token_id=text.eos_token_id,
        pad_token_id=text.pad_token_id if text.pad_token_id is not None else tokenizer.pad_token_id,
    )
