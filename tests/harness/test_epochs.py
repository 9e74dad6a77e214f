"""Every question several times: averaged first, drawn anew, and continued like any run."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from shades import Looker
from test_survival import content, dying_at_answer, in_child

from sqeval import epochs
from sqeval.config import RunConfig
from sqeval.errors import UserError
from sqeval.evaluation import evaluate
from sqeval.metrics import means
from sqeval.models.baselines import Random
from sqeval.records import Record
from sqeval.registry import get_task
from sqeval.rundir import read_records
from sqeval.stats import estimate

Make = Callable[..., RunConfig]


def record(key: str, score: float) -> Record:
    image = key.partition("#")[0].partition("/")[0]
    return Record(key, image, None, "", "", "", "", None, {"accuracy": score}, tags={"kind": image})


class Accurate:
    """The one method of a task that matters here."""

    def metrics(self, records: list[Record]) -> Any:
        return means(records, "accuracy", ["kind"])


def test_answers_to_a_question_are_averaged_first() -> None:
    draws = np.random.default_rng(0).random((3, 40))
    questions = [f"image{i // 4}/{i % 4}" for i in range(40)]
    keys = [[q if e == 0 else f"{q}{epochs.MARK}{e}" for q in questions] for e in range(3)]
    records = [record(key, score) for e in range(3) for key, score in zip(keys[e], draws[e].tolist(), strict=True)]
    task: Any = Accurate()
    found = {metric.name: metric for metric in epochs.metrics(task, epochs.by_epoch(records))}
    averaged = Accurate().metrics([record(q, s) for q, s in zip(questions, draws.mean(0).tolist(), strict=True)])
    for expected in averaged:
        metric = found[expected.name]
        assert list(metric.ids) == list(expected.ids)
        np.testing.assert_allclose(metric.columns, expected.columns, rtol=1e-14)
        assert estimate(metric).stderr == pytest.approx(estimate(expected).stderr)


def test_the_noise_of_sampling_falls_with_repeats_and_that_of_questions_does_not() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(4_000)
    spread = {}
    for repeats in (1, 4):
        drawn = rng.random((repeats, 4_000)) < truth
        records = [
            record(f"{i}/0" + (f"{epochs.MARK}{e}" if e else ""), float(drawn[e, i]))
            for e in range(repeats)
            for i in range(4_000)
        ]
        task: Any = Accurate()
        stderr = estimate(epochs.metrics(task, epochs.by_epoch(records))[0]).stderr
        assert stderr is not None
        spread[repeats] = stderr**2 * 4_000
    assert spread[1] == pytest.approx(1 / 12 + 1 / 6, rel=0.05)  # Var(x) + E[sigma^2] for x uniform in 0..1
    assert spread[4] == pytest.approx(1 / 12 + 1 / 24, rel=0.05)


def test_epochs_about_other_questions_are_refused() -> None:
    task: Any = Accurate()
    with pytest.raises(ValueError, match="same questions"):
        epochs.metrics(task, [[record("a/0", 1), record("b/0", 1)], [record("a/0", 1)]])


def test_guesses_are_drawn_anew_and_the_score_is_their_mean(config: Make) -> None:
    run = config(epochs=3)
    outcome = evaluate(run, model=Random(0))
    records, _ = read_records(run.folder / "shades" / "samples.jsonl")
    questions = {r.id for r in records if epochs.MARK not in r.id}
    assert len(records) == 3 * len(questions)
    first, second, third = epochs.by_epoch(records)
    assert [r.parsed for r in first] != [r.parsed for r in second]
    by_hand = np.mean([[r.scores["accuracy"] for r in each] for each in (first, second, third)])
    metric = outcome.metrics["shades"]["metrics"]["accuracy"]
    assert metric["value"] == pytest.approx(by_hand)
    assert metric["n"] == len(questions)
    assert outcome.metrics["shades"]["counts"]["n"] == len(records)


def test_a_submission_holds_one_answer_a_question(config: Make) -> None:
    for name, repeats in (("once", 1), ("thrice", 3)):
        evaluate(config(name=name, epochs=repeats), model=Looker())
    once, thrice = (next((config(name=name).folder / "shades").glob("submission.*")) for name in ("once", "thrice"))
    assert once.read_bytes() == thrice.read_bytes()


def test_a_killed_run_goes_on_and_other_settings_are_refused(config: Make) -> None:
    evaluate(config(name="whole", epochs=2), model=Looker())
    run = config(name="killed", epochs=2)
    assert in_child(lambda: evaluate(run, model=dying_at_answer(30))) == -signal.SIGKILL
    with pytest.raises(UserError, match="epochs: 2 there, 3 now"):
        evaluate(run.model_copy(update={"epochs": 3}), model=Looker())
    evaluate(run, model=Looker())
    assert content(run.folder) == content(config(name="whole").folder)


def test_the_temperature_reaches_the_model_and_seeds_stay_comparable(config: Make) -> None:
    asked = []

    class Listening(Looker):
        def generate(self, groups: Any) -> Any:
            asked.extend(request.settings for group in groups for request in group.requests)
            return super().generate(groups)

    hashes = {}
    for seed in (0, 7):
        evaluate(config(name=f"seed{seed}", temperature=0.7, seed=seed), model=Listening())
        stored = json.loads((config(name=f"seed{seed}").folder / "shades" / "metrics.json").read_bytes())
        hashes[seed] = stored["hashes"]["prompts"]
    assert {(settings.temperature, settings.seed) for settings in asked} == {(0.7, 0), (0.7, 7)}
    assert hashes[0] == hashes[7]
    assert get_task("shades").settings.temperature == 0
