"""What a command prints for programs."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs, and nothing else, on standard output.")]


def print_json(value: Any) -> None:
    """Print `value` as JSON; escaped, so that no terminal's encoding stands in the way."""
    typer.echo(json.dumps(value, indent=1))
