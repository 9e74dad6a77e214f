"""The installed lmms-eval: which version, where its tasks are, and what importing it must not change."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqeval.errors import UserError

NEEDED = ("aiohttp", "evaluate", "loguru", "pytablewriter", "pytz", "sacrebleu", "tenacity")
"""What lmms-eval imports, and this package does not bring, on the way to tasks about images and to its command line."""
INSTALL = f"pip install --no-deps lmms-eval && pip install {' '.join(NEEDED)}"
"""Without `--no-deps` fifty packages come along, torchvision among them, which breaks beside a CPU build of torch."""


def lmms_version() -> str:
    """Raises UserError, with the command that installs it, if there is none."""
    try:
        return version("lmms-eval")
    except PackageNotFoundError:
        raise UserError(f"lmms-eval is not installed; {INSTALL}") from None


def tasks_folder() -> Path:
    """Where its YAML files are. Raises UserError."""
    lmms_version()
    spec = find_spec("lmms_eval")  # does not import it
    if spec is None or spec.origin is None:
        raise UserError(f"lmms-eval is installed without its files; {INSTALL}")
    return Path(spec.origin).parent / "tasks"


def lmms_module(name: str) -> Any:
    """A module of lmms-eval. Raises UserError that names what it lacks."""
    with unchanged():
        try:
            return importlib.import_module(f"lmms_eval.{name}")
        except ImportError as error:
            raise UserError(f"lmms-eval {lmms_version()} cannot be imported: {error}; {INSTALL}") from error


@contextmanager
def unchanged() -> Iterator[None]:
    """Undo what lmms-eval does to the whole process: it lets Pillow fill up truncated images and silences warnings.

    Its log is silent inside: some aggregations write a line for each category.
    """
    from PIL import ImageFile

    truncated = ImageFile.LOAD_TRUNCATED_IMAGES
    logger: Any = None
    with suppress(ImportError):
        from loguru import logger
    if logger is not None:
        logger.disable("")
    try:
        with warnings.catch_warnings():
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated
        if logger is not None:
            logger.enable("")
