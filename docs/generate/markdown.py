"""The few shapes of Markdown that the generated pages are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTE = "<!-- Written by `make reference` from the code; changes here are lost. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or nothing if it has no rows."""
    lines = [_row(row) for row in rows]
    return "\n".join([_row(head), _row(["---"] * len(head)), *lines]) if lines else ""


def code(text: str) -> str:
    """`text` as it is typed."""
    return f"`{text}`"


def block(text: str, language: str) -> str:
    """A fenced block."""
    return f"```{language}\n{text}\n```"


def document(title: str, *parts: str) -> str:
    """A page of the parts that are not empty."""
    return "\n\n".join([f"# {title}", NOTE, *filter(None, parts)]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
