"""The rows of a task's data: a copy of its dataset in a folder, or in the Hugging Face hub's cache."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqeval.data.root import DataRoot
from sqeval.errors import DataError, UserError
from sqeval_tasks.lmms.definition import Definition, Doc
from sqeval_tasks.lmms.library import unchanged

SAVED = ("dataset_dict.json", "state.json")
"""What `save_to_disk` of a `DatasetDict`, or of a `Dataset`, leaves."""
BATCH = 64


class Source:
    """A task's split. Rows come as they are stored: images encoded, as objects of bytes and path."""

    def __init__(self, definition: Definition, root: DataRoot, folder: Path) -> None:
        import datasets

        name, config, split = definition.name, definition.config.dataset_name, definition.split
        if not folder.is_dir():
            dataset = definition.config.dataset_path
            raise UserError(f"{folder} is missing, a copy of the dataset {dataset}; --data says where it is")
        try:
            with unchanged(), _without_bars():
                table, files = _read(folder, config, split)
                process = definition.config.process_docs
                self._table: Any = table if process is None else process(table)
        except Exception as error:  # datasets, pyarrow and the task's own code have errors of many kinds
            where = f"{folder} (config {config}, split {split})"
            raise UserError(f"lmms:{name}: {where} cannot be read: {type(error).__name__}: {error}") from error
        for file in files:
            root.file(os.path.relpath(file, root.path))
        self.features: Mapping[str, Any] = self._table.features
        kinds = (datasets.Image, datasets.Audio, datasets.Video)
        self.media = frozenset(column for column, feature in self.features.items() if _holds(feature, kinds))

    def rows(self) -> Iterator[Doc]:
        """In order."""
        for batch in self._table.with_format("arrow").iter(BATCH):
            yield from batch.to_pylist()

    def decoded(self, row: Doc) -> Doc:
        """The row with its images opened, as lmms-eval sees it. Raises DataError."""
        try:
            with unchanged():
                found: Doc = self._table.features.decode_example(row)
        except Exception as error:  # Pillow's decoders raise many kinds for damaged files
            raise DataError(f"an image cannot be opened: {type(error).__name__}: {error}") from error
        return found


@contextmanager
def _without_bars() -> Iterator[None]:
    """`datasets` draws bars of its own, over ours."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()


def _read(folder: Path, config: str | None, split: str) -> tuple[Any, list[str]]:
    """The split's table, and the files that it is in."""
    import datasets

    inner = folder / config if config and (folder / config).is_dir() else folder
    if any((inner / name).is_file() for name in SAVED):
        saved = datasets.load_from_disk(str(inner))
        table = saved[split] if isinstance(saved, datasets.DatasetDict) else saved
        return table, [file["filename"] for file in table.cache_files]
    known = datasets.get_dataset_config_names(str(folder))
    if config not in known and inner != folder:
        folder, config = inner, None
    elif config not in known:
        config = None
    builder = datasets.load_dataset_builder(str(folder), config)
    files = (builder.config.data_files or {}).get(split, [])
    return datasets.load_dataset(str(folder), config, split=split), [str(file) for file in files]


def _holds(feature: Any, kinds: tuple[type, ...]) -> bool:
    """Whether the feature, or one inside it, is of these kinds."""
    if isinstance(feature, kinds):
        return True
    if isinstance(feature, Mapping):
        return any(_holds(inner, kinds) for inner in feature.values())
    if isinstance(feature, list):
        return any(_holds(inner, kinds) for inner in feature)
    return hasattr(feature, "feature") and _holds(feature.feature, kinds)
