"""The tokenizer with ``<image>`` in it, and the rows that embeddings need for it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from sqllava.checkpoints import quiet_transformers
from sqllava.conversation import IMAGE
from sqllava.errors import CheckpointError

_MULTIPLE = 64
"""A vocabulary that grows is filled up to a multiple of this: matrix units are much slower with an odd width."""

_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")


def load_tokenizer(folder: Path) -> Any:
    """The fast tokenizer of `folder`, with ``<image>`` as a special token.

    It is frozen: what is saved is the tokenizer as it was loaded, rather than a class that rebuilds it from options,
    some of which (`legacy` of LLaMA's, which decides about spaces after special tokens) are not saved along.

    Raises CheckpointError if there is none, or if a package that reads it is missing.
    """
    if not (folder / "tokenizer.json").is_file():
        if not (folder / "tokenizer.model").is_file():
            raise CheckpointError(f"{folder}: has no tokenizer.json and no tokenizer.model")
        missing = [package for package in ("sentencepiece", "google.protobuf") if not _installed(package)]
        if missing:
            raise CheckpointError(
                f"{folder}: its tokenizer.model needs the packages sentencepiece and protobuf to become a fast"
                " tokenizer: pip install sentencepiece protobuf (or put a tokenizer.json of the same model beside it)"
            )
    try:
        with quiet_transformers():
            loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers, tokenizers and sentencepiece each raise their own kinds
        told = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise CheckpointError(f"{folder}: its tokenizer cannot be loaded: {told}") from error
    if not loaded.is_fast:
        raise CheckpointError(f"{folder}: its tokenizer has no fast version; put a tokenizer.json into the folder")
    special = {name: token for name in _SPECIAL if (token := getattr(loaded, name)) is not None}
    return PreTrainedTokenizerFast(
        tokenizer_object=loaded.backend_tokenizer,
        model_max_length=loaded.model_max_length,
        clean_up_tokenization_spaces=False,
        extra_special_tokens={"image_token": IMAGE},
        **special,
    )


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def rows_needed(rows: int, tokens: int) -> int:
    """Rows of the embeddings for a tokenizer of `tokens`; `rows` if that many are enough."""
    return rows if tokens <= rows else -(-tokens // _MULTIPLE) * _MULTIPLE


def grow(table: Tensor, rows: int) -> Tensor:
    """A vocabulary table (embeddings or head, rows×H) of `rows` rows; the new ones are the mean of the old.

    The release has no token for images, so its head must not begin to write one. A head's row that is the mean of
    the others gives a logit that is the mean of the other logits, and a mean never exceeds the largest of them: the
    new tokens cannot win, whatever the hidden state, and old logits stay as they are. (Zero rows would win wherever
    all other logits are negative.) Each takes less than 1 / (old rows) of the probability, as exp(mean) is at most
    the mean of exp. The rows of the embeddings are never read: image features stand in their place.
    """
    if rows == len(table):
        return table
    mean = table.float().mean(dim=0, keepdim=True).to(table.dtype)
    return torch.cat([table, mean.expand(rows - len(table), -1)])
