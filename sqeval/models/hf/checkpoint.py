"""A checkpoint of transformers: where it lies, what is loaded of it, and the hash of what decides its answers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from sqeval.errors import UserError
from sqeval.model import Identity

CONTENT = ("*.safetensors", "*.safetensors.index.json", "*.jinja", "tokenizer.model", "vocab.json", "merges.txt")
SETTINGS = (
    "config.json", "generation_config.json", "processor_config.json", "preprocessor_config.json",
    "video_preprocessor_config.json", "chat_template.json", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json",
)  # fmt: skip
_HUB = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)
_SHOWN = 400


@dataclass(frozen=True)
class Loaded:
    """A model that is ready to answer, with its processor."""

    ckpt: str
    """As the user gave it."""
    folder: Path
    model: Any
    processor: Any
    trusted: bool
    """Whether code of the checkpoint ran."""
    attention: str | None = None
    """Implementation that was asked for."""

    @property
    def pictures(self) -> str:
        """Kind of its image processor: those by Pillow and by torchvision do not give the same pixels."""
        found = getattr(self.processor, "image_processor", None)
        return type(getattr(found, "inner", found)).__name__

    def identity(self, template: str) -> Identity:
        """`template` is the chat template in use."""
        revision = getattr(self.model.config, "_commit_hash", None)
        details = {
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "architecture": type(self.model).__name__,
            "template": hashlib.sha256(template.encode()).hexdigest()[:16],
            "image_processor": self.pictures,
        }
        if self.attention is not None:
            details["attention"] = self.attention
        return Identity(
            name=Path(self.ckpt).name,
            kind="hf",
            checkpoint=self.ckpt,
            checkpoint_hash=content_hash(self.folder, code=self.trusted),
            details=details,
            origin={} if revision is None else {"revision": revision},
        )


def load(
    ckpt: str, *, device: str, dtype: str, trusted: bool, attention: str | None, note: Callable[[str], None]
) -> Loaded:
    """The checkpoint `ckpt`, a folder or ``org/name[@revision]`` of the hub, ready for inference.

    Raises UserError, with one message, for everything that keeps it from being used as it is, missing weights
    included, which transformers would draw at random.
    """
    place, kind = _device(device), dtype
    if dtype == "auto":
        kind = "bfloat16" if place.type == "cuda" else "float32"
    name, revision = _name(ckpt)
    common = {"trust_remote_code": trusted, "revision": revision}
    with _explained(ckpt), _quiet():
        processor = AutoProcessor.from_pretrained(name, **common)
        chosen = {} if attention is None else {"attn_implementation": attention}
        model, found = AutoModelForImageTextToText.from_pretrained(
            name, dtype=getattr(torch, kind), output_loading_info=True, **chosen, **common
        )
        folder = Path(name) if Path(name).is_dir() else _snapshot(name, revision)
    if not hasattr(processor, "tokenizer"):
        raise UserError(f"checkpoint {ckpt}: has no processor for text and images, only a {type(processor).__name__}")
    if found["missing_keys"]:
        missing = sorted(found["missing_keys"])
        raise UserError(f"checkpoint {ckpt}: lacks {len(missing)} weights of its model: {', '.join(missing[:3])}, ...")
    if found["unexpected_keys"]:
        unused = sorted(found["unexpected_keys"])
        note(f"{ckpt}: {len(unused)} of its weights have no place in the model: {', '.join(unused[:3])}, ...")
    return Loaded(ckpt, folder, model.to(place).eval(), processor, trusted, attention)


def content_hash(folder: Path, *, code: bool = False) -> str:
    """SHA-256 over names and contents of weights, configuration, tokenizer and processor; and of `code`, if it runs.

    Pickled weights count where there are no others, as they are read only there.
    """
    chosen = {folder / name for name in SETTINGS if (folder / name).is_file()}
    for pattern in (*CONTENT, *(("*.py",) if code else ())):
        chosen.update(folder.glob(pattern))
    if not any(file.suffix == ".safetensors" for file in chosen):
        chosen.update(folder.glob("pytorch_model*"))
    whole = hashlib.sha256()
    for file in sorted(chosen):
        with file.open("rb") as stream:
            whole.update(f"{file.name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def _name(ckpt: str) -> tuple[str, str | None]:
    """What transformers takes, and the revision. Raises UserError for what is neither a folder nor a hub id."""
    folder = Path(ckpt).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"checkpoint {ckpt}: has no config.json; give a folder written by save_pretrained")
        return str(folder), None
    if folder.exists() or _HUB.fullmatch(ckpt) is None or ckpt.startswith((".", "/")):
        raise UserError(f"checkpoint {ckpt}: no such folder; give one written by save_pretrained, or a hub id")
    name, _, revision = ckpt.partition("@")
    return name, revision or None


def _snapshot(name: str, revision: str | None) -> Path:
    """Where the hub's cache has it."""
    from transformers.utils import cached_file

    return Path(str(cached_file(name, "config.json", revision=revision))).parent


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"unknown device {name!r}; give auto, cpu, cuda or cuda:N") from None
    usable = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= usable:
        raise UserError(f"device {name!r}: usable CUDA devices on this machine: {usable}")
    return device


@contextmanager
def _explained(ckpt: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own kinds
        told = " ".join(f"{type(error).__name__}: {error}".split())
        hint = ""
        if "trust_remote_code" in told:
            hint = "; --model-args trust_remote_code=true runs it, if you trust who wrote it"
        raise UserError(f"checkpoint {ckpt}: cannot be loaded by transformers: {told[:_SHOWN]}{hint}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' load reports and progress bars: what matters in them is told by `load`."""
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
