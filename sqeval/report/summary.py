"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqeval.protocol import OFFICIAL, protocol_of
from sqeval.report.numbers import count, half_width, interval, percent
from sqeval.report.text import plain

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_MOST_CELLS = 12
PROBLEMS = ("unparsed", "errored", "missing", "truncated")
"""Counts of metrics.json that say that something went wrong with an answer."""


def summary_table(metrics: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    """Primary metric of each task with its interval, then what went wrong; fits 80 columns.

    `metrics` maps each task to its metrics.json. Raises KeyError for a metrics.json without its own primary metric.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False)
    for heading in ("task", "metric"):
        table.add_column(heading, overflow="fold")
    for heading in ("score", "95 % interval", "n", "clusters"):
        table.add_column(heading, justify="right", no_wrap=True)
    for task, result in metrics.items():
        primary = result["metrics"][result["primary"]]
        table.add_row(
            Text(plain(task), style="cyan"),
            Text(plain(result["primary"])),
            Text(f"{percent(primary['value'])} ±{half_width(primary['ci95']):>4}", style="bold"),
            interval(primary["ci95"]),
            count(primary["n"]),
            count(primary["clusters"]),
        )
    return Group(
        table,
        *_protocols(metrics),
        *_versions(metrics),
        *_judges(metrics),
        *_not_computed(metrics),
        *_without_width(metrics),
        *_problems(metrics),
    )


def in_a_line(name: str, metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """``mini: gqa accuracy 85.6, pope f1_mean 97.8``."""
    found = [
        f"{task} {result['primary']} {percent(result['metrics'][result['primary']]['value'])}"
        for task, result in metrics.items()
    ]
    return plain(f"{name}: {', '.join(found) or 'no task'}")


def _protocols(metrics: Mapping[str, Mapping[str, Any]]) -> list[Text]:
    """One line for each protocol that is not the official one."""
    from rich.text import Text

    known = {protocol_of(result) for result in metrics.values()} - {OFFICIAL}
    return [Text(plain(f"protocol {name}: not comparable with official scores")) for name in sorted(known)]


def details_table(metrics: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    """Every metric to two decimals, as the official evaluators print them; not the breakdowns into very many cells."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=False)
    table.add_column("metric", overflow="fold")
    for heading in ("value", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    notes: list[Text] = []
    for task, result in metrics.items():
        families: dict[str, list[str]] = {}
        for name in result["metrics"]:
            families.setdefault(name.partition("=")[0], []).append(name)
        for family, names in families.items():
            if len(names) > _MOST_CELLS:
                notes.append(Text(plain(f"{task}: {len(names)} of {family} are in metrics.json"), style="dim"))
                continue
            for name in names:
                found = result["metrics"][name]
                shown = plain(name) if len(metrics) == 1 else f"{plain(task)} {plain(name)}"
                value = percent(found["value"], 2, found.get("scale", 100))
                table.add_row(Text(shown), Text(value), Text(count(found["n"])))
    return Group(table, *notes)


def _versions(metrics: Mapping[str, Mapping[str, Any]]) -> list[Text]:
    """One line a task whose benchmark has several data versions."""
    from rich.text import Text

    known = {task: result.get("data_version") for task, result in metrics.items()}
    return [Text(plain(f"{task}: data version {version}"), style="dim") for task, version in known.items() if version]


def _judges(metrics: Mapping[str, Mapping[str, Any]]) -> list[Text]:
    """One line a task that was judged: by whom."""
    from rich.text import Text

    judges = {task: result["judge"] for task, result in metrics.items() if result.get("judge")}
    return [
        Text(plain(f"{task}: judged by {judge['name']} ({judge['version']}), rounds: {judge['rounds']}"), style="dim")
        for task, judge in judges.items()
    ]


def _not_computed(metrics: Mapping[str, Mapping[str, Any]]) -> list[Text]:
    """One line a metric that the machine could not compute: which tasks, and what is missing."""
    from rich.text import Text

    tasks: dict[tuple[str, str], list[str]] = {}
    for task, result in metrics.items():
        for metric, why in result.get("not_computed", {}).items():
            tasks.setdefault((metric, why), []).append(task)
    return [
        Text(plain(f"{', '.join(names)}: {metric} was not computed: {why}"), style="dim")
        for (metric, why), names in tasks.items()
    ]


def _without_width(metrics: Mapping[str, Mapping[str, Any]]) -> list[Text]:
    """One line a task whose interval is a point because all clusters score the same, which is no certainty.

    Of C clusters none differs; if a share q of all did, that would happen with probability (1 - q)^C, 5 % at the
    bound that is told (the exact form of the rule of three).
    """
    from rich.text import Text

    lines = []
    for task, result in metrics.items():
        primary = result["metrics"][result["primary"]]
        if primary["ci95"] is not None and primary["ci95"][0] == primary["ci95"][1]:
            bound = percent(1 - 0.05 ** (1 / primary["clusters"]))
            alike = f"all {count(primary['clusters'])} clusters score the same, hence ±0.0"
            lines.append(Text(plain(f"{task}: {alike}; up to {bound} % of others may not"), style="dim"))
    return lines


def _problems(metrics: Mapping[str, Mapping[str, Any]]) -> list[Text]:
    """One line a task with unparsed, errored or truncated answers; one line in all if there is none."""
    from rich.text import Text

    lines = []
    for task, result in metrics.items():
        counts = result["counts"]
        found = [f"{count(counts[name])} {name}" for name in PROBLEMS if counts.get(name)]
        if found:
            lines.append(Text(f"{plain(task)}: {', '.join(found)} of {count(counts['n'])}", style="yellow"))
    return lines or [Text("No answer was unparsed, errored or truncated.", style="dim")]
