"""How long `sqeval score` takes for VQAv2's whole validation split, from typing the command to its end.

Files of the official size and form are drawn (214,354 questions about 40,504 images in 65 types, ten answers each, and
predictions), then scored twice, each time in a process of its own: by the command, which also reads, checks, writes
samples.jsonl, and gives every metric an interval; and by the evaluator's rules written out plainly, a question at a
time, which does none of that. Both must come to the same accuracies, to the last digit that the evaluator prints.

    python benchmarks/scoring.py
    python benchmarks/scoring.py --images 1000 --repeats 1
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

IMAGES, QUESTIONS = 40_504, 214_354
ANNOTATORS = 10
STARTS = ("what", "what color is the", "what kind of", "is the", "is there a", "are they", "how many", "how",
          "where is", "who is", "which", "why is the", "does the")  # fmt: skip
TYPES = [f"{start}{end}" for start in STARTS for end in ("", " man", " people", " dog", " room")]
NOUNS = ("man", "woman", "dog", "cat", "table", "street", "tennis racket", "t-shirt", "skateboard", "bus", "frisbee",
         "pizza", "umbrella", "giraffe", "kite", "surfboard", "laptop", "clock tower", "stop sign", "bear")  # fmt: skip
MANNERS = ("{}", "{}", "{}", "{}", "{}", "{}", "a {}", "the {}", "{}s", "{}.", "on the {}", "red {}", "{} and white",
           "it's a {}", "don't know, {}", "{}/{}", "white-{}", "black {}", "2 {}s", "wooden {}")  # fmt: skip
ENTRY = "from sqeval.cli.app import main; main()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--repeats", type=int, default=2, help="runs of each; the fastest counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", nargs=2, metavar=("DATA", "PREDICTIONS"), help="only score plainly: the peer")
    args = parser.parse_args()
    if args.plain:
        print(json.dumps(plain(*map(Path, args.plain))))
        return

    with tempfile.TemporaryDirectory() as folder:
        data, predictions = Path(folder, "data"), Path(folder, "predictions.json")
        count = write(data, predictions, args.images, args.seed)
        command = [sys.executable, "-c", ENTRY, "score", "--task", "vqav2", "--data", str(data)]
        command += ["--predictions", str(predictions), "--out", folder, "--fresh"]
        peer = [sys.executable, __file__, "--plain", str(data), str(predictions)]
        best: dict[str, tuple[float, float]] = {}
        for _ in range(args.repeats):
            for name, what in (("sqeval score", command), ("plain", peer)):  # in turns: a machine's moods meet both
                best[name] = min(best.get(name, (1e9, 1e9)), timed(what, Path(folder, f"{name}.txt")))
        official = json.loads(Path(folder, "plain.txt").read_text())
        metrics = json.loads(next(Path(folder).glob("*/vqav2/metrics.json")).read_text())["metrics"]
        ours = {name: round(100 * metric["value"], 2) for name, metric in metrics.items()}

    table = Table(title=f"{count:,} predictions, {len(ours)} metrics")
    for heading in ("", "CPU seconds", "seconds", "predictions/s"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, (cpu, wall) in best.items():
        table.add_row(name, f"{cpu:.1f}", f"{wall:.1f}", f"{count / wall:,.0f}")
    Console().print(table)
    print(f"{best['plain'][0] / best['sqeval score'][0]:.1f} times as fast as the rules written out (CPU time)")
    print("accuracies are the same" if ours == official else "ACCURACIES DIFFER")
    sys.exit(0 if ours == official else 1)


def timed(command: list[str], output: Path) -> tuple[float, float]:
    """CPU seconds and seconds of a process, on one thread."""
    began, before = time.monotonic(), os.times()
    with output.open("w") as stream:
        subprocess.run(command, check=True, stdout=stream, env={**os.environ, "OMP_NUM_THREADS": "1"})
    wall, after = time.monotonic() - began, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, wall


def write(data: Path, predictions: Path, images: int, seed: int) -> int:
    """The three files; the number of questions."""
    rng = random.Random(seed)
    questions, annotations, results = [], [], []
    keys = rng.sample(range(1, 10 * images), images)
    total = QUESTIONS * images // IMAGES
    sizes = [total // images + (i < total % images) for i in range(images)]
    for image, size in zip(keys, sizes, strict=True):
        for number in range(size):
            key, kind = image * 1000 + number, rng.randrange(len(TYPES))
            answers, answer_type = people(rng, TYPES[kind])
            text = f"{TYPES[kind].capitalize()} {rng.choice(NOUNS)} next to the {rng.choice(NOUNS)}?"
            questions.append({"image_id": image, "question": text, "question_id": key})
            rows = [
                {"answer": answer, "answer_confidence": rng.choice(("yes", "yes", "maybe", "no")), "answer_id": i}
                for i, answer in enumerate(answers, 1)
            ]
            annotations.append({
                "question_type": TYPES[kind], "multiple_choice_answer": answers[0], "answers": rows,
                "image_id": image, "answer_type": answer_type, "question_id": key,
            })  # fmt: skip
            said = rng.choice(answers) if rng.random() < 0.8 else people(rng, TYPES[kind])[0][0]
            results.append({"question_id": key, "answer": said})
    rng.shuffle(results)
    folder = data / "vqav2"
    folder.mkdir(parents=True)
    about = {"info": {"year": 2017}, "data_type": "mscoco", "data_subtype": "val2014", "license": {}}
    name = "OpenEnded_mscoco_val2014_questions"
    (folder / f"v2_{name}.json").write_text(json.dumps({**about, "task_type": "Open-Ended", "questions": questions}))
    (folder / "v2_mscoco_val2014_annotations.json").write_text(json.dumps({**about, "annotations": annotations}))
    predictions.write_text(json.dumps(results))
    return len(questions)


def people(rng: random.Random, kind: str) -> tuple[list[str], str]:
    """Ten answers that agree about as much as people's do, and their type."""
    if kind.startswith(("is", "are", "does")):
        common, others, answer_type = rng.choice(("yes", "no")), ["yes", "no", "Yes", "no, not really"], "yes/no"
    elif kind.startswith("how many"):
        common, others, answer_type = str(rng.randrange(12)), ["1", "two", "3", "many", "1,000"], "number"
    else:
        common, answer_type = rng.choice(MANNERS).replace("{}", rng.choice(NOUNS)), "other"
        others = [manner.replace("{}", rng.choice(NOUNS)) for manner in rng.sample(MANNERS, 4)]
    agreement = rng.choice((0.5, 0.8, 0.95, 1.0))
    return [common if rng.random() < agreement else rng.choice(others) for _ in range(ANNOTATORS)], answer_type


def plain(data: Path, predictions: Path) -> dict[str, float]:
    """Accuracy in percent, overall and by type, by the evaluator's rules, one question after the other."""
    said = {row["question_id"]: row["answer"] for row in json.loads(predictions.read_bytes())}
    found: dict[str, list[float]] = {}
    for row in json.loads((data / "vqav2" / "v2_mscoco_val2014_annotations.json").read_bytes())["annotations"]:
        value = accuracy(said[row["question_id"]], row["answers"])
        for name in ("", f"/answer_type={row['answer_type']}", f"/question_type={row['question_type']}"):
            found.setdefault(f"accuracy{name}", []).append(value)
    return {name: round(100 * added(values) / len(values), 2) for name, values in found.items()}


def accuracy(prediction: str, answers: list[dict[str, Any]]) -> float:
    prediction = tidy(prediction)
    for row in answers:
        row["answer"] = tidy(row["answer"])
    if len({row["answer"] for row in answers}) > 1:
        prediction = words(marks(prediction))
        for row in answers:
            row["answer"] = words(marks(row["answer"]))
    shares = []
    for row in answers:
        others = [other for other in answers if other != row]
        matching = [other for other in others if other["answer"] == prediction]
        shares.append(min(1, len(matching) / 3))
    return added(shares) / len(shares)


def tidy(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def marks(text: str) -> str:
    from sqeval.scoring.vqa_tables import PUNCTUATION

    out = text
    for mark in PUNCTUATION:
        if f"{mark} " in text or f" {mark}" in text or re.search(r"\d,\d", text) is not None:
            out = out.replace(mark, "")
        else:
            out = out.replace(mark, " ")
    return re.sub(r"\.(?!\d)", "", out, count=32)


def words(text: str) -> str:
    from sqeval.scoring.vqa_tables import ARTICLES, CONTRACTIONS, NUMBERS

    kept = []
    for word in text.lower().split():
        number = NUMBERS.get(word, word)
        if number not in ARTICLES:
            kept.append(CONTRACTIONS.get(number, number))
    return " ".join(kept)


def added(values: list[float]) -> float:
    """Left to right: `sum` compensates rounding errors from Python 3.12 on, which the evaluator's Python did not."""
    total = 0.0
    for value in values:
        total += value
    return total


if __name__ == "__main__":
    main()
