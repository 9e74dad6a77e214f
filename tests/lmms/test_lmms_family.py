"""lmms-eval's tasks as ours, against lmms-eval's own functions called by hand."""

from __future__ import annotations

import json
import shutil
import warnings
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import lmms_tables as tables
import numpy as np
import pytest
from PIL import ImageFile

from sqeval.config import resolve
from sqeval.data.root import resolve_root
from sqeval.errors import UserError
from sqeval.evaluation import Outcome, evaluate
from sqeval.models.replay import Replay
from sqeval.registry import get_family, get_task, parse_tasks
from sqeval.rundir import read_records
from sqeval.stats import estimate
from sqeval.stored import pack, read_stored
from sqeval.task import Sample
from sqeval_tasks.lmms import library

pytestmark = pytest.mark.skipif(find_spec("lmms_eval") is None, reason="lmms-eval is not installed; `make lmms`")


def functions(task: str) -> ModuleType:
    """A task's own module, without the rest of lmms-eval."""
    spec = spec_from_file_location(f"{task}_functions", library.tasks_folder() / task / "utils.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(tmp_path: Path, task: str, data: str | Path, **more: Any) -> Outcome:
    given = {"tasks": task, "model": "random", "data": str(data), "out": str(tmp_path / "results"), **more}
    return evaluate(resolve(given))


def records(outcome: Outcome, task: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (outcome.folder / task / "samples.jsonl").read_text("utf-8").splitlines()]


def answered(tmp_path: Path, task: str, data: Path, answers: list[str]) -> Outcome:
    """What a file of these answers scores."""
    lines = [json.dumps({"question_id": str(number), "text": text}) for number, text in enumerate(answers)]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines), "utf-8")
    return run(tmp_path, task, data, model="replay", ckpt=str(tmp_path / "answers.jsonl"))


def test_pope_is_scored_by_lmms_eval_s_own_functions(tmp_path: Path) -> None:
    theirs = functions("pope")
    data = tables.pope(tmp_path / "data")
    answers = (["yes", "No", "Yes.", "no", "I am not sure", " yes "] * 5)[:30]
    outcome = answered(tmp_path, "lmms:pope", data, answers)
    made = records(outcome, "lmms:pope")
    results = [
        theirs.pope_process_results(record["reference"], [answer.strip()])
        for record, answer in zip(made, answers, strict=True)
    ]
    for record, result in zip(made, results, strict=True):
        assert record["scores"] == {name: value["score"] for name, value in result.items()}
    metrics = outcome.metrics["lmms:pope"]["metrics"]
    for measure in ("accuracy", "precision", "recall", "f1_score", "yes_ratio"):
        value = getattr(theirs, f"pope_aggregate_{measure}")([result[f"pope_{measure}"] for result in results])
        assert metrics[f"pope_{measure}"]["value"] == pytest.approx(value, abs=1e-12)
        assert metrics[f"pope_{measure}"]["clusters"] == 5
    assert metrics["pope_accuracy"]["stderr"] == pytest.approx(clustered(made, "pope_accuracy"), rel=1e-9)
    assert metrics["pope_recall"]["stderr"] not in (None, metrics["pope_accuracy"]["stderr"])


def clustered(made: list[dict[str, Any]], name: str) -> float:
    """Standard error of a mean over clusters, written out (Miller 2024, eq. 4, with C/(C-1))."""
    values = np.array([record["scores"][name] for record in made])
    labels = [record["cluster"] for record in made]
    sums = [sum(v - values.mean() for v, c in zip(values, labels, strict=True) if c == one) for one in set(labels)]
    return float(np.sqrt(len(sums) / (len(sums) - 1) * np.square(sums).sum()) / len(values))


def test_a_stored_baseline_has_the_same_metrics(tmp_path: Path) -> None:
    outcome = run(tmp_path, "lmms:mme", tables.mme(tmp_path / "data"))
    (tmp_path / "stored.csv.gz").write_bytes(pack(read_records(outcome.folder / "lmms:mme" / "samples.jsonl")[0]))
    for found in get_task("lmms:mme").metrics(read_stored(tmp_path / "stored.csv.gz")):
        again, before = estimate(found).to_json(), outcome.metrics["lmms:mme"]["metrics"][found.name]
        assert {key: again[key] for key in ("n", "clusters")} == {key: before[key] for key in ("n", "clusters")}
        assert [again["value"], again["stderr"]] == pytest.approx([before["value"], before["stderr"]])


def test_questions_about_one_image_are_one_group_wherever_they_stand(tmp_path: Path) -> None:
    from sqeval.data.places import open_root
    from sqeval.planner import groups, questions

    data = tables.pope(tmp_path / "data", images=5, each=6)
    task = get_task("lmms:pope")
    samples = task.samples(open_root(str(data), [task]).for_task(task.name))
    asked = questions(task, samples, Replay(tmp_path).identity)
    assert [len(group.requests) for group in groups([(task, asked)])] == [6] * 5
    assert samples[0].cluster != samples[1].cluster
    assert samples[0].question + "\nAnswer the question using a single word or phrase." == task.prompt(samples[0])


def test_mme_s_points_have_an_error_bar_by_image(tmp_path: Path) -> None:
    data = tables.mme(tmp_path / "data")
    pairs = [("Yes", "Yes"), ("yes", "no"), ("No", "No"), ("no", "YES"), ("other", "no"), ("Yes", "No")] * 3
    answers = [answer for pair in pairs[:9] for answer in pair]
    outcome = answered(tmp_path, "lmms:mme", data, answers)
    made = records(outcome, "lmms:mme")
    assert made[0]["prompt"].endswith("?\nAnswer the question using a single word or phrase.")
    points = {"existence": [], "color": [], "code_reasoning": []}
    for first, second in zip(made[::2], made[1::2], strict=True):
        right = [one["scores"].popitem()[1] for one in (first, second)]
        points[first["reference"]["category"]].append(50 * sum(right) + 100 * (sum(right) == 2))
    perception = sum(float(np.mean(points[name])) for name in ("existence", "color"))
    metrics = outcome.metrics["lmms:mme"]["metrics"]
    assert metrics["mme_perception_score"]["value"] == pytest.approx(perception / 100)
    assert metrics["mme_cognition_score"]["value"] == pytest.approx(float(np.mean(points["code_reasoning"])) / 100)
    assert metrics["mme_perception_score"]["n"] == 12
    assert metrics["mme_perception_score"]["stderr"] > 0
    # One category of three images: the jackknife of their mean is the usual standard error.
    spread = float(np.std(points["code_reasoning"], ddof=1)) / np.sqrt(3) / 100
    assert metrics["mme_cognition_score"]["stderr"] == pytest.approx(spread)


def test_mme_with_half_a_pair_says_why_it_has_no_value(tmp_path: Path) -> None:
    data = tables.mme(tmp_path / "data")
    table = data / "lmms" / "MME" / "data" / "test-00000-of-00001.parquet"
    import datasets

    datasets.Dataset.from_parquet(str(table)).select(range(3)).to_parquet(str(table))
    result = run(tmp_path, "lmms:mme", data).metrics["lmms:mme"]
    assert result["metrics"]["mme_perception_score"]["value"] is None
    assert "MME only supports pairwise evaluation" in result["not_computed"]["mme_perception_score"]


def test_a_list_of_one_image_is_asked_and_of_two_is_an_error_of_that_question(tmp_path: Path) -> None:
    data = tables.seed(tmp_path / "data")
    outcome = run(tmp_path, "lmms:seedbench", data, model=None, ckpt="mini")
    made = records(outcome, "lmms:seedbench")
    assert [record["error"] is not None for record in made] == [False] * 6 + [True]
    assert "several images" in made[-1]["error"]
    metrics = outcome.metrics["lmms:seedbench"]["metrics"]
    right = [record["response"].strip()[:1] == record["reference"]["answer"] for record in made[:6]]
    assert metrics["seed_image"]["value"] == pytest.approx(sum(right) / 6)
    assert metrics["seed_all"]["value"] == pytest.approx(sum(right) / 7)
    assert metrics["seed_video"]["n"] == 1
    assert outcome.errored == 1


def test_data_saved_to_disk_give_the_same_and_the_hub_s_cache_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    data = tables.pope(tmp_path / "data")
    usual = run(tmp_path, "lmms:pope", data, name="usual").metrics["lmms:pope"]["metrics"]
    table = datasets.load_dataset(str(data / "lmms" / "POPE"))
    table.save_to_disk(str(tmp_path / "saved" / "lmms" / "POPE"))
    saved = run(tmp_path, "lmms:pope", tmp_path / "saved", name="saved")
    assert saved.metrics["lmms:pope"]["metrics"] == usual

    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(UserError, match=r"does not give lmms-lab-encoder/POPE .*give a folder"):
        run(tmp_path, "lmms:pope", "hub", name="hub")
    kept = tmp_path / "hub" / "datasets--lmms-lab-encoder--POPE"
    shutil.copytree(data / "lmms" / "POPE", kept / "snapshots" / ("a" * 40))
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("a" * 40, "utf-8")
    cached = run(tmp_path, "lmms:pope", "hub", name="hub")
    assert cached.metrics["lmms:pope"]["metrics"] == usual
    assert cached.run["sources"]["lmms:pope"] == {"dataset": "lmms-lab-encoder/POPE", "revision": "a" * 40}
    copied = run(tmp_path, "lmms:pope", f"hub:{data}/lmms", name="copied")
    assert copied.metrics["lmms:pope"]["metrics"] == usual


def test_missing_data_are_told_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(
        UserError, match=r"lmms/POPE/\*\*/\*\.parquet \(from a copy of the dataset lmms-lab-encoder/POPE"
    ):
        run(tmp_path, "lmms:pope", tmp_path / "data")
    with pytest.raises(UserError, match=r"lmms/POPE is missing, a copy of the dataset lmms-lab-encoder/POPE; --data"):
        get_task("lmms:pope").samples(resolve_root(str(tmp_path / "data")))
    table = tables.pope(tmp_path / "data") / "lmms" / "POPE" / "data" / "test-00000-of-00001.parquet"
    table.write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match=r"lmms:pope: .*split test\) cannot be read"):
        run(tmp_path, "lmms:pope", tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lmms:popee", "did you mean 'lmms:pope'"),
        ("lmms:pope_full", "group .*lmms:pope_adv,lmms:pope_pop,lmms:pope_random"),
        ("lmms:seedbench_ppl", "multiple_choice, not generate_until"),
        ("lmsm:pope", "unknown family of tasks 'lmsm'; there are: lmms"),
        ("lmms:", "unknown task 'lmms:'"),
    ],
)
def test_what_cannot_be_run_is_told(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_tasks(name)


def test_the_protocols_of_our_own_tasks_are_not_theirs() -> None:
    with pytest.raises(UserError, match="does not know the protocol 'llava'"):
        get_task("lmms:pope", "llava")


def test_answers_pass_through_a_task_s_own_filter() -> None:
    """AI2D takes the letter where the response begins with letter and period, and else the whole response."""
    task = get_task("lmms:ai2d")
    doc = {"question": "What is it?", "options": ["cat", "dog", "cow"], "answer": "1"}
    sample = Sample("0", None, "What is it?", doc, "0")
    assert task.gold(sample) == "B"
    scores = {text: task.score(text, sample).values["exact_match"] for text in ("B", "b.", "B. dog", "B dog", "C. cow")}
    assert scores == {"B": 1, "b.": 1, "B. dog": 1, "B dog": 0, "C. cow": 0}


def test_every_task_is_listed_once() -> None:
    names = get_family("lmms").names()
    assert {"pope", "mme", "seedbench", "mmbench_en_dev", "gqa", "vqav2_val"} <= set(names)
    assert len(names) == len(set(names)) > 1000


def test_without_lmms_eval_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise library.PackageNotFoundError(name)

    monkeypatch.setattr(library, "version", missing)
    with pytest.raises(UserError, match=r"not installed; pip install --no-deps lmms-eval && pip install .*tenacity"):
        get_task("lmms:pope")


def test_lmms_eval_leaves_pillow_and_warnings_as_they_were() -> None:
    filters = warnings.filters[:]
    library.lmms_module("api.task")
    get_task("lmms:mme")
    assert warnings.filters == filters
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_version_and_definition_are_in_the_hashes(tmp_path: Path) -> None:
    from sqeval.scorers import scorer_hash

    one, other = get_task("lmms:pope"), get_task("lmms:pope_adv")
    assert library.lmms_version() in one.version
    assert one.version != other.version
    assert scorer_hash(one) != scorer_hash(other)
    assert scorer_hash(one) == scorer_hash(get_task("lmms:pope"))
