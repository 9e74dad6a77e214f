"""Checkpoints on the Hugging Face hub: a local folder for ``org/name`` or ``org/name@revision``."""

from __future__ import annotations

import re
from pathlib import Path

from sqllava.errors import CheckpointError

SETTINGS = ("*.json", "*.jinja", "*.model", "merges.txt")
"""Configuration, processor, tokenizer, and the indices of sharded weights."""
WEIGHTS = ("*.safetensors",)
PICKLED = ("*.bin",)
"""Fetched only where the repository has no whole model in safetensors: many repositories hold both."""
NEVER = ("training_args.bin", "optimizer*", "scheduler*", "rng_state*", "checkpoint-*/*", "onnx/*", "*.onnx*")

_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)


def is_hub_name(name: str) -> bool:
    """Whether `name` could be a hub id; so could many a relative path, so look for a folder first."""
    return _NAME.fullmatch(name) is not None and not name.startswith((".", "/"))


def fetch(name: str) -> Path:
    """The local folder of a repository's files that a checkpoint consists of, downloaded unless the cache has them.

    `name` is ``org/name``, or ``org/name@revision`` with a branch, tag or commit; without network, or with
    ``HF_HUB_OFFLINE=1``, what the hub's cache holds is used. Raises CheckpointError, saying what to do, for
    everything that can go wrong.
    """
    repository, _, revision = name.partition("@")
    folder = _snapshot(repository, revision or None, (*SETTINGS, *WEIGHTS))
    if any(folder.glob("model*.safetensors")):
        return folder
    return _snapshot(repository, revision or None, (*SETTINGS, *WEIGHTS, *PICKLED))


def _snapshot(repository: str, revision: str | None, wanted: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    told = f"hub checkpoint {repository!r}" + (f" at revision {revision!r}" if revision else "")
    try:
        return Path(
            snapshot_download(repository, revision=revision, allow_patterns=list(wanted), ignore_patterns=list(NEVER))
        )
    except HFValidationError as error:
        raise CheckpointError(f"{told}: is no hub id ({error})") from None
    except GatedRepoError:
        raise CheckpointError(
            f"{told}: access is gated; accept its terms on its hub page, then log in with `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise CheckpointError(
            f"{told}: not found, neither as a folder here nor on the hub; check the spelling, "
            "and if it is private log in with `hf auth login`"
        ) from None
    except RevisionNotFoundError:
        raise CheckpointError(f"{told}: the repository has no such branch, tag or commit") from None
    except LocalEntryNotFoundError as error:
        raise CheckpointError(_not_cached(told, repository, revision, error)) from None
    except OSError as error:  # HTTP failures of other kinds, no space left, an unwritable cache
        raise CheckpointError(f"{told}: cannot be downloaded: {' '.join(str(error).split())[:300]}") from error


def _not_cached(told: str, repository: str, revision: str | None, error: Exception) -> str:
    """No folder, not (wholly) in the cache, and no way to the hub."""
    from huggingface_hub import constants

    at = f" --revision {revision}" if revision else ""
    state = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
    cause = "" if error.__cause__ is None else f" ({type(error.__cause__).__name__})"
    return (
        f"{told}: there is no such folder, {state}{'' if constants.HF_HUB_OFFLINE else cause}, and the cache "
        f"{constants.HF_HUB_CACHE} does not hold all its files; "
        f"with a network run: hf download {repository}{at}"
    )
