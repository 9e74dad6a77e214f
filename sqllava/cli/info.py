"""`sqllava info`: what a checkpoint is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sqllava.cli import completion
from sqllava.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from sqllava.info import Info


def command(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CKPT",
            help="Folder (ours, an adapter's, or a release's), packaged name, or hub id.",
            autocompletion=completion.checkpoints,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Kind, parts, parameters, training and provenance of a checkpoint, without loading it.

    Example: sqllava info mini
    """
    from sqllava.info import inspect

    info = inspect(checkpoint)
    if as_json:
        print_json(info.to_json())
    else:
        show(info)


def show(info: Info) -> None:
    """Print the facts, one a line, and a table of the parts."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(soft_wrap=True)
    for name, value in _facts(info).items():
        console.print(Text(f"{name:<16}{value}"))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), show_footer=True)
    adapter = sum(part.adapter for part in info.parts.values())
    table.add_column("part", "in all")
    table.add_column("parameters", _number(info.parameters), justify="right")
    if adapter:
        table.add_column("LoRA", _number(adapter), justify="right")
    table.add_column("trained")
    for name, part in info.parts.items():
        cells = [name, _number(part.parameters), *([_number(part.adapter)] if adapter else []), part.trained or "–"]
        table.add_row(*map(Text, cells))
    console.print(table)


def _facts(info: Info) -> dict[str, str]:
    """For people: what is known, by name."""
    told = info.provenance
    stored = ", ".join(f"{dtype} ({count} tensors)" for dtype, count in info.dtypes.items())
    facts = {
        "folder": str(info.folder),
        "kind": info.description,
        "base": info.base,
        "projector": info.projector,
        "template": info.template,
        "image": info.image if info.sees_images else "withheld (a blind control)",
        "stored as": stored,
        "on disk": f"{_bytes(info.bytes)} of weights",
        "recipe": f"{told['recipe']}, seed {told.get('seed')}" if "recipe" in told else None,
        "vision tower": told.get("vision_tower"),
    }
    if "converted_from" in told:
        facts["converted from"] = _sources(told["converted_from"])
    if len(info.files) > 1:
        facts["files"] = ", ".join(f"{name} ({_bytes(size)})" for name, size in info.files.items())
    return {name: value for name, value in facts.items() if value}


def _sources(record: dict[str, Any]) -> str:
    """The sources of a conversion by name; their digests are for machines."""
    sources = record.get("sources", {})
    return ", ".join(f"{role} {source.get('name')}" for role, source in sources.items()) + f" ({record.get('layout')})"


def _number(count: int | None) -> str:
    return "unknown until converted" if count is None else f"{count:,}"


def _bytes(size: int) -> str:
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}"
