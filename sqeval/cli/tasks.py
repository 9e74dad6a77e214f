"""`sqeval tasks`: which benchmarks there are, and all about one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sqeval.cli import completion
from sqeval.cli.output import AsJson, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sqeval.data.root import DataRoot
    from sqeval.model import Settings
    from sqeval.task import Sample, Task

app = typer.Typer(help="List the benchmarks, or show all about one.", no_args_is_help=True, add_completion=False)

PROMPTS_SHOWN = 3


@app.command("list")
def list_tasks(
    family: Annotated[str | None, typer.Option(help="List the names of another collection instead: `lmms`.")] = None,
    as_json: AsJson = False,
) -> None:
    """One line for each installed benchmark.

    Example: sqeval tasks list

    lmms-eval's: sqeval tasks list --family lmms
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sqeval.errors import UserError
    from sqeval.registry import get_family, get_task, task_names
    from sqeval.report.text import plain

    if family is not None:
        names = [f"{family}:{name}" for name in get_family(family).names()]
        if as_json:
            print_json([{"task": name} for name in names])
            return
        for name in names:
            typer.echo(plain(name))
        return
    if as_json:
        print_json([_listed(name) for name in task_names()])
        return
    table = Table("task", "version", "primary metric", "what it measures", box=None, header_style="bold")
    for name in task_names():
        try:
            task = get_task(name)
        except UserError as error:  # one broken plugin must not hide the others
            table.add_row(name, "", "", Text(plain(str(error)), style="red"))
        else:
            table.add_row(name, *(Text(plain(text)) for text in (task.version, task.primary, task.description)))
    Console().print(table)


def _listed(name: str) -> dict[str, str]:
    """For programs: the facts of the table; of a broken plugin what is wrong with it."""
    from sqeval.errors import UserError
    from sqeval.registry import get_task

    try:
        task = get_task(name)
    except UserError as error:
        return {"task": name, "error": str(error)}
    return {"task": name, "version": task.version, "primary": task.primary, "description": task.description}


@app.command("show")
def show(
    name: Annotated[
        str,
        typer.Argument(help="Name of the benchmark, as `sqeval tasks list` has it.", autocompletion=completion.task),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder of official files, or `mini`; the prompts come from it.",
            show_default="`mini`, where it has the benchmark",
        ),
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Whose evaluation to show.", show_default="official")] = None,
    as_json: AsJson = False,
) -> None:
    """Splits, sizes, files, generation settings and three prompts, word for word; what other protocols do differently.

    Example: sqeval tasks show gqa

    All of it as lmms-eval has it: sqeval tasks show gqa --protocol lmms
    """
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    from sqeval.data.places import open_root
    from sqeval.protocol import OFFICIAL
    from sqeval.registry import get_task, protocols
    from sqeval.report.text import plain

    task = get_task(name, protocol or OFFICIAL)
    root = open_root(data or "mini", [task]).for_task(name)
    lacking = data is None and not all(root.has(wanted) for wanted in task.wanted(root) if wanted.required)
    if as_json:
        print_json(_shown(task, None if lacking else root))
        return
    console = Console()
    console.print(Text.assemble((task.name, "bold"), f" (version {task.version})  {task.description}"))
    console.print(Text(task.citation, style="dim"))
    console.print(_facts(task))
    others = [get_task(name, other) for other in protocols(name) if other not in (OFFICIAL, task.protocol)]
    for variant in [*([] if task.protocol == OFFICIAL else [task]), *others]:
        console.print(_departures(variant))

    if lacking:
        console.print(Text("\nThe mini suite has nothing of it: --data DIR shows prompts.", style="dim"))
        return
    samples = task.samples(root)
    console.print(_sizes(root, samples, task.data_version(root, samples)))
    for sample in _spread(samples, PROMPTS_SHOWN):
        best = plain(task.gold(sample))
        known = [("\n\nscores best: ", "dim"), (best, "green")] if best else [("\n\nthe answer is not public", "dim")]
        body = Text.assemble(_lines(task.prompt(sample)), *known)
        title = Text(plain(f"{sample.id} · {sample.image.key if sample.image else 'no image'}"))
        console.print(Panel(body, title=title, title_align="left"))
    for variant in others:
        prompt = variant.prompt(variant.samples(root)[0])
        if prompt != task.prompt(samples[0]):
            title = Text(plain(f"{samples[0].id} · as {variant.protocol} asks it"))
            console.print(Panel(_lines(prompt), title=title, title_align="left"))


def _shown(task: Task, root: DataRoot | None) -> dict[str, Any]:
    """For programs: what `show` prints of the task itself, without data where there is no `root`."""
    from dataclasses import asdict

    samples = [] if root is None else task.samples(root)
    facts = ("version", "description", "citation", "protocol", "primary", "measure", "splits", "selectable", "differs")
    return {
        "task": task.name,
        **{fact: getattr(task, fact) for fact in facts},
        "settings": asdict(task.settings),
        "files": [{"path": f.path, "source": f.source, "required": f.required} for f in task.files],
        "data": root and root.name,
        "data_version": root and task.data_version(root, samples),
        "questions": root and len(samples),
        "images": root and len({sample.image.key for sample in samples if sample.image}),
        "prompts": [
            {
                "id": sample.id,
                "image": sample.image and sample.image.key,
                "prompt": task.prompt(sample),
                "gold": task.gold(sample),
            }
            for sample in _spread(samples, PROMPTS_SHOWN)
        ],
    }


def _departures(variant: Task) -> RenderableType:
    """What a protocol does differently from the official one, in words."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from sqeval.protocol import ASPECTS
    from sqeval.report.text import plain

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for aspect in sorted(variant.differs, key=ASPECTS.index):
        grid.add_row(aspect, Text(plain(variant.differs[aspect])))
    if not variant.differs:
        grid.add_row("the same as official", "")
    title = Text.assemble("\nprotocol ", (plain(variant.protocol), "bold"), f": {_generation(variant.settings)}")
    return Group(title, Padding(grid, (0, 0, 0, 2)))


def _facts(task: Task) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from sqeval.judged import JudgedTask

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("primary metric", Text(task.primary + (f" ({task.measure})" if task.measure else "")))
    grid.add_row("generation", Text(_generation(task.settings)))
    if isinstance(task, JudgedTask):
        grid.add_row("official judge", Text(task.judge))
        grid.add_row("judged by", Text(task.judging))
    for split, size in task.splits.items():
        grid.add_row(f"split {split}", Text(size))
    if task.selectable:
        grid.add_row("--split", Text(", ".join(task.selectable)))
    for split, mirror in task.mirrors().items():
        copy = mirror if isinstance(mirror, str) else f"--data hub reads {mirror.dataset}"
        grid.add_row("hub", Text(f"{split}: {copy}" if split else copy))
    for wanted in task.files:
        optional = "" if wanted.required else " (optional)"
        grid.add_row("reads", Text(f"{wanted.path}{optional}: {wanted.source}"))
    for id_field, text_field in task.results:
        grid.add_row("scores files with", Text(f"{id_field}, {text_field} (final answers, compared as they are)"))
    for id_field, text_field in task.predictions:
        grid.add_row("scores files with", Text(f"{id_field}, {text_field}"))
    if isinstance(task, JudgedTask) and task.published:
        grid.add_row("scores files with", Text(f"{task.published} (judged already)"))
    return grid


def _generation(settings: Settings) -> str:
    how = "greedy" if settings.temperature == 0 else f"temperature {settings.temperature:g}"
    stop = "" if not settings.stop else ", ends at " + ", ".join(repr(text) for text in settings.stop)
    return f"{how}, at most {settings.max_new_tokens} new tokens{stop}"


def _lines(prompt: str) -> str:
    from sqeval.report.text import plain

    return "\n".join(plain(line) for line in prompt.split("\n"))


def _sizes(root: DataRoot, samples: list[Sample], version: str | None) -> RenderableType:
    from rich.text import Text

    images = len({sample.image.key for sample in samples if sample.image})
    known = "" if version is None else f" ({version})"
    size = f"{len(samples):,} questions about {images:,} images"
    return Text(f"\nIn {root.name}: {size}{known}. The user's turn, as it is asked:")


def _spread(samples: list[Sample], count: int) -> list[Sample]:
    """The first, the last, and those evenly between."""
    if len(samples) <= count:
        return samples
    return [samples[i * (len(samples) - 1) // (count - 1)] for i in range(count)]
