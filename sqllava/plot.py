"""Pictures of training runs: losses, scores, learning rates, gradient norm and speed, several runs over each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sqllava.curves import Curve, Run, XAxis, read_run, smoothed
from sqllava.errors import SqLlavaError

FORMATS = (".png", ".svg", ".pdf")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette (2008), told apart with any colour vision."""
DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDTH, ROW = 7.0, 1.9
"""Inches: both columns of a paper, and the height of a row."""
STYLE: Any = {
    "font.size": 8, "axes.titlesize": 8, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "legend.fontsize": 7, "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "0.92", "grid.linewidth": 0.5, "lines.linewidth": 1.2,
    "svg.hashsalt": "sqllava", "svg.fonttype": "none", "pdf.fonttype": 42,
}  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """One pair of axes, for all numbers of the journal whose path is `wanted`."""

    title: str
    wanted: Callable[[str], bool]
    smooth: bool = False
    log: bool = False
    evaluated: bool = False
    """Of the evaluations, a mark each, instead of the logged steps."""


PANELS = (
    Panel("Loss", lambda path: path.startswith("loss"), smooth=True),
    Panel("Score", lambda path: True, evaluated=True),
    Panel("Learning rate", lambda path: path.startswith("lr/"), log=True),
    Panel("Gradient norm", lambda path: path == "grad_norm", smooth=True),
    Panel("Tokens per second", lambda path: path == "tokens_per_second", smooth=True),
    Panel("Share of peak FLOP/s (MFU)", lambda path: path == "mfu", smooth=True),
)


def plot(paths: Sequence[Path], out: Path, *, x: XAxis = "step", smooth: int | None = None) -> None:
    """Draw the runs in the folders `paths` into one picture and write it to `out`, whose ending says how.

    smooth: logged steps that a point is the mean of, with the steps themselves faint behind it; None: a fortieth of
    them. The same journals give the same file. Raises SqLlavaError for a folder without a journal, a malformed line,
    another ending, or a place that cannot be written.
    """
    if out.suffix not in FORMATS:
        raise SqLlavaError(f"{out}: cannot draw that kind of file; expected one of {', '.join(FORMATS)}")
    runs = [read_run(path, name, x) for path, name in zip(paths, _names(paths), strict=True)]
    dates: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with mpl.rc_context(STYLE):
        try:
            _figure(runs, x, smooth).savefig(out, dpi=200, metadata=dates.get(out.suffix))
        except OSError as error:
            raise SqLlavaError(f"{out}: cannot be written: {error.strerror}") from error


def _names(paths: Sequence[Path]) -> list[str]:
    """The runs' folder names; whole paths where two are alike."""
    names = [path.resolve().name if path.is_dir() else path.resolve().parent.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _figure(runs: list[Run], x: XAxis, smooth: int | None) -> Figure:
    shown = [panel for panel in PANELS if any(run.curves(panel.wanted, evaluated=panel.evaluated) for run in runs)]
    rows = math.ceil(len(shown) / 2)
    figure = Figure(figsize=(WIDTH, ROW * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False, sharex=True)
    for axes, panel in zip(grid.flat, shown, strict=False):
        _draw(axes, panel, runs, smooth)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    for axes in grid.flat[max(0, len(shown) - 2) : len(shown)]:
        axes.set_xlabel("Hours" if x == "hours" else "Optimizer step")
        axes.tick_params(labelbottom=True)
    if _alike(runs):
        _name_stages(grid.flat[0], runs[0])
    if len(runs) > 1:
        handles = [Line2D([], [], color=COLOURS[i % len(COLOURS)], label=run.name) for i, run in enumerate(runs)]
        figure.legend(handles=handles, loc="outside upper center", ncols=min(len(runs), 4))
    return figure


def _alike(runs: list[Run]) -> bool:
    """Whether all runs have the same stages, the last as long as it may be."""
    return len({(*run.ends, *list(run.ends.values())[:-1]) for run in runs}) == 1


def _draw(axes: Axes, panel: Panel, runs: list[Run], smooth: int | None) -> None:
    """One run: a colour for each curve. Several: a colour for each run, and a dash and a mark for each curve."""
    found = [run.curves(panel.wanted, evaluated=panel.evaluated) for run in runs]
    paths = list(dict.fromkeys(path for curves in found for path in curves))
    looks = {path: _look(i, panel, alone=len(runs) == 1) for i, path in enumerate(paths)}
    for number, curves in enumerate(found):
        for path, curve in curves.items():
            look = {"color": COLOURS[number % len(COLOURS)], **looks[path]}
            if panel.evaluated:
                _draw_scores(axes, curve, look, above=number % 2 == 0)
            else:
                _draw_steps(axes, curve, look, smooth if panel.smooth else 1)
    alike = _alike(runs)
    for number, run in enumerate(runs[:1] if alike else runs):
        for place in list(run.ends.values())[:-1]:
            axes.axvline(place, color="0.6" if alike else COLOURS[number % len(COLOURS)], linewidth=0.6, zorder=0)
    axes.set_title(panel.title)
    _scale(axes, panel, np.concatenate([y for curves in found for _, y in curves.values()]))
    if len(paths) > 1 or panel.evaluated:
        axes.legend(handles=[
            Line2D([], [], **{"color": "0.3", **looks[path]}, label=_label(path)) for path in paths
        ])  # fmt: skip


def _look(index: int, panel: Panel, *, alone: bool) -> dict[str, Any]:
    look: dict[str, Any] = (
        {"color": COLOURS[index % len(COLOURS)]} if alone else {"linestyle": DASHES[index % len(DASHES)]}
    )
    return {**look, "marker": MARKERS[index % len(MARKERS)], "markersize": 3} if panel.evaluated else look


def _label(path: str) -> str:
    return path.removeprefix("lr/").removeprefix("loss_").replace("_", " ")


def _draw_steps(axes: Axes, curve: Curve, look: dict[str, Any], smooth: int | None) -> None:
    width = smooth or max(1, int(np.isfinite(curve[1]).sum()) // 40)
    if width > 1:
        axes.plot(*curve, color=look["color"], alpha=0.3, linewidth=0.5)
    axes.plot(*smoothed(curve, width), **look)


def _draw_scores(axes: Axes, curve: Curve, look: dict[str, Any], *, above: bool) -> None:
    """A task's scores; the best has a ring, and its value above or below."""
    axes.plot(*curve, **look)
    best = int(np.nanargmax(curve[1]))
    x, y = curve[0][best], curve[1][best]
    axes.plot(x, y, marker="o", markersize=7, fillstyle="none", color=look["color"])
    axes.annotate(
        f"{y:.3g}", (x, y), (0, 5 if above else -5), textcoords="offset points", ha="center",
        va="bottom" if above else "top", fontsize=7, color=look["color"],
    )  # fmt: skip


def _name_stages(axes: Axes, run: Run) -> None:
    """The stages' names, upright before the end of each."""
    for name, end in run.ends.items():
        axes.annotate(
            name, (end, 1), (-1, -1), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="right", va="top", rotation=90, fontsize=6, color="0.4",
        )  # fmt: skip


def _scale(axes: Axes, panel: Panel, values: np.ndarray[Any, Any]) -> None:
    """Logarithmic where that is usual, or where the values span more than a factor of 30."""
    values = values[np.isfinite(values)]
    if panel.log or (panel.smooth and values.size and values.min() > 0 and values.max() > 30 * values.min()):
        axes.set_yscale("log")
