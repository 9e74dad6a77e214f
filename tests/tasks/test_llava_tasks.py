"""The tasks as LLaVA's scripts have them, and captions as SQ-LLaVA's do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from answering import answered, data_root, values
from test_gqa_task import expected

from sqeval.model import Settings
from sqeval.records import Record
from sqeval.registry import get_task
from sqeval.scoring import captions
from sqeval.stats.estimates import estimate
from sqeval.task import Sample, Task
from sqeval_tasks.captioning import PROMPT
from sqeval_tasks.gqa import CHOICES, QUESTIONS

GOLDEN = Path(__file__).parents[1] / "golden"
MATCHED = json.loads((GOLDEN / "mmbench_can_infer_cases.json").read_text("utf-8"))
SAME = ("vqav2", "vizwiz", "textvqa", "pope", "scienceqa", "mmvet", "llava_wild")


def task(name: str) -> Any:
    return get_task(name, "llava")


def test_gqa_is_every_number_that_llava_s_script_prints(tmp_path: Path) -> None:
    """Choices lie beside the questions, and are left there."""
    gqa = task("gqa")
    (tmp_path / "gqa").mkdir()
    shutil.copy(GOLDEN / "gqa_toy_questions.json", tmp_path / QUESTIONS)
    shutil.copy(GOLDEN / "gqa_toy_choices.json", tmp_path / CHOICES)
    samples = gqa.samples(data_root(tmp_path))
    said = gqa.read_predictions(GOLDEN / "gqa_toy_predictions.json", samples)
    found = values(gqa, answered(gqa, samples, lambda sample: said[sample.id]))
    want = expected("gqa_toy_expected_llava_mode.txt")
    assert found.keys() == want.keys()
    assert {key: value for key, value in found.items() if abs(value - want[key]) > 5e-13} == {}


@pytest.mark.parametrize("name", ["mmbench", "mmbench_cn"])
@pytest.mark.parametrize(("response", "options", "then", "now"), MATCHED)
def test_mmbench_has_the_matcher_of_its_time(
    name: str, response: str, options: dict[str, str], then: str | bool, now: str | bool
) -> None:
    sample = Sample("1", None, "?", {"answer": "A", "options": options}, "image", metadata={"options": options})
    assert task(name).score(response, sample).parsed == (then or None)
    assert get_task(name).score(response, sample).parsed == (now or None)


@pytest.mark.parametrize("name", SAME)
def test_nothing_but_the_name_differs(name: str) -> None:
    ours, official = task(name), get_task(name)
    assert ours.settings == official.settings
    assert ours.primary == official.primary
    own = {key for key in vars(type(ours)) if not key.startswith("_")}
    assert own <= {"protocol", "differs"}


def scored(domain: str | None, number: int) -> Record:
    """A caption's record as corpus scores leave it; every score is `number`."""
    names = ["cider", "cider_own_idf", "rouge_l", *captions.BLEU_SUMS, *captions.METEOR_SUMS]
    scores = dict.fromkeys([*names, *(f"release_{name}" for name in names)], float(number))
    tags = {} if domain is None else {"domain": domain}
    return Record(str(number), f"image{number}", None, "?", "?", "x", "x", ["x"], scores, tags)


def reported(task: Task, records: list[Record]) -> dict[str, float]:
    """As `values`, where SPICE has none."""
    return {metric.name: estimate(metric, replicates=2).value for metric in task.metrics(records)}


@pytest.mark.parametrize(("name", "temperature"), [("coco_caption", 0.2), ("flickr30k", 0.2), ("nocaps", 0.0)])
def test_captions_are_asked_as_the_release_asks(name: str, temperature: float) -> None:
    variant = task(name)
    assert variant.prompt(Sample("1", None, PROMPT, ["x"], "image")) == PROMPT
    assert variant.settings == Settings(1024, temperature)
    assert variant.image_aspect_ratio == "crop"


@pytest.mark.parametrize("name", ["coco_caption", "flickr30k"])
def test_captions_report_what_the_release_prints(name: str) -> None:
    found = reported(task(name), [scored(None, 1), scored(None, 3)])
    assert list(found) == ["release_cider", "release_bleu4", "release_meteor", "release_spice"]
    assert found["release_cider"] == 2.0


def test_nocaps_reports_two_domains() -> None:
    records = [scored("in-domain", 1), scored("near-domain", 2), scored("near-domain", 4), scored("out-domain", 5)]
    nocaps = task("nocaps")
    found = reported(nocaps, records)
    assert next(iter(found)) == nocaps.primary == "release_cider/domain=near-domain"
    assert (found[nocaps.primary], found["release_cider/domain=out-domain"]) == (3.0, 5.0)
    assert not [key for key in found if "in-domain" in key or not key.startswith("release_")]
    (alone, *_) = nocaps.metrics([scored("out-domain", 5)])
    assert (alone.name, len(alone.ids)) == (nocaps.primary, 0)


def test_lmms_reports_no_spice_no_release_and_no_domains() -> None:
    records = [scored("in-domain", 1), scored("near-domain", 3)]
    found = reported(get_task("nocaps", "lmms"), records)
    assert list(found) == ["cider", "bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rouge_l"]
    assert found["cider"] == 2.0
