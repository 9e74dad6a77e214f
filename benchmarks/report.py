"""How large is the report of two runs of 20,000 samples, how long does it take to write, and how fast does it open?

The samples are VQAv2 questions about generated photographs, answered by the two floors. The peer is what `pandas`
writes of the same answers without the images: a table with a row a sample. Both are opened in headless Chromium, which
must be on the PATH (`make browser`).

    python benchmarks/report.py --samples 20000 --images 2000
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from rich.console import Console
from rich.table import Table

from sqeval.config import resolve
from sqeval.evaluation import evaluate
from sqeval.report.html.page import write_report
from sqeval.runs import Run, load_run

ANSWERS = ("yes", "no", "red", "blue", "2", "on the table", "a man in a hat")
KINDS = ("is the", "what color is the", "how many", "where is the", "what is the")
NOUNS = ("dog", "umbrella", "sign behind the bus", "second plate", "woman on the left", "train", "kite", "window")
REPEATS = 5
OPENED = "() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
SEARCHED = """word => {
  const began = performance.now();
  update({ q: word });
  return performance.now() - began;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--keep", type=Path, help="keep the pages in this folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        root = write_root(work / "root", args.samples, args.images)
        runs = [answered(root, work / "out", model) for model in ("majority", "random")]
        began = time.monotonic()
        written = write_report([runs[1]], work / "report.html", baseline=runs[0], embed_mb=100)
        seconds = time.monotonic() - began
        write_table(runs, work / "table.html")
        opened, searched = open_pages(work / "report.html", work / "table.html")
        print_table(written.size, (work / "table.html").stat().st_size, seconds, opened, searched, args)
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            for name in ("report.html", "table.html"):
                shutil.copy(work / name, args.keep / name)


def write_root(root: Path, samples: int, images: int) -> Path:
    """Official VQAv2 files about `images` photographs of 640 x 480 pixels: smooth colours with some grain."""
    draw, rng = random.Random(0), np.random.default_rng(0)
    (root / "coco" / "val2014").mkdir(parents=True)
    (root / "vqav2").mkdir()
    for number in range(images):
        smooth = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(
            (640, 480), Image.Resampling.BICUBIC
        )
        grain = np.asarray(smooth, dtype=np.int16) + rng.integers(-12, 13, (480, 640, 3), dtype=np.int16)
        picture = Image.fromarray(grain.clip(0, 255).astype(np.uint8))
        picture.save(root / "coco" / "val2014" / f"COCO_val2014_{number:012}.jpg", quality=85)
    asked, answers = [], []
    for number in range(samples):
        place = {"question_id": number, "image_id": number * images // samples}
        kind, answer = draw.choice(KINDS), draw.choice(ANSWERS)
        text = f"{kind.capitalize()} {draw.choice(NOUNS)} next to the {draw.choice(NOUNS)}?"
        asked.append({**place, "question": text})
        ten = [{"answer": answer if i < 8 else draw.choice(ANSWERS), "answer_id": i + 1} for i in range(10)]
        labels = {"question_type": kind, "answer_type": "other", "multiple_choice_answer": answer}
        answers.append({**place, **labels, "answers": ten})
    for name, key, rows in (
        ("v2_OpenEnded_mscoco_val2014_questions", "questions", asked),
        ("v2_mscoco_val2014_annotations", "annotations", answers),
    ):
        (root / "vqav2" / f"{name}.json").write_text(json.dumps({key: rows}), "utf-8")
    return root


def answered(root: Path, out: Path, model: str) -> Run:
    given = {"tasks": "vqav2", "model": model, "data": str(root), "out": str(out), "name": model}
    return load_run(evaluate(resolve(given)).folder)


def write_table(runs: list[Run], path: Path) -> None:
    before, after = ({r.id: r for r in run.tasks["vqav2"].records} for run in runs)
    rows = [
        {
            "id": key,
            "question": record.question,
            "prompt": record.prompt,
            "reference": ", ".join(record.reference),
            "before": record.response,
            "after": after[key].response,
            "change": after[key].scores["accuracy"] - record.scores["accuracy"],
        }
        for key, record in before.items()
    ]
    path.write_text(pd.DataFrame(rows).sort_values("change").to_html(index=False), "utf-8")


def open_pages(report: Path, table: Path) -> tuple[tuple[float, float], float]:
    """Milliseconds until each page has drawn its samples, medians; and those of a search through all."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        times: tuple[list[float], list[float]] = ([], [])
        searches = []
        for _ in range(REPEATS):
            for address, taken in ((f"{report.as_uri()}#view=samples", times[0]), (table.as_uri(), times[1])):
                page.goto("about:blank")
                page.goto(address)
                taken.append(page.evaluate(OPENED))
                if taken is times[0]:
                    searches.append(page.evaluate(SEARCHED, "umbrella"))
        browser.close()
    return (statistics.median(times[0]), statistics.median(times[1])), statistics.median(searches)


def print_table(
    size: int, peer: int, seconds: float, opened: tuple[float, float], searched: float, args: argparse.Namespace
) -> None:
    table = Table(title=f"{args.samples:,} samples of two runs, {args.images:,} images")
    for heading in ("measure", "report", "pandas, no images", "ratio"):
        table.add_column(heading, justify="left" if heading == "measure" else "right")
    table.add_row("size of the page", f"{size / 1e6:.1f} MB", f"{peer / 1e6:.1f} MB", f"{size / peer:.2f}")
    table.add_row("opened, samples drawn", f"{opened[0]:.0f} ms", f"{opened[1]:.0f} ms", f"{opened[0] / opened[1]:.2f}")
    table.add_row("first search through all", f"{searched:.0f} ms", "", "")
    table.add_row("written, images included", f"{seconds:.1f} s", "", "")
    Console().print(table)


if __name__ == "__main__":
    main()
