"""Writes docs/reference from the code: `python -m docs.generate`; with `--check` it only says which pages are stale."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.generate import commands, questions, schemas, tasks

REFERENCE = Path(__file__).resolve().parents[1] / "reference"


def main() -> int:
    """0; under ``--check`` 1 if a page is not what the code says."""
    pages = {
        "commands.md": commands.page(),
        "tasks.md": tasks.page(),
        "question-metrics.md": questions.page(),
        **schemas.files(),
    }
    there = {path.name: path.read_text("utf-8") for path in REFERENCE.glob("*.*")}
    written = {name for name in there if name.endswith(".schema.json") or name in pages}
    stale = sorted(name for name in pages.keys() | written if there.get(name) != pages.get(name))
    if "--check" in sys.argv:
        print("\n".join(f"docs/reference/{name} is out of date: make reference" for name in stale), end="")
        return 1 if stale else 0
    REFERENCE.mkdir(exist_ok=True)
    for name in stale:
        if name in pages:
            (REFERENCE / name).write_text(pages[name], "utf-8")
        else:
            (REFERENCE / name).unlink()
        print(REFERENCE / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
