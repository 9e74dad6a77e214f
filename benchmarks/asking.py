"""Are self-asked questions varied, and do they fit the image?

On the mini suite the truth is known: a question fits an image if the suite's generator could have asked it about that
scene (what it presupposes holds). The share that fits the image it was asked about is set against the share that fits
another image of the suite, which is what a model gets that asks without looking.

    python benchmarks/asking.py --ckpt mini
"""

from __future__ import annotations

import argparse
import time

from PIL import Image
from rich.console import Console
from rich.table import Table

from sqeval.data.mini.askable import askable
from sqeval.data.mini.draw import draw
from sqeval.data.mini.splits import evaluation_splits
from sqllava import AskedQuestion, ask, load

EXISTENCE = ("Is there", "Are there")
"""Such questions presuppose nothing: they fit every image and are left out of the two shares."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", default="mini")
    parser.add_argument("--images", type=int, default=200, help="how many of the suite's images are asked about")
    parser.add_argument("-n", type=int, default=5, help="questions an image")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    model, processor = load(args.ckpt)
    scenes = evaluation_splits().coco[: args.images]
    possible = [askable(scene) for scene in scenes]
    started = time.monotonic()
    asked = [
        ask(model, processor, Image.fromarray(draw(scene)), n=args.n, seed=args.seed + i)
        for i, scene in enumerate(scenes)
    ]
    seconds = time.monotonic() - started

    texts = [q.question for questions in asked for q in questions]
    tests = [(i, q) for i, questions in enumerate(asked) for q in questions if not q.question.startswith(EXISTENCE)]
    fits = [q.question in possible[i] for i, q in tests]
    elsewhere = [q.question in possible[(i + 1) % len(scenes)] for i, q in tests]
    known = [(q.answer.lower(), possible[i][q.question].answer) for i, q in tests if q.question in possible[i]]
    right = [said == true for said, true in known]

    table = Table(title=f"{args.ckpt}: {len(texts)} questions asked about {len(scenes)} images in {seconds:.0f} s")
    table.add_column("measure")
    table.add_column("share", justify="right")
    for name, values in (
        ("different from every other question about its image", _new(asked)),
        ("different texts among all", [True] * len(set(texts)) + [False] * (len(texts) - len(set(texts)))),
        ("asks more than whether something exists", [not t.startswith(EXISTENCE) for t in texts]),
        ("of those: fits its own image", fits),
        ("of those: fits another image", elsewhere),
        ("of those that fit: answered right by the model itself", right),
    ):
        table.add_row(name, f"{sum(values) / len(values):.1%}" if values else "-")
    Console().print(table)
    for question in asked[0] + asked[1]:
        Console().print(f"  {question.question}  [dim]{question.answer}[/dim]", highlight=False)


def _new(asked: list[list[AskedQuestion]]) -> list[bool]:
    result = []
    for questions in asked:
        texts = [q.question for q in questions]
        result += [texts.index(text) == place for place, text in enumerate(texts)]
    return result


if __name__ == "__main__":
    main()
