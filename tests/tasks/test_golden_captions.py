"""The captioning tasks from their official files to their metrics: the official numbers of 48 images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answering import answered, data_root, write_json
from golden_captions import GOLDEN, IMAGES, OFFICIAL, SAID, annotations, domain, expected, references
from pycocoevalcap.bleu.bleu import Bleu

from sqeval.records import Record
from sqeval.scoring import captions
from sqeval.stats.estimates import estimate
from sqeval.task import Sample, Task
from sqeval_tasks.coco_caption import ANNOTATIONS, CocoCaption
from sqeval_tasks.flickr30k import SPLIT, Flickr30k
from sqeval_tasks.nocaps import VAL, NoCaps

DOMAINS = ("in-domain", "near-domain", "out-domain")
TASKS: list[Task] = [CocoCaption(), Flickr30k(), NoCaps()]

each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)


@pytest.fixture(scope="module", autouse=True)
def _meteor_once() -> Iterator[None]:
    """All tasks are given the same captions: one METEOR, which takes long to start, does for all."""
    known: dict[Any, Any] = {}
    run: Callable[..., Any] = captions.meteor_counts

    def remembered(said: Sequence[str], refs: Sequence[Sequence[str]], java: Any) -> Any:
        key = (tuple(said), tuple(map(tuple, refs)))
        if key not in known:
            known[key] = run(said, refs, java)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(captions, "meteor_counts", remembered)
        yield


def samples(task: Task, root: Path) -> list[Sample]:
    """The task's samples from official files of the golden captions."""
    write_json(root, ANNOTATIONS, annotations())
    write_json(root, VAL.questions, annotations(domain=domain))
    split = [
        {"imgid": i, "filename": f"{image}.jpg", "split": "test", "sentences": [{"raw": text} for text in texts]}
        for i, (image, texts) in enumerate(references().items())
    ]
    write_json(root, SPLIT, {"images": split, "dataset": "flickr30k"})
    return task.samples(data_root(root))


def scored(task: Task, full: Sequence[Sample], asked: Sequence[Sample] | None = None) -> list[Record]:
    records = answered(task, asked or full, lambda sample: SAID[sample.id])
    extra = task.corpus_scores(records, full)
    assert extra is not None
    return [record.with_scores(more) for record, more in zip(records, extra, strict=True)]


def values(task: Task, records: Sequence[Record]) -> dict[str, float]:
    return {metric.name: estimate(metric, replicates=2).value for metric in task.metrics(records)}


@each_task
def test_the_official_scores(task: Task, tmp_path: Path) -> None:
    full = samples(task, tmp_path)
    assert [sample.id for sample in full] == IMAGES
    results = write_json(tmp_path, "results.json", GOLDEN["results"])
    assert task.read_predictions(results, full) == SAID
    found = values(task, scored(task, full))
    assert next(iter(found)) == "cider"
    for name, official in OFFICIAL.items():
        assert found[name] == pytest.approx(GOLDEN["expected"][official], rel=1e-14)
    assert np.isnan(found["spice"])
    assert all(
        name.startswith("release_") or name.split("/")[0] in {*OFFICIAL, "spice", "cider_own_idf"} for name in found
    )


def test_domains_have_the_frequencies_of_the_entire_set(tmp_path: Path) -> None:
    task = NoCaps()
    found = values(task, scored(task, samples(task, tmp_path)))
    for part in DOMAINS:
        images = [image for image in IMAGES if domain(image) == part]
        for name in ("cider", "rouge_l"):
            assert found[f"{name}/domain={part}"] == pytest.approx(expected(name, images), rel=1e-14)
        tokens = ({i: GOLDEN["tok_refs"][i] for i in images}, {i: [GOLDEN["tok_cands"][i]] for i in images})
        bleu, _ = Bleu(4).compute_score(*tokens, verbose=0)
        assert [found[f"bleu{n}/domain={part}"] for n in captions.BLEU_ORDERS] == pytest.approx(bleu, rel=1e-12)
    weights = [sum(domain(image) == part for image in IMAGES) for part in DOMAINS]
    mean = np.average([found[f"cider/domain={part}"] for part in DOMAINS], weights=weights)
    assert mean == pytest.approx(found["cider"], rel=1e-12)
    own = [found[f"cider_own_idf/domain={part}"] for part in DOMAINS]
    assert np.average(own, weights=weights) != pytest.approx(found["cider"], rel=1e-3)
    assert "cider_own_idf" not in found
    assert "release_cider" not in found  # the release prints no number for all domains
    assert {name.split("/")[0] for name in found if name.startswith("release_")} == {
        "release_cider", "release_bleu4", "release_meteor", "release_spice",
    }  # fmt: skip


@each_task
def test_a_part_of_the_images_is_scored_as_within_the_whole(task: Task, tmp_path: Path) -> None:
    full = samples(task, tmp_path)
    whole = {record.id: record.scores for record in scored(task, full)}
    some = scored(task, full, full[3::7])
    assert {record.id: record.scores for record in some} == {record.id: whole[record.id] for record in some}


@each_task
def test_every_metric_has_a_clustered_interval(task: Task, tmp_path: Path) -> None:
    for metric in task.metrics(scored(task, samples(task, tmp_path))):
        found = estimate(metric, replicates=50)
        if "spice" in metric.name:
            assert (found.n, found.stderr) == (0, None)
        else:
            assert found.n == found.clusters == (48 if "/" not in metric.name else len(metric.ids))
            assert found.low is not None
            assert found.high is not None
            assert found.low < found.value < found.high
