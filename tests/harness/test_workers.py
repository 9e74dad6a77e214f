"""Runs by real workers of Ray end with the bytes of one process, whoever is lost on the way."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hands
import psutil
import pytest
from shades import Looker
from test_survival import content

from sqeval.config import RunConfig
from sqeval.errors import IncompleteError, UserError
from sqeval.evaluation import Outcome, evaluate
from sqeval.progress import Bar, Silent
from sqeval.workers.cluster import cluster
from sqeval.workers.pool import pool
from sqeval.workers.portions import MOST_LOSSES
from sqeval.workers.worker import Load

Make = Callable[..., RunConfig]
HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def ray() -> Iterator[Any]:
    """One Ray for all tests, whose workers find the models of `hands`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("OMP_NUM_THREADS", "1")
        with cluster(None, 2, cpu=True) as module:
            yield module


class Told(Silent):
    """Keeps the notes; `act` is called after so many answers."""

    def __init__(self, after: int = -1, act: Callable[[], object] = int) -> None:
        self.notes: list[str] = []
        self._left, self._act = after, act

    def note(self, what: str) -> None:
        self.notes.append(what)

    def advance(self, done: int = 1, failed: int = 0) -> None:
        self._left -= done
        if self._left == 0:
            self._act()

    @contextmanager
    def tasks(self, counts: Mapping[str, tuple[int, int]]) -> Iterator[Mapping[str, Bar]]:
        with super().tasks(counts) as bars:
            for bar in bars.values():
                bar.advance = self.advance  # type: ignore[method-assign]
            yield bars


def run(config: RunConfig, load: Load = hands.healthy, progress: Told | None = None) -> Outcome:
    told = progress or Told()
    with pool(config.model_copy(update={"workers": 2}), told, load) as model:
        return evaluate(config, model=model, progress=told)


def run_json(config: RunConfig) -> Any:
    return json.loads((config.folder / "run.json").read_bytes())


@pytest.fixture
def expected(config: Make) -> dict[str, bytes]:
    """What one process leaves."""
    evaluate(config(name="whole"), model=Looker())
    return content(config(name="whole").folder)


@pytest.mark.slow
def test_the_packaged_checkpoint_by_two_workers(tmp_path: Path) -> None:
    def config(workers: int) -> RunConfig:
        settings: dict[str, Any] = {"tasks": ("gqa", "pope"), "data": "mini", "ckpt": "mini", "device": "cpu"}
        return RunConfig(**settings, limit=60, out=str(tmp_path), name=f"by{workers}", workers=workers)

    one, two = evaluate(config(1)), evaluate(config(2))
    assert content(two.folder) == content(one.folder)
    assert run_json(config(2))["identity"] == run_json(config(1))["identity"]
    throughput, alone = (run_json(config(n))["throughput"] for n in (2, 1))
    shares = throughput["workers"]
    assert [share["lost"] for share in shares] == [None] * len(shares)
    assert sum(share["questions"] for share in shares) == throughput["questions"] == alone["questions"]
    assert throughput["images_encoded"] == alone["images_encoded"]
    assert throughput["generated_tokens"] == alone["generated_tokens"]
    assert throughput["prompt_tokens"] == alone["prompt_tokens"]
    assert evaluate(config(1).model_copy(update={"name": "by2"})).untouched  # the number of workers changes nothing


def test_what_two_looking_workers_leave(config: Make, expected: dict[str, bytes]) -> None:
    told = Told()
    run(config(), hands.telling, told)
    assert content(config().folder) == expected
    assert told.notes[0] == "half of the memory is used"  # said twice, shown once
    shares = run_json(config())["throughput"]["workers"]
    assert told.notes[1].startswith("25 questions in ")
    assert [note.split(" on ")[0] for note in told.notes[2:]] == [f"worker {i + 1}" for i in range(len(shares))]
    assert sum(share["questions"] for share in shares) == 25


def test_a_worker_killed_while_it_answers(
    config: Make, expected: dict[str, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    def kill() -> None:
        busy = [p for p in psutil.Process().children(recursive=True) if p.cmdline()[:1] == ["ray::Worker.answer"]]
        busy[0].send_signal(signal.SIGKILL)

    told = Told(3, kill)
    run(config(), hands.slow, told)
    assert content(config().folder) == expected
    shares = run_json(config())["throughput"]["workers"]
    assert sum(share["lost"] is not None for share in shares) == 1
    assert sum(share["questions"] for share in shares) == 25
    assert sum("its process ended" in note for note in told.notes) == 2  # when it was, and in the closing lines
    assert capfd.readouterr().out == ""  # Ray's words would stand among results


@pytest.mark.parametrize(
    ("load", "why"),
    [(hands.poisoned, "its process ended"), (hands.raising, "RuntimeError: a tensor of the wrong size")],
)
def test_an_image_that_ends_its_worker_is_an_error_and_the_rest_is_answered(
    load: Load, why: str, config: Make, expected: dict[str, bytes]
) -> None:
    told = Told()
    outcome = run(config(), load, told)
    assert outcome.metrics["shades"]["counts"] | {"truncated": 0} == {
        "n": 25, "scored": 21, "unparsed": 1, "errored": 3, "missing": 0, "truncated": 0,
    }  # fmt: skip
    lines = [json.loads(line) for line in (config().folder / "shades" / "samples.jsonl").read_bytes().splitlines()]
    errored = [line for line in lines if line["error"]]
    assert {line["image"] for line in errored} == {f"shades/images/{hands.POISON}"}
    assert all(f"{MOST_LOSSES} workers were lost" in line["error"] and why in line["error"] for line in errored)
    rest = Looker()
    evaluate(config(), model=rest)
    assert Counter(key.partition("-")[2] for key in rest.asked) == {hands.POISON: 3}
    assert content(config().folder) == expected


def test_workers_that_never_load_end_the_run(config: Make) -> None:
    alone = config().model_copy(update={"ray_address": "auto"})  # the cluster that is joined already
    with (
        pytest.raises(IncompleteError, match=r"all 4 workers were lost.*the same command continues"),
        pool(alone, Told(), hands.dying),
    ):
        pass
    assert not config().folder.exists()


def test_what_a_loader_refuses_is_one_message(config: Make) -> None:
    with pytest.raises(UserError) as caught:
        run(config(ckpt="elsewhere"), hands.refusing)
    assert str(caught.value) == "--ckpt elsewhere: nothing is there"


def test_a_run_that_was_cut_short_goes_on(config: Make, expected: dict[str, bytes]) -> None:
    class StopError(Exception):
        pass

    def stop() -> None:
        raise StopError

    with pytest.raises(StopError):
        run(config(), hands.slow, Told(9, stop))
    assert content(config().folder)["shades/samples.jsonl"].count(b"\n") == 9
    run(config())
    assert run_json(config())["throughput"]["questions"] == 16
    assert content(config().folder) == expected
