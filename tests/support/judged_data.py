"""Small data roots of the judged benchmarks, and their entry points for processes that do not have them installed."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

MMVET = {
    "v1_0": ("What is x in the equation?", "-1<AND>-5", ["ocr", "math"]),
    "v1_1": ("What is sold?", "apples<OR>pears", ["rec"]),
    "v1_2": ("Why?", "because", ["gen", "rec", "know"]),
    "v1_3": ("Where?", "left | right", ["math", "ocr"]),
}
LLAVA = {
    0: ("001.jpg", "conv", "What is it?", "A hill."),
    1: ("001.jpg", "detail", "Describe it.", "A hill with a tree."),
    2: ("002.jpg", "complex", "Why?", "Because."),
    3: ("002.jpg", "complex", "And then?", "Nothing."),
}
CAPTIONS = {"001.jpg": "A hill in the sun.", "002.jpg": ["Two people.", "They talk."]}


def write_mmvet(root: Path) -> Path:
    images = root / "mmvet" / "images"
    images.mkdir(parents=True)
    table = {}
    for key, (question, answer, capability) in MMVET.items():
        table[key] = {"imagename": f"{key}.png", "question": question, "answer": answer, "capability": capability}
        Image.new("RGB", (8, 8)).save(images / f"{key}.png")
    (root / "mmvet" / "mm-vet.json").write_text(json.dumps(table, indent=4), "utf-8")
    return root


def write_llava_wild(root: Path) -> Path:
    folder = root / "llava-bench-in-the-wild"
    (folder / "images").mkdir(parents=True)
    for name in CAPTIONS:
        Image.new("RGB", (8, 8)).save(folder / "images" / name)
    questions = [
        {"question_id": key, "image": image, "category": category, "text": text}
        for key, (image, category, text, _) in LLAVA.items()
    ]
    answers = [{"question_id": key, "text": row[3], "answer_id": "x"} for key, row in reversed(LLAVA.items())]
    contexts = [{"image": image, "caption": caption} for image, caption in CAPTIONS.items()]
    for name, rows in (("questions", questions), ("answers_gpt4", answers), ("context", contexts)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return root


def write_judged_plugins(site: Path) -> Path:
    """A folder for the import path that installs both benchmarks; the same claim twice is one."""
    info = site / "judged-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: judged\nVersion: 1\n", "utf-8")
    points = "mmvet = sqeval_tasks.mmvet:MMVet\nllava_wild = sqeval_tasks.llava_wild:LLaVAWild\n"
    (info / "entry_points.txt").write_text(f"[sqeval.tasks]\n{points}", "utf-8")
    return site
