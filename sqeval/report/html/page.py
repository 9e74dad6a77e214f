"""The page: everything put into one file, which is replaced atomically."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sqeval import __version__, atomic
from sqeval.comparing import compare_runs
from sqeval.comparison import Rules, RunComparison
from sqeval.data.collection import paused
from sqeval.data.images import ImageRef
from sqeval.progress import Progress, Silent
from sqeval.protocol import marked
from sqeval.report.html import answers, breakdown, highlights, provenance, summary, thumbnails
from sqeval.report.html.data import TaskSamples, columns, gather, state_of
from sqeval.report.html.render import render
from sqeval.report.html.sources import open_source
from sqeval.report.numbers import count
from sqeval.report.text import plain
from sqeval.runs import Run

EMBED_MB = 25.0
"""Megabytes of thumbnails within the page unless told otherwise."""

_TEMPLATES = files("sqeval.report.html") / "templates"
_SCRIPTS = ("model.js", "list.js", "detail.js", "report.js")
_UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a report."""

    path: Path
    size: int
    """Bytes of the page."""
    files: int
    """Thumbnails beside it."""
    notes: Sequence[str]
    """What the page says about images that are not shown."""


@paused()
def write_report(
    runs: Sequence[Run],
    path: Path,
    *,
    baseline: Run | None = None,
    data: str | None = None,
    embed_mb: float = EMBED_MB,
    rules: Rules | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write one page about `runs` to `path`, which is replaced; with `baseline` they are compared with it.

    Images come from the data root `data`, or from the one that the runs were about. Thumbnails of up to `embed_mb`
    million characters are in the page, those of flipped and wrong samples first; others are in a folder beside it.
    Raises UserError for a missing data root that was named and for files that cannot be written, SqevalError for
    broken runs.
    """
    progress, rules = progress or Silent(), rules or Rules()
    shown = [baseline, *runs] if baseline else list(runs)
    folder = path.with_name(f"{path.stem}_files")
    with progress.waiting("reading the runs"):
        source = open_source(shown, data)
        tasks = [gather(name, shown, source) for name in dict.fromkeys(name for run in shown for name in run.tasks)]
    with progress.waiting("comparing"):
        comparisons = [None, *(compare_runs(baseline, run, rules) for run in runs)] if baseline else [None] * len(shown)
    with atomic.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        images = _by_interest(tasks)
        made = thumbnails.make(list(images.values()), int(embed_mb * 1e6), folder, progress)
        notes = [*map(plain, source.notes), *_image_notes(made, folder)]
        with progress.waiting("writing the page"):
            numbers = {key: place for place, key in enumerate(images)}
            view = _view(shown, tasks, comparisons, numbers, rules, notes)
            page = _render(view, _json(_samples(shown, tasks, numbers, bool(baseline))), _json(made.addresses))
            atomic.write_text(path, page)
            thumbnails.remove_stale(made, folder)
    return Written(path, path.stat().st_size, len(made.files), notes)


def _by_interest(tasks: Sequence[TaskSamples]) -> dict[str, ImageRef]:
    """Every image once: those of samples that got worse first, then of wrong ones, then the rest."""
    ranked: dict[str, int] = {}
    for task in tasks:
        for record in task.records:
            if record.image is not None and record.image in task.images:
                rank = _interest(task, record.id)
                ranked[record.image] = min(rank, ranked.get(record.image, rank))
    known = {key: image for task in tasks for key, image in task.images.items()}
    return {key: known[key] for key in sorted(ranked, key=ranked.__getitem__)}


def _interest(task: TaskSamples, sample: str) -> int:
    last = len(task.runs) - 1
    if last and (task.change(sample, last) or 0.0) < 0:
        return 0
    wrong = task.scores[last].get(sample, 1.0) <= 0
    record = task.by_run[last].get(sample)
    return 1 if wrong or (record is not None and state_of(record)) else 2


def _image_notes(made: thumbnails.Thumbnails, folder: Path) -> list[str]:
    found = []
    if made.missing:
        found.append(f"{count(made.missing)} of {count(len(made.addresses))} images are missing or cannot be opened.")
    if made.files:
        beside = f"{count(len(made.files))} of {count(len(made.addresses))} thumbnails"
        found.append(plain(f"{beside} are in the folder {folder.name}/ beside this page; move them together."))
    return found


def _samples(runs: Sequence[Run], tasks: Sequence[TaskSamples], numbers: Mapping[str, int], compared: bool) -> Any:
    return {
        "runs": [{"name": name} for name in labels(runs)],
        "compared": compared,
        "tasks": [columns(task, numbers) for task in tasks],
    }


def _view(
    runs: Sequence[Run],
    tasks: Sequence[TaskSamples],
    comparisons: Sequence[RunComparison | None],
    numbers: Mapping[str, int],
    rules: Rules,
    notes: Sequence[str],
) -> dict[str, Any]:
    """What the template shows."""
    rows = summary.rows(tasks, comparisons)
    two = comparisons[1] if len(comparisons) == 2 else None
    cards = highlights.changes(tasks, two, numbers) if two else []
    if len(runs) == 1:
        cards = highlights.weaknesses(tasks, numbers)
    compared, names = any(comparisons), labels(runs)
    return {
        "version": __version__,
        "runs": [
            _run(run, name, compared and not place) for place, (run, name) in enumerate(zip(runs, names, strict=True))
        ],
        "title": _title(names, compared),
        "compared": compared,
        "two": two is not None,
        "rows": rows,
        "remarks": summary.remarks(tasks),
        "verdicts": summary.verdicts(rows),
        "samples": sum(len(task.records) for task in tasks),
        "cards": cards,
        "breakdowns": breakdown.breakdowns(tasks, two),
        "answers": answers.answers(tasks),
        "record": provenance.sections(runs),
        "level": f"{100 * (1 - rules.alpha):g}",
        "margin": f"{rules.margin:g}",
        "missing": [plain(name) for name in two.missing] if two else [],
        "notes": notes,
        "synthetic": any(run.data == "mini" for run in runs),
    }


def labels(runs: Sequence[Run]) -> list[str]:
    """Names of the runs; where two are the same, with the folder that tells them apart."""
    names = [plain(run.name) for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({plain(run.path.resolve().parent.name)})"
        for name, run in zip(names, runs, strict=True)
    ]


def _title(names: Sequence[str], compared: bool) -> str:
    if compared and len(names) == 2:
        return f"{names[1]} against {names[0]}"
    if compared:
        return f"{len(names) - 1} runs against {names[0]}"
    return ", ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} others"


def _run(run: Run, name: str, baseline: bool) -> dict[str, str]:
    """One run in a line: who answered, about what, when."""
    identity = run.identity
    about = [f"data {run.data}", *(f"protocol {name}" for name in marked(run.protocol))]
    about += [*([f"--limit {run.limit}"] if run.limit is not None else []), run.started[:10]]
    if identity.get("checkpoint_hash"):
        about.insert(0, f"checkpoint {str(identity['checkpoint_hash'])[:12]}")
    about += ["stored baseline: answers without responses"] if run.is_baseline else []
    about += [] if run.sees_images else ["never sees the image"]
    role = "baseline" if baseline else "run"
    return {"name": name, "role": role, "about": plain(" · ".join(filter(None, about)))}


def _render(view: Mapping[str, Any], samples: Markup, images: Markup) -> str:
    script = "\n".join((_TEMPLATES / name).read_text("utf-8") for name in _SCRIPTS)
    style = (_TEMPLATES / "report.css").read_text("utf-8")
    return render(
        "sqeval.report.html",
        "report.html.j2",
        style=style,
        script=script,
        samples_json=samples,
        images_json=images,
        **view,
    )


def _json(value: Any) -> Markup:
    """JSON that cannot end its script element, nor anything else but be JSON; halves of surrogates are escaped too."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(_UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text))
