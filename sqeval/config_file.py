"""YAML with the line of every key, so that a message can point to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sqeval.data.text import read_text
from sqeval.errors import DataError


@dataclass(frozen=True, slots=True)
class Value:
    """A value and the line of its key."""

    value: Any
    line: int


class _PlainLoader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):  # a few lines of them stand for gigabytes
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read; write the value out", mark)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> dict[str, Value]:
    """The mapping at the top of a YAML file; plain data, neither tags nor aliases. Raises DataError."""
    if not path.is_file():
        raise DataError("no such file; --config takes YAML, with the flags of `sqeval run` as keys", file=path)
    text = read_text(path)
    try:
        loader = _PlainLoader(text)
        node = loader.get_single_node()
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise DataError("expected `key: value` lines", file=path, line=node.start_mark.line + 1)
        return _mapping(loader, node, path)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DataError(f"is not plain YAML: {error.reason}", file=path, line=line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error) or "nested too deeply"
        raise DataError(f"is not plain YAML: {problem}", file=path, line=mark and mark.line + 1) from None


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, path: Path) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = loader.construct_object(key_node)
        if not isinstance(key, str):
            raise DataError(f"expected a word as key, found {key!r}", file=path, line=line)
        if key in values:
            raise DataError(f"given twice, first in line {values[key].line}", file=path, line=line, field=key)
        values[key] = Value(loader.construct_object(value_node, deep=True), line)
    return values
