"""`sqeval data prepare`: the mini suite, a part of a data folder, LLaVA's question files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqeval.cli import completion
from sqeval.cli.options import Images, Split


def command(
    source: Annotated[
        str, typer.Argument(help="`mini`, `hub`, a folder of official files, or a question file of LLaVA's.")
    ] = "mini",
    out: Annotated[Path | None, typer.Option(help="Folder to write.", show_default=False)] = None,
    tasks: Annotated[
        str | None,
        typer.Option(help="Benchmarks, separated by commas.", show_default=False, autocompletion=completion.tasks),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="At least this many questions a task, about whole images, as `sqeval run` draws.", min=1),
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the images of --limit.", min=0)] = 0,
    split: Split = None,
    images: Images = None,
    link: Annotated[bool, typer.Option("--link", help="Hard-link the images instead of copying them.")] = False,
    llava: Annotated[bool, typer.Option("--llava", help="Write LLaVA's question files, not official ones.")] = False,
) -> None:
    """Write what can be made of data that is there; print what was written.

    Without --out: generate the mini suite, or fetch mirrors from the hub, and print where they are.

    Example: sqeval data prepare mini

    A part, to be committed or shared: sqeval data prepare mini --out part --tasks gqa,pope --limit 50

    For LLaVA's scripts: sqeval data prepare mini --out questions --tasks gqa --llava

    And back: sqeval data prepare FILE.jsonl --out DIR --tasks vqav2 --split test-dev
    """
    from sqeval.config import resolve
    from sqeval.data.folders import require_ours
    from sqeval.data.hub import is_hub
    from sqeval.data.llava import write_official, write_questions
    from sqeval.data.places import open_root
    from sqeval.data.subset import write_subset
    from sqeval.errors import UserError
    from sqeval.registry import parse_tasks

    if tasks is None and out is None and source == "mini":
        from sqeval.data.mini import ensure_mini

        print(ensure_mini())
        return
    if not (source == "mini" or is_hub(source) or Path(source).expanduser().exists()):
        kinds = "`mini`, `hub`, a folder of official files, or a question file of LLaVA's"
        raise UserError(f"data prepare {source}: no such file or folder; give {kinds}")
    if tasks is None:
        raise UserError("--tasks: name the benchmarks to write, separated by commas (`sqeval tasks list` shows all)")
    named = parse_tasks(tasks)
    config = resolve({"tasks": tasks, "data": source, "images": images, "split": split})
    if Path(source).is_file():
        if out is None or len(named) > 1:
            raise UserError(f"{source} holds the questions of one benchmark: give --out, and one in --tasks")
        sizes = write_official(named[0], Path(source), out, config.split.get(named[0].name))
    else:
        root = open_root(source, named, images=images, splits=config.split)
        if out is None:
            for task in named:
                print(root.for_task(task.name).path)
            return
        require_ours(out)
        if llava:
            sizes = write_questions(named, root, out, limit=limit, seed=seed)
        else:
            sizes = write_subset(named, root, out, limit=limit, seed=seed, link=link)
    for name, (questions, pictures) in sizes.items():
        print(f"{name}: {questions:,} questions about {pictures:,} images")
    print(out)
