"""Checkpoints on disk: the model in them, and the hash of what decides its answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqllava import adapters
from sqllava.conversion.layout import Kind, Layout
from sqllava.errors import CheckpointError
from sqllava.headers import read_header
from sqllava.locate import base_of, locate, weight_files

if TYPE_CHECKING:
    import torch

    from sqllava.modeling import SqLlavaForConditionalGeneration
    from sqllava.processing import SqLlavaProcessor

_CONTENT = ("*.safetensors", "*.safetensors.index.json", "*.jinja", "tokenizer.model", "vocab.json", "merges.txt")
_SETTINGS = (
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


def resolve(checkpoint: str | Path) -> Path:
    """The folder of a checkpoint that `load` takes: packaged name, path, or hub id.

    Raises CheckpointError for anything else, with the next step for a release that must be converted first.
    """
    return _loadable(checkpoint).folder


def load(
    checkpoint: str | Path, *, base: str | Path | None = None, device: str = "auto", dtype: str = "auto"
) -> tuple[SqLlavaForConditionalGeneration, SqLlavaProcessor]:
    """A checkpoint's model, ready for inference, and its processor.

    checkpoint: a folder written by save_pretrained, a LoRA adapter folder, a packaged name (``mini``), or a hub id.
    base: for an adapter, the checkpoint underneath instead of the one that the adapter names.
    device: "auto" is CUDA where there is one, else the CPU.
    dtype: "auto" is bfloat16 on CUDA and float32 on the CPU, whatever the dtype of the stored weights.

    An adapter is merged: W + α/r · B·A, at the precision of its base's stored weights or `dtype`, whichever is higher.

    Raises CheckpointError, with one message, for everything that keeps the checkpoint from being used as it is: a
    missing folder, a foreign model type, unreadable files, missing, unused or misshapen weights.
    """
    from sqllava.placement import find_device, find_dtype

    place = find_device(device)
    kind = find_dtype(dtype, place)
    with quiet_transformers():
        model, processor = _read(_loadable(checkpoint), base, kind)
    return model.to(place).eval(), processor


def checkpoint_hash(checkpoint: str | Path, *, base: str | Path | None = None) -> str:
    """SHA-256 over names and contents of the files that decide a checkpoint's answers.

    These are weights, configuration, tokenizer and processor; logs, cards and optimizer states do not count. An
    adapter's hash covers its base's, wherever that lies. Raises CheckpointError.
    """
    return _hash(_loadable(checkpoint), base)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without transformers' load reports and progress bars: what matters in them is raised by `load`."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _loadable(checkpoint: str | Path) -> Layout:
    found = locate(checkpoint)
    if found.to_convert:
        options = " --base BASE --vision-tower TOWER" if found.needs_base else ""
        raise CheckpointError(
            f"checkpoint {found.folder}: is a {found.description}, which is converted before it is loaded; run "
            f"`sqllava convert {checkpoint}{options} --out OUT` and give OUT, or evaluate it as it is with "
            f"`sqeval run --ckpt {checkpoint}{options}`"
        )
    return found


def underneath(found: Layout, base: str | Path | None = None, above: tuple[Path, ...] = ()) -> Layout | None:
    """What the adapter `found` stands on, or `base` instead; None if `found` is a whole checkpoint.

    above: adapters that stand on this one. Raises CheckpointError for a base that is superfluous, cannot be used, or
    stands on its own adapter.
    """
    if found.kind != Kind.adapter:
        if base is not None:
            raise CheckpointError(f"checkpoint {found.folder}: is a whole model; leave out the base {str(base)!r}")
        return None
    name = base_of(found.folder) if base is None else base
    try:
        under = _loadable(name)
    except CheckpointError as error:
        raise CheckpointError(f"adapter {found.folder}: its base cannot be used: {error}") from error.__cause__
    if under.folder.resolve() in (found.folder.resolve(), *above):
        raise CheckpointError(f"adapter {found.folder}: its base {str(name)!r} stands on it; name a whole model")
    return under


def _read(
    found: Layout, base: str | Path | None, kind: torch.dtype, above: tuple[Path, ...] = ()
) -> tuple[SqLlavaForConditionalGeneration, SqLlavaProcessor]:
    under = underneath(found, base, above)
    if under is None:
        return _read_whole(found.folder, kind)
    fine = _promoted(under.folder, kind)
    model, processor = _read(under, None, fine, (*above, found.folder.resolve()))
    model = adapters.attach_and_merge(model, found.folder)
    if fine != kind:
        # Parameters alone: the rotary embeddings' frequencies stay float32, as they are after loading.
        for parameter in model.parameters():
            parameter.data = parameter.data.to(kind)
        model.config.dtype = kind
    if (found.folder / "processor_config.json").is_file():
        processor = _read_processor(found.folder)
        _check_vocabulary(found.folder, model, processor)
    return model, processor


def _read_whole(folder: Path, kind: torch.dtype) -> tuple[SqLlavaForConditionalGeneration, SqLlavaProcessor]:
    weight_files(folder)
    from sqllava.modeling import SqLlavaForConditionalGeneration

    processor = _read_processor(folder)
    with _explained(folder):
        model, notes = SqLlavaForConditionalGeneration.from_pretrained(
            folder,
            dtype=kind,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # reported below, with the other faults
            output_loading_info=True,
        )
    _check_weights(folder, notes)
    _check_vocabulary(folder, model, processor)
    return model, processor


def _read_processor(folder: Path) -> SqLlavaProcessor:
    from sqllava.processing import SqLlavaProcessor

    with _explained(folder):
        processor: SqLlavaProcessor = SqLlavaProcessor.from_pretrained(folder, local_files_only=True)
    return processor


def _promoted(folder: Path, kind: torch.dtype) -> torch.dtype:
    """`kind`, or the finer dtype that `folder` stores weights in: rounding comes after merging."""
    import torch

    stored = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
    for file in weight_files(folder):
        for name in {tensor.dtype for tensor in read_header(file).values()}:
            kind = torch.promote_types(kind, stored.get(name, torch.float32))
    return kind


def _hash(found: Layout, base: str | Path | None, above: tuple[Path, ...] = ()) -> str:
    under = underneath(found, base, above)
    whole = hashlib.sha256()
    chosen = {found.folder / name for name in _SETTINGS if (found.folder / name).is_file()}
    for file in sorted(chosen.union(*(found.folder.glob(pattern) for pattern in _CONTENT))):
        with file.open("rb") as stream:
            whole.update(f"{file.name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    if under is not None:
        # Where the base lies changes no answer; what is in it does.
        config = {**adapters.read_adapter_json(found.folder), "base_model_name_or_path": None}
        whole.update(f"{adapters.CONFIG}:{json.dumps(config, sort_keys=True)}\n".encode())
        whole.update(f"base:{_hash(under, None, (*above, found.folder.resolve()))}\n".encode())
    return whole.hexdigest()


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own kinds
        told = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        raise CheckpointError(f"checkpoint {folder}: cannot be loaded: {told}") from error


def _check_weights(folder: Path, notes: dict[str, Any]) -> None:
    adapters.require_no_faults(
        f"checkpoint {folder}: weights do not fit the configuration",
        {
            "missing": sorted(notes["missing_keys"]),
            "unused": sorted(notes["unexpected_keys"]),
            "of another shape": sorted(
                f"{name} ({tuple(found)} for {tuple(wanted)})" for name, found, wanted in notes["mismatched_keys"]
            ),
        },
    )


def _check_vocabulary(folder: Path, model: SqLlavaForConditionalGeneration, processor: SqLlavaProcessor) -> None:
    config = model.config
    rows, tokens = config.text_config.vocab_size, len(processor.tokenizer)
    if tokens > rows:
        raise CheckpointError(f"checkpoint {folder}: the tokenizer has {tokens} tokens, the model {rows}")
    if processor.image_token_id != config.image_token_id or processor.image_seq_length != config.image_seq_length:
        raise CheckpointError(
            f"checkpoint {folder}: the processor writes {processor.image_seq_length} image tokens of id"
            f" {processor.image_token_id}, the model expects {config.image_seq_length} of id {config.image_token_id}"
        )
