"""What the screen shows, as plain text and for notebooks."""

from __future__ import annotations

import io

from rich.console import Console, ConsoleRenderable, RichCast

WIDTH = 120
"""Columns; notebooks have no width that could be asked."""


def as_text(shown: ConsoleRenderable | RichCast | str) -> str:
    """As on a screen without colours."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, force_jupyter=False)
    with console.capture() as captured:
        console.print(shown)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def as_html(shown: ConsoleRenderable | RichCast | str) -> str:
    """As on a screen, with its colours; text is escaped."""
    console = Console(file=io.StringIO(), width=WIDTH, record=True, force_jupyter=False)
    console.print(shown)
    style = "font-family: monospace; line-height: 1.3; overflow-x: auto"
    return console.export_html(inline_styles=True, code_format=f'<pre style="{style}">{{code}}</pre>')
