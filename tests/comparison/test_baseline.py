"""Storing a run: nothing that metrics and pairing need is lost, and equal runs give equal bytes."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_runs import answers, make_run, truths

from sqeval import runner
from sqeval.baseline import store
from sqeval.data.root import resolve_root
from sqeval.errors import DataError, UserError
from sqeval.model import Completion, Identity
from sqeval.planner import questions
from sqeval.records import Record
from sqeval.registry import get_task
from sqeval.runs import load_run
from sqeval.stats import difference, estimate
from sqeval.stored import STORED, pack, read_stored

any_text = st.text(st.characters(codec=None), max_size=20)
records = st.lists(
    st.builds(
        Record,
        id=any_text,
        cluster=any_text,
        image=st.none(),
        question=st.just(""),
        prompt=st.just(""),
        response=st.none(),
        parsed=st.none() | any_text,
        reference=st.none() | any_text | st.dictionaries(any_text, st.integers() | st.booleans(), max_size=3),
        scores=st.dictionaries(any_text, st.floats(allow_nan=False), max_size=3),
        tags=st.dictionaries(any_text, any_text, max_size=3),
        finish_reason=st.sampled_from(["stop", "length", "error"]),
        error=st.none() | any_text,
    ),
    max_size=6,
    unique_by=lambda record: record.id,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records)
def test_every_text_and_number_survives(tmp_path: Path, kept: list[Record]) -> None:
    path = tmp_path / STORED
    path.write_bytes(pack(kept))
    assert read_stored(path) == sorted(kept, key=lambda record: record.id)


def test_bytes_do_not_depend_on_order_or_time() -> None:
    rows = answers(truths(50))
    shuffled = random.Random(0).sample(rows, len(rows))
    assert pack(rows) == pack(shuffled)
    assert pack(rows)[4:8] == b"\0\0\0\0"  # gzip's time stamp


def test_metrics_come_out_the_same_and_pair_with_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path / "results" / "good", {"colours": answers(truths())})
    stored = load_run(store(run, tmp_path / "results" / "baselines", "main"))
    assert (stored.name, stored.is_baseline, run.is_baseline) == ("main", True, False)
    before = get_task("colours").metrics(run.tasks["colours"].records)
    after = get_task("colours").metrics(stored.tasks["colours"].records)
    assert [metric.name for metric in after] == [metric.name for metric in before]
    for one, other in zip(before, after, strict=True):
        assert estimate(other).value == pytest.approx(estimate(one).value, abs=1e-12)
        assert estimate(other).stderr == pytest.approx(estimate(one).stderr, abs=1e-12)
        assert difference(one, other).identical


def test_a_stored_run_is_small(tmp_path: Path) -> None:
    run = make_run(tmp_path / "good", {"colours": answers(truths(9000))})
    target = store(run, tmp_path / "baselines")
    assert (target / "colours" / STORED).stat().st_size < 100_000
    assert not (target / "colours" / "samples.jsonl").exists()


def test_a_baseline_is_never_overwritten_and_stays_in_its_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path / "good", {"colours": answers(truths(20))})
    store(run, tmp_path / "baselines")
    with pytest.raises(UserError, match="exists; remove it"):
        store(run, tmp_path / "baselines")
    for name in ("../out", "a/b", ".hidden"):
        with pytest.raises(UserError, match="plain folder name"):
            store(run, tmp_path / "baselines", name)


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    run = make_run(tmp_path / "good", {"colours": answers(truths(20))})
    samples = run.tasks["colours"].path / "samples.jsonl"
    samples.write_text(samples.read_text()[:-10])
    with pytest.raises(Exception, match="19 of 20"):
        store(run, tmp_path / "baselines")
    assert list((tmp_path / "baselines").iterdir()) == []


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # the time would make them other bytes in every process


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip", "is not gzipped"),
        (packed(b"x" * 5000)[:-12], "is not gzipped"),
        (packed(b"\xff\xfe"), "is not gzipped"),
        (packed(b"id,name\n"), r":1: expected the columns id, cluster"),
        (
            packed(b"id,cluster,parsed,reference,finish_reason,error,score:a\nq,i,p,1,stop,\\N,high\n"),
            ":2: expected a sampl",
        ),
        (packed(b"id,cluster,parsed,reference,finish_reason,error\nq,i\n"), ":2: expected a sample"),
    ],
    ids=["no gzip", "cut off", "no text", "other columns", "a score that is no number", "a short row"],
)
def test_broken_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / STORED
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_stored(path)


@pytest.mark.parametrize("task", ["gqa", "mmbench", "pope", "scienceqa", "vqav2"])
def test_every_metric_of_every_task_can_be_computed_from_what_is_stored(task: str, tmp_path: Path) -> None:
    """Some metrics look at references (GQA's distribution and consistency), so they have to be stored as well."""
    load = runner.load(get_task(task), resolve_root("mini"), None, 0)
    plans = questions(load.task, load.asked, Identity("oracle", "oracle"))
    answers = [Completion(task, q.sample.id, load.task.gold(q.sample)) for q in plans]
    records = [runner.record(load.task, q, answer) for q, answer in zip(plans, answers, strict=True)]
    (tmp_path / STORED).write_bytes(pack(records))
    whole = {metric.name: estimate(metric).value for metric in load.task.metrics(records)}
    stored = {metric.name: estimate(metric).value for metric in load.task.metrics(read_stored(tmp_path / STORED))}
    assert stored == pytest.approx(whole)
