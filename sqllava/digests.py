"""SHA-256 of files, remembered by path, size and modification time: gigabytes are read once, not once a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqllava.atomic import write_text


class Digests:
    """A memory of digests in a JSON file; losing it costs reading again, nothing else."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, Any] = {}
        self._changed = False
        try:
            known = json.loads(memory.read_text(encoding="utf-8"))
            self._known = known if isinstance(known, dict) else {}
        except (OSError, ValueError, RecursionError):
            pass  # none yet, or torn by a power cut

    def knows(self, file: Path) -> bool:
        """Whether `of` needs not read the file. Raises OSError."""
        return self._remembered(file) is not None

    def of(self, file: Path) -> str:
        """Hexadecimal SHA-256 of a file's content. Raises OSError."""
        before = self._remembered(file)
        if before is not None:
            return before
        state = _state(file)
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        self._known[str(file.resolve())] = {**state, "sha256": digest}
        self._changed = True
        return digest

    def of_all(self, files: Iterable[tuple[str, Path]]) -> str:
        """SHA-256 over names and contents, whatever the order. Raises OSError."""
        whole = hashlib.sha256()
        for name, file in sorted(files):
            whole.update(f"{name}:{self.of(file)}\n".encode())
        return whole.hexdigest()

    def save(self) -> None:
        """Write down what is new. Of two processes the last one is remembered. Raises OSError."""
        if self._changed:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._memory, json.dumps(self._known, indent=0, sort_keys=True) + "\n")
            self._changed = False

    def _remembered(self, file: Path) -> str | None:
        before = self._known.get(str(file.resolve()))
        if not isinstance(before, dict) or before != {**_state(file), "sha256": before.get("sha256")}:
            return None
        return str(before["sha256"])


def _state(file: Path) -> dict[str, int]:
    stat = file.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
