"""Two thousand real images: the numbers of pycocoevalcap's own evaluation, program by program."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sqeval.config import resolve
from sqeval.evaluation import evaluate
from sqeval.java import find_java
from sqeval.scoring import captions

IMAGES = 2000
OFFICIAL = """
import json, sys
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
references, candidates = (PTBTokenizer().tokenize(captions) for captions in json.load(sys.stdin))
scores = dict(zip(("bleu1", "bleu2", "bleu3", "bleu4"), Bleu(4).compute_score(references, candidates, verbose=0)[0]))
for name, scorer in (("meteor", Meteor()), ("rouge_l", Rouge()), ("cider", Cider())):
    scores[name] = float(scorer.compute_score(references, candidates)[0])
print(json.dumps(scores))
"""


def package() -> Path:
    spec = importlib.util.find_spec("pycocoevalcap")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def whole() -> bytes:
    """COCO's captions_val2014.json."""
    with zipfile.ZipFile(package() / "spice" / "spice-1.0.jar") as jar:
        return jar.read("coco/annotations/captions_val2014.json")


def real_references() -> dict[str, list[str]]:
    """COCO's validation captions, which the package carries for SPICE."""
    data = json.loads(whole())
    found: dict[str, list[str]] = {str(image["id"]): [] for image in data["images"][:IMAGES]}
    for annotation in data["annotations"]:
        if str(annotation["image_id"]) in found:
            found[str(annotation["image_id"])].append(annotation["caption"])
    return found


def made_up(references: dict[str, list[str]]) -> dict[str, str]:
    """Right, cut, scrambled, misplaced and empty captions."""
    rng = random.Random(0)
    anything = [texts[1] for texts in references.values()]

    def caption(texts: list[str]) -> str:
        words = texts[1].split()
        choices = [texts[0], texts[2][:40] + " with a dog.", " ".join(rng.sample(words, len(words)))]
        return rng.choice([*choices, rng.choice(anything), rng.choice(anything), rng.choice(["", texts[3]])])

    return {image: caption(texts) for image, texts in references.items()}


def official(references: dict[str, list[str]], candidates: dict[str, str], tmp_path: Path) -> dict[str, float]:
    """What pycocoevalcap gives."""
    for part in ("bleu", "cider", "meteor", "rouge", "tokenizer"):  # a copy: the official code writes beside itself
        shutil.copytree(package() / part, tmp_path / "pycocoevalcap" / part)
    texts = [
        {image: [{"caption": text} for text in known] for image, known in references.items()},
        {image: [{"caption": text}] for image, text in candidates.items()},
    ]
    path = os.pathsep.join([str(find_java().path.parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-c", OFFICIAL],
        input=json.dumps(texts), capture_output=True, text=True, cwd=tmp_path, check=False,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name: float(value) for name, value in json.loads(done.stdout).items()}


@pytest.mark.slow
def test_real_captions_get_the_official_scores(tmp_path: Path) -> None:
    references = real_references()
    candidates = made_up(references)
    ours = captions.caption_scores(candidates, references)

    def total(names: tuple[str, ...]) -> captions.Floats:
        rows: captions.Floats = np.array([[ours[image][name] for name in names] for image in candidates])
        return np.asarray(rows.sum(axis=0))

    found = {f"bleu{n}": float(captions.bleu(n)(total(captions.BLEU_SUMS))) for n in captions.BLEU_ORDERS}
    found["meteor"] = float(captions.meteor(total(captions.METEOR_SUMS)))
    found |= {name: float(total((name,))[0]) / IMAGES for name in ("cider", "rouge_l")}
    assert found == pytest.approx(official(references, candidates, tmp_path), rel=1e-13)


@pytest.mark.slow
def test_captions_of_a_thousand_of_all_images(tmp_path: Path) -> None:
    """A result file about some of val2014's 40,504 images, as coco-caption's own example is, by `--allow-part`."""
    annotations = tmp_path / "data" / "coco" / "annotations" / "captions_val2014.json"
    annotations.parent.mkdir(parents=True)
    annotations.write_bytes(whole())
    references = dict(random.Random(1).sample(sorted(real_references().items()), 1000))
    candidates = made_up(references)
    rows = [{"image_id": int(image), "caption": text} for image, text in candidates.items()]
    (tmp_path / "said.json").write_text(json.dumps(rows), "utf-8")
    given = {"tasks": "coco_caption", "model": "replay", "ckpt": str(tmp_path / "said.json"), "name": "part"}
    places = {"data": str(tmp_path / "data"), "out": str(tmp_path)}
    metrics = evaluate(resolve({**given, **places, "model_args": {"allow_part": "true"}}), kind="score").metrics
    found = {name: metric["value"] for name, metric in metrics["coco_caption"]["metrics"].items()}
    expected = official(references, candidates, tmp_path)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert metrics["coco_caption"]["data_version"] == "val2014, 1,000 of 40,504 samples"
