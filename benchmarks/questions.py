"""Question quality, measured: against the mini suite's known scenes, and on photographs.

    python benchmarks/questions.py --ckpt mini                      # how well each cheap metric predicts the truth
    python benchmarks/questions.py --ckpt mini --against DIR        # two checkpoints, e.g. one trained without asking
    python benchmarks/questions.py --ckpt mini --photos DIR         # people, floors and the checkpoint on photographs
    python benchmarks/questions.py --speed                          # 5,000 questions at tier 1

DIR of --photos holds `coco/val2014/`, `coco/annotations/captions_val2014.json`, `objects.json` ({image: [labels]}) and
`human_questions.jsonl` ({"image", "question"} lines).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table as Sheet

from sqeval.config import resolve
from sqeval.data.mini import ensure_mini
from sqeval.models.loading import load_model
from sqeval.questions.asking import How, asker
from sqeval.questions.campaign import ask_all, conditions, find_images
from sqeval.questions.context import joined
from sqeval.questions.corruptions import CORRUPTIONS, shuffle_images
from sqeval.questions.files import ImageQuestions
from sqeval.questions.importers import UNKNOWN, as_questions, table
from sqeval.questions.meta import agreement
from sqeval.questions.metrics import METRICS
from sqeval.questions.mini_truth import MiniWorld
from sqeval.questions.scoring import score
from sqeval.questions.table import Setup, build
from sqeval.questions.text import sentence

CHEAP = ("wf.slor", "wf.complete", "gr.rauc", "gr.margin", "gr.premise_fpr")
CONSOLE = Console()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", default="mini")
    parser.add_argument("--against", help="another checkpoint, compared question by gate")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("-n", type=int, default=5)
    args = parser.parse_args()
    if args.speed:
        speed()
    elif args.photos:
        photographs(args.ckpt, args.photos)
    else:
        truth([args.ckpt, *([args.against] if args.against else [])], args.images, args.n)


def asked_by(ckpt: str, folder: Path, n: int, images: int | None = None) -> list[ImageQuestions]:
    """The checkpoint's questions by the release's protocol."""
    model = load_model(resolve({"ckpt": ckpt, "tasks": "ask", "data": "-"}))
    with tempfile.TemporaryDirectory() as out:
        wanted = conditions(ckpt, How(n), [])
        return ask_all(model, asker(model), find_images(folder)[:images], wanted, Path(out) / "asked.questions.jsonl")


def truth(checkpoints: Sequence[str], images: int, n: int) -> None:
    """Shares of true gates for each asker, and each cheap metric's AUC against the truth."""
    root = ensure_mini()
    world = MiniWorld(images)
    runs = {ckpt: asked_by(ckpt, root / "coco/val2014", n, images) for ckpt in checkpoints}
    runs |= {"generator": world.template_asker(n), "generator, blind": world.template_asker(n, looks=False)}
    own = runs[checkpoints[0]]
    runs |= {f"{checkpoints[0]}, {name}": CORRUPTIONS[name](own, 1.0, 0) for name in ("shuffle_images", "word_shuffle")}
    captions = root / "coco/annotations/captions_val2014.json"
    shares = Sheet("asker", title=f"what is true of {n} questions about each of {images} pictures, %", box=None)
    for heading in ("questions", "sensible", "premise holds", "needs image", "usable"):
        shares.add_column(heading, justify="right")
    sheet = Sheet("metric", "truth", title="AUC of cheap metrics against the truth, all askers together", box=None)
    for heading in ("AUC", "95 % interval", "questions"):
        sheet.add_column(heading, justify="right")
    values: dict[str, dict[str, float]] = {name: {} for name in CHEAP}
    facts: dict[str, dict[str, bool]] = {"sensible": {}, "premise holds": {}, "usable": {}}
    image_of: dict[str, str] = {}
    setup = Setup(tier=1, k=n)
    for name, asked in runs.items():
        known = joined(asked, captions, None, None)
        known = [replace(i, context=replace(i.context, objects=world.context(i.image_id).objects)) for i in known]
        rows = build(known, setup).rows
        found = [world.truth(known[row.image].image_id, row.normal.core) for row in rows]
        for place, (row, true) in enumerate(zip(rows, found, strict=True)):
            key = f"{name}/{place}"
            image_of[key] = known[row.image].image_id
            for metric in CHEAP:
                value = row.values.get(metric)
                if value is not None:
                    values[metric][key] = value
            facts["sensible"][key], facts["usable"][key] = true.sensible, true.usable
            if true.sensible:
                facts["premise holds"][key] = true.premise_holds
        counts = [[t.sensible for t in found], [t.premise_holds for t in found], [t.needs_image for t in found]]
        percents = [f"{100 * sum(each) / len(found):.1f}" for each in (*counts, [t.usable for t in found])]
        shares.add_row(name, str(len(found)), *percents)
    for metric in CHEAP:
        for name, fact in facts.items():
            falling = METRICS[metric].direction == "down"
            result = agreement(metric, name, values[metric], fact, image_of, falling=falling)
            bounds = "" if result.low is None else f"{result.low:.2f} to {result.high:.2f}"
            sheet.add_row(metric, name, "" if result.auc is None else f"{result.auc:.2f}", bounds, str(result.n))
    CONSOLE.print(shares)
    CONSOLE.print(sheet)


def photographs(ckpt: str, photos: Path) -> None:
    """People's questions, what has been done to them, and the checkpoint's, by the same captions and labels."""
    people = as_questions(table(photos / "human_questions.jsonl"), "people", "people", "human", UNKNOWN)
    n = max(len(image.questions) for image in people)
    model = asked_by(ckpt, photos / "coco/val2014", n)
    captions, objects = photos / "coco/annotations/captions_val2014.json", photos / "objects.json"
    known = [joined(images, captions, objects, None) for images in (people, model)]
    rows = [
        known[0],
        named(shuffle_images(known[0], 1.0, 0), "people, shuffled"),
        named(CORRUPTIONS["generic"](known[0], 1.0, 0), "generic"),
    ]
    rows.append(known[1])
    scored = score(rows, Setup(tier=1, k=n))
    for each in scored:
        CONSOLE.print(sentence(each))
    sheet = Sheet("asker", title=f"{len(people)} photographs, {n} questions each", box=None)
    shown = ("uq.at_k", "wf.valid", "wf.fluent", "wf.complete", "gr.rauc", "gr.premise_fpr", "dv.distinct_k", "dv.rd_2")
    for metric in shown:
        sheet.add_column(metric, justify="right")
    for each in scored:
        cells = [each.summary.values[metric].value for metric in shown]
        sheet.add_row(each.run_id, *("–" if value is None else f"{value:.2f}" for value in cells))
    CONSOLE.print(sheet)


def named(images: Sequence[ImageQuestions], run_id: str) -> list[ImageQuestions]:
    """The same questions as another condition."""
    return [replace(image, run_id=run_id) for image in images]


def speed() -> None:
    """5,000 questions about 1,000 pictures at tier 1, scoring and floor."""
    world = MiniWorld(100)
    asked = [
        replace(
            image,
            image_id=f"{copy}/{image.image_id}",
            questions=tuple(replace(q, qid=f"{copy}/{q.qid}") for q in image.questions),
        )
        for copy in range(10)
        for image in world.template_asker(5, seed=copy)
    ]
    started, cpu = time.monotonic(), time.process_time()
    score([asked], Setup(tier=1, k=5))
    CONSOLE.print(
        f"{sum(len(image.questions) for image in asked):,} questions: {time.process_time() - cpu:.1f} s of processor, "
        f"{time.monotonic() - started:.1f} s by the clock"
    )


if __name__ == "__main__":
    main()
