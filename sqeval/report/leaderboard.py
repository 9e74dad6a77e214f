"""The leaderboard: what it shows, whatever the form; the forms are in `sqeval.report.sheet`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqeval.boards import Board, Entry, Standing
from sqeval.errors import UserError
from sqeval.protocol import OFFICIAL
from sqeval.published import Published
from sqeval.registry import get_task
from sqeval.report.numbers import half_width, minus, percent
from sqeval.report.quoted import published_sheet
from sqeval.report.sheet import TIE, Cell, Page, Row, Section, Sheet
from sqeval.report.text import plain

SECTIONS = {Standing.PARTIAL: "not ranked", Standing.FLOOR: "floors"}
SYNTHETIC = "Synthetic scenes: they test the harness and the training loop, and rank no real model."


def page(boards: Sequence[Board], quoted: Sequence[Published] = (), *, intervals: bool = False) -> Page:
    """A table for each board: ranked runs, runs that are not ranked, floors; then one of published scores.

    `intervals`: both ends of each instead of half its width.
    """
    sheets = [_sheet(board, f"Data: {title(board, boards)}", intervals) for board in boards]
    apart = [published_sheet(quoted)] if quoted else []
    return Page("Leaderboard", sheets, legend(boards, intervals=intervals) if boards else "", apart)


def title(board: Board, boards: Sequence[Board]) -> str:
    """The data's name and the protocol, with the beginning of a hash if two tables share them."""
    name = plain(board.data if board.protocol == OFFICIAL else f"{board.data}, protocol {board.protocol}")
    if sum((other.data, other.protocol) == (board.data, board.protocol) for other in boards) < 2:
        return name
    known = []
    for task in board.tasks:
        data, _, *judge = board.hashes[task]
        known += [task, data[:8], *judge]
    return f"{name} ({plain(' '.join(known))})"


def name(entry: Entry, board: Board) -> str:
    """The run's name with what has to be known about it."""
    twins = [other for other in board.entries if other.run.name == entry.run.name]
    notes = [*(["baseline"] if entry.run.is_baseline and len(twins) > 1 else []), *entry.flags]
    return plain(entry.run.name) + (f" ({', '.join(notes)})" if notes else "")


def metric(board: Board, task: str) -> str:
    """Name of the task's primary metric."""
    return next(str(entry.run.tasks[task].result["primary"]) for entry in board.entries if task in entry.run.tasks)


def legend(boards: Sequence[Board], *, intervals: bool = False) -> str:
    """What the numbers and marks mean; nothing about marks that do not occur."""
    places = [place for board in boards for entry in board.ranked for place in entry.places.values()]
    spread = "with its 95 % interval" if intervals else "± half its 95 % interval"
    said = [
        f"Primary metric of each task in percent (CIDEr times 100) {spread}, clustered by image.",
        "Bold: the best of the ranked runs.",
    ]
    if any(place.second for place in places):
        said.append("Underlined: the second best.")
    if any(place.tied for place in places):
        said.append(
            f"{TIE}: not shown to differ from the best (paired by sample, clustered, p ≥ 5 % by Holm's method)."
        )
    if any(_ranks(board) for board in boards):
        said.append("Ranks with their 95 % intervals.")
    return " ".join(
        [*said, "Runs of a part, and with errors or missing answers, are not ranked. Floors never see the image."]
    )


def _sheet(board: Board, title: str, intervals: bool) -> Sheet:
    sections = []
    for standing in Standing:
        rows = [_row(entry, board, intervals) for entry in board.entries if entry.standing is standing]
        sections += [Section(SECTIONS.get(standing, ""), rows)] if rows else []
    columns = [(task, metric(board, task)) for task in board.tasks]
    notes = [*([SYNTHETIC] if board.data == "mini" else []), *_measures(board)]
    return Sheet(title, columns, sections, notes, ranks=_ranks(board))


def _ranks(board: Board) -> bool:
    """Whether one task orders the rows, and the samples tell how sure that order is."""
    places = [entry.places.get(board.sort or "") for entry in board.ranked]
    return any(place.bounds for place in places if place is not None)


def _measures(board: Board) -> Iterator[str]:
    """What each column shows, in the words of papers; the version of the data where there are several; the judge."""
    found: dict[str, list[str]] = {}
    for task in board.tasks:
        try:
            measure = get_task(task, board.protocol).measure
        except UserError:  # not installed here; the metric's name has to do
            measure = ""
        result = next(entry.run.tasks[task].result for entry in board.entries if task in entry.run.tasks)
        judge = result.get("judge")
        by = f"judged by {judge['name']} ({judge['version']})" if judge else None
        said = [str(part) for part in (measure, result.get("data_version"), by) if part]
        if said:
            found.setdefault(", ".join(said), []).append(task)
    if found:
        yield "Columns: " + "; ".join(f"{', '.join(tasks)}: {said}" for said, tasks in found.items()) + "."


def _row(entry: Entry, board: Board, intervals: bool) -> Row:
    place = entry.places.get(board.sort or "")
    rank = "" if place is None else str(place.rank)
    if place is not None and place.bounds:
        rank += f" ({'–'.join(map(str, place.bounds))})"
    return Row(name(entry, board), [_cell(entry, task, intervals) for task in board.tasks], rank)


def _cell(entry: Entry, task: str, intervals: bool) -> Cell:
    primary = entry.run.tasks[task].primary if task in entry.run.tasks else {"value": None}
    if primary["value"] is None:
        return Cell()
    spread, ci95 = f"±{half_width(primary['ci95'])}", primary["ci95"]
    if intervals:
        spread = f"[{', '.join(minus(percent(bound)) for bound in ci95)}]" if ci95 else ""
    place = entry.places.get(task)
    if place is None:
        return Cell(percent(primary["value"]), spread)
    return Cell(percent(primary["value"]), spread, place.rank == 1, place.second, bool(place.tied))
