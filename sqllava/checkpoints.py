"""Checkpoints on disk: where they are, whether they are ours, and the model in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqllava.errors import CheckpointError

if TYPE_CHECKING:
    import torch

    from sqllava.modeling import SqLlavaForConditionalGeneration
    from sqllava.processing import SqLlavaProcessor

PRETRAINED = Path(__file__).parent / "pretrained"
"""Checkpoints that come with the package, each loaded by its folder's name."""

MODEL_TYPE = "sqllava"

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


def packaged() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(folder.name for folder in PRETRAINED.glob("*") if (folder / "config.json").is_file())


def resolve(checkpoint: str | Path) -> Path:
    """The folder of a packaged name or a path; a local folder that has a packaged name is reached as ``./mini``.

    Raises CheckpointError for anything that is not a folder with a readable ``config.json`` of model type ``sqllava``.
    """
    names = packaged()
    folder = PRETRAINED / checkpoint if str(checkpoint) in names else Path(checkpoint)
    accepted = (
        f"a folder written by save_pretrained (config.json of model type {MODEL_TYPE!r} and safetensors)"
        f" or a packaged name ({', '.join(names) or 'none in this installation'})"
    )
    if not folder.exists():
        raise CheckpointError(f"checkpoint {str(checkpoint)!r}: no such folder; give {accepted}")
    if not folder.is_dir():
        raise CheckpointError(f"checkpoint {folder}: is a file; give {accepted}")
    found = read_config(folder, accepted).get("model_type")
    if found != MODEL_TYPE:
        raise CheckpointError(f"checkpoint {folder}: config.json has model type {found!r}; give {accepted}")
    return folder


def read_config(folder: Path, accepted: str) -> dict[str, Any]:
    """The parsed ``config.json`` of `folder`. Raises CheckpointError."""
    file = folder / "config.json"
    if not file.is_file():
        raise CheckpointError(f"checkpoint {folder}: has no config.json; give {accepted}")
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{file}: is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{file}: is not a JSON object")
    return value


def weight_files(folder: Path) -> list[Path]:
    """The checkpoint's safetensors files. Raises CheckpointError if there are none."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = ", ".join(sorted(file.name for file in folder.glob("*.bin")))
        why = f"; {pickles} cannot be used: weights are read from safetensors only" if pickles else ""
        raise CheckpointError(f"checkpoint {folder}: has no *.safetensors{why}")
    return files


def load(
    checkpoint: str | Path, *, device: str = "auto", dtype: str = "auto"
) -> tuple[SqLlavaForConditionalGeneration, SqLlavaProcessor]:
    """A checkpoint's model, ready for inference, and its processor.

    `checkpoint` is a folder or a packaged name such as ``mini``. `device` "auto" is CUDA where there is one, else the
    CPU; `dtype` "auto" is bfloat16 on CUDA and float32 on the CPU, whatever the dtype of the stored weights.

    Raises CheckpointError, with one message, for everything that keeps the checkpoint from being used as it is: a
    missing folder, a foreign model type, unreadable files, missing, unused or misshapen weights.
    """
    folder = resolve(checkpoint)
    weight_files(folder)
    place = _device(device)
    kind = _dtype(dtype, place)
    from sqllava.modeling import SqLlavaForConditionalGeneration
    from sqllava.processing import SqLlavaProcessor

    try:
        with quiet_transformers():
            processor = SqLlavaProcessor.from_pretrained(folder, local_files_only=True)
            model, notes = SqLlavaForConditionalGeneration.from_pretrained(
                folder,
                dtype=kind,
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # reported below, with the other faults
                output_loading_info=True,
            )
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own kinds
        raise CheckpointError(f"checkpoint {folder}: cannot be loaded: {_one_line(error)}") from error
    _check_weights(folder, notes)
    _check_vocabulary(folder, model, processor)
    return model.to(place).eval(), processor


def checkpoint_hash(checkpoint: str | Path) -> str:
    """SHA-256 over names and contents of the files that decide a checkpoint's answers.

    These are weights, configuration, tokenizer and processor; logs, cards and optimizer states do not count.
    """
    folder = resolve(checkpoint)
    whole = hashlib.sha256()
    chosen = {folder / name for name in _SETTINGS if (folder / name).is_file()}
    for file in sorted(chosen.union(*(folder.glob(pattern) for pattern in _CONTENT))):
        with file.open("rb") as stream:
            whole.update(f"{file.name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


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


def _check_weights(folder: Path, notes: dict[str, Any]) -> None:
    mismatched = [f"{name} ({tuple(found)} for {tuple(wanted)})" for name, found, wanted in notes["mismatched_keys"]]
    faults = {
        "missing": sorted(notes["missing_keys"]),
        "unused": sorted(notes["unexpected_keys"]),
        "of another shape": sorted(mismatched),
    }
    told = [
        f"{len(names)} {kind}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
        for kind, names in faults.items()
        if names
    ]
    if told:
        raise CheckpointError(f"checkpoint {folder}: weights do not fit the configuration; {'; '.join(told)}")


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


def _device(name: str) -> torch.device:
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise CheckpointError(f"unknown device {name!r}; give auto, cpu, cuda or cuda:N") from None
    usable = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= usable:
        raise CheckpointError(f"device {name!r}: usable CUDA devices on this machine: {usable}")
    return device


def _dtype(name: str, device: torch.device) -> torch.dtype:
    import torch

    known = {
        "auto": torch.bfloat16 if device.type == "cuda" else torch.float32,
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }
    short = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
    if short.get(name, name) not in known:
        raise CheckpointError(f"unknown dtype {name!r}; give {', '.join(known)}")
    return known[short.get(name, name)]


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]
