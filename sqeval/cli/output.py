"""What a command prints for programs: one JSON document on standard output, and all else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperCommand

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs, and nothing else, on standard output.")]
JsonTo = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="[FILE]",
        help="Write all numbers to this file; without one, or with -, print them, and nothing else.",
        show_default=False,
    ),
]
STDOUT = "-"


class JsonCommand(TyperCommand):
    """A command with `JsonTo`: ``--json`` before another option, or at the end, stands for ``--json -``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        args = [
            f"{arg}={STDOUT}"
            if arg == "--json" and (after == "" or (after.startswith("-") and after != STDOUT))
            else arg
            for arg, after in zip(args, [*args[1:], ""], strict=False)
        ]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


def print_json(value: Any, file: TextIO | None = None) -> None:
    """Print `value` (dataclasses, paths and enumerations as well) as JSON; what is not a finite number is null."""
    import json

    from pydantic_core import to_jsonable_python

    # Escaped, so that no terminal's encoding and no half of a surrogate pair stands in the way.
    print(json.dumps(to_jsonable_python(value, inf_nan_mode="null"), indent=1), file=file)


@contextmanager
def json_alone(wanted: bool) -> Iterator[Callable[[Any], None]]:
    """Gives what prints the document; if it is `wanted`, all else that is printed meanwhile goes to standard error."""
    document = sys.stdout

    def emit(value: Any) -> None:
        if wanted:
            print_json(value, document)

    with redirect_stdout(sys.stderr) if wanted else nullcontext():
        yield emit
