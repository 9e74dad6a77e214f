"""`sqeval baseline`: store a finished run compactly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqeval.cli.output import AsJson, print_json


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[Path, typer.Option(help="Folder that holds baselines.")] = Path("results/baselines"),
    name: Annotated[str | None, typer.Option(help="Name of the baseline; the run's own without it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Store a finished run compactly, to be committed and compared with.

    Keeps run.json, metrics.json and, as gzipped CSV, each sample's id, cluster, parsed answer, scores and tags.

    Example: sqeval baseline results/try --name mini
    """
    from rich.console import Console
    from rich.text import Text

    from sqeval.baseline import store
    from sqeval.runs import load_run

    target = store(load_run(run), out, name)
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    if as_json:
        print_json({"path": target, "bytes": size})
        return
    Console(soft_wrap=True).print(Text(f"{target} ({size / 1000:,.0f} kB)"))
