"""Baselines against closed forms, and the replay of answers against the run that gave them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from shades import Looker, Shades

from sqeval.config import RunConfig
from sqeval.data.root import DataRoot
from sqeval.errors import DataError, UserError
from sqeval.evaluation import evaluate
from sqeval.model import Fitted
from sqeval.models.baselines import Majority, Random
from sqeval.models.loading import load_model, model_kind
from sqeval.planner import groups, questions
from sqeval.task import Sample

Make = Callable[..., RunConfig]


def answers(model: Majority | Random, samples: list[Sample]) -> dict[str, str]:
    assert isinstance(model, Fitted)
    model.fit(Shades(), samples)
    asked = groups([(Shades(), questions(Shades(), samples, model.identity))])
    return {c.id: c.text for c in model.generate(asked)}


def samples_of(golds: list[str]) -> list[Sample]:
    return [Sample(str(number), None, "q", gold, str(number)) for number, gold in enumerate(golds)]


def test_majority_is_the_most_common_answer() -> None:
    assert set(answers(Majority(), samples_of(["red", "blue", "red", "zebra"])).values()) == {"red"}


def test_majority_prefers_yes_where_yes_and_no_are_balanced() -> None:
    assert set(answers(Majority(), samples_of(["no", "yes", "no", "yes"])).values()) == {"yes"}


def test_majority_scores_the_majority_s_share(config: Make, data: Path) -> None:
    golds = Counter(sample.reference for sample in Shades().samples(DataRoot(data, "data")))
    outcome = evaluate(config(ckpt="majority"))
    share = max(golds.values()) / sum(golds.values())
    assert outcome.metrics["shades"]["metrics"]["accuracy"]["value"] == pytest.approx(share)
    assert outcome.run["identity"]["sees_images"] is False


def test_random_draws_answers_as_often_as_they_occur() -> None:
    golds = ["a"] * 600 + ["b"] * 300 + ["c"] * 100
    drawn = Counter(answers(Random(0), samples_of(golds)).values())
    for answer, expected in Counter(golds).items():
        sd = (expected * (1 - expected / 1000)) ** 0.5
        assert abs(drawn[answer] - expected) < 5 * sd
    assert answers(Random(0), samples_of(golds)) == answers(Random(0), samples_of(golds))
    assert answers(Random(0), samples_of(golds)) != answers(Random(1), samples_of(golds))


def test_replaying_a_run_gives_its_metrics_to_the_byte(config: Make) -> None:
    evaluate(config(), model=Looker())
    replay = config(name="again", model="replay", ckpt=str(config().folder))
    outcome = evaluate(replay, kind="score")
    for name in ("metrics.json", "submission.json"):
        assert (replay.folder / "shades" / name).read_bytes() == (config().folder / "shades" / name).read_bytes()
    assert outcome.run["kind"] == "score"
    assert outcome.run["identity"]["name"] == "looker"


def test_replaying_keeps_errors_as_errors(config: Make, data: Path) -> None:
    (data / "shades" / "images" / "3.png").write_bytes(b"")
    before = evaluate(config(), model=Looker())
    samples = config().folder / "shades" / "samples.jsonl"
    after = evaluate(config(name="again", model="replay", ckpt=str(samples)), kind="score")
    assert after.errored == before.errored == 3
    assert after.metrics["shades"]["counts"] == before.metrics["shades"]["counts"]
    assert after.metrics["shades"]["metrics"] == before.metrics["shades"]["metrics"]


def test_replaying_a_predictions_file(config: Make, data: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (data / "shades" / "questions.jsonl").read_text("utf-8").splitlines()]
    path = tmp_path / "answers.jsonl"
    text = "".join(json.dumps({"question_id": x["id"], "text": x["answer"]}) + "\n" for x in reversed(lines))
    path.write_text(text, "utf-8")
    outcome = evaluate(config(model="replay", ckpt=str(path)), kind="score")
    assert outcome.metrics["shades"]["metrics"]["accuracy"]["value"] == 1
    path.write_text(text.replace("yes", "no"), "utf-8")
    with pytest.raises(UserError, match="checkpoint_hash"):  # other answers are another configuration
        evaluate(config(model="replay", ckpt=str(path)), kind="score")
    path.write_text("\n".join(text.splitlines()[1:]), "utf-8")
    with pytest.raises(DataError, match="1 samples without a prediction"):
        evaluate(config(model="replay", ckpt=str(path)), kind="score", fresh=True)


def test_scoring_needs_no_images(config: Make, data: Path) -> None:
    evaluate(config(), model=Looker())
    for image in (data / "shades" / "images").iterdir():
        image.unlink()
    replay = config(name="again", model="replay", ckpt=str(config().folder))
    assert evaluate(replay, kind="score").errored == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "--ckpt: give"),
        ({"model": "majoriti"}, "did you mean 'majority'"),
        ({"model": "majority", "ckpt": "mini"}, "needs no checkpoint"),
        ({"model": "sqllava"}, "--model sqllava needs --ckpt"),
        ({"model": "replay", "ckpt": "no/such/file"}, "no/such/file"),
        ({"ckpt": "random", "model_args": {"a": "1"}}, "takes none, got a"),
    ],
)
def test_models_that_cannot_be_loaded(settings: dict[str, object], words: str, config: Make) -> None:
    with pytest.raises(UserError, match=words):
        load_model(config(**settings))


def test_the_kind_follows_from_the_checkpoint(config: Make) -> None:
    assert model_kind(config(ckpt="majority")) == "majority"
    assert model_kind(config(ckpt="random")) == "random"
    assert model_kind(config(ckpt="anything")) == "sqllava"
    assert model_kind(config(model="majority")) == "majority"


def test_a_limit_needs_whole_predictions(config: Make, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("", "utf-8")
    with pytest.raises(UserError, match="--limit"):
        load_model(config(model="replay", ckpt=str(path), limit=3))
