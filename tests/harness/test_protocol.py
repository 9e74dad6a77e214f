"""Protocols: part of a run's configuration, results and hashes; never mixed; official where nothing is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shades import Looker, LooseShades, Shades
from typer.testing import CliRunner

from sqeval.cli.app import app
from sqeval.config import RunConfig, resolve
from sqeval.errors import DataError, UserError
from sqeval.evaluation import evaluate
from sqeval.model import Identity
from sqeval.protocol import other_images
from sqeval.registry import get_task, parse_tasks, protocols


def sqeval(*arguments: object, code: int = 0) -> Any:
    result: Any = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="sqeval")
    assert result.exit_code == code, (result.exception, result.output)
    return result


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


@pytest.fixture
def runs(config: Callable[..., RunConfig]) -> Callable[[str], Path]:
    """The folder of a run by a model that shouts half of its answers."""

    class Shouter(Looker):
        def _answer(self, group: Any, request: Any) -> Any:
            from dataclasses import replace

            answer = super()._answer(group, request)
            return replace(answer, text=answer.text.upper()) if len(self.asked) % 2 else answer

    def make(protocol: str) -> Path:
        folder = config(protocol=protocol, name=protocol).folder
        if not folder.exists():
            evaluate(config(protocol=protocol, name=protocol), model=Shouter())
        return folder

    return make


def test_it_is_in_the_configuration_the_results_and_the_hashes(runs: Callable[[str], Path]) -> None:
    official, loose = runs("official"), runs("loose")
    for folder in (official, loose):
        assert read(folder / "run.json")["config"]["protocol"] == folder.name
        assert read(folder / "shades" / "metrics.json")["protocol"] == folder.name
    ours, theirs = (read(folder / "shades" / "metrics.json") for folder in (official, loose))
    assert {key for key in ours["hashes"] if ours["hashes"][key] != theirs["hashes"][key]} == {"prompts", "scorer"}
    assert ours["metrics"]["accuracy"]["value"] < theirs["metrics"]["accuracy"]["value"]
    assert "Say yes or no." in (loose / "shades" / "samples.jsonl").read_text("utf-8")


def test_flag_file_default_and_name(data: Path, site: Path, tmp_path: Path) -> None:
    given = {"tasks": "shades", "model": "majority", "data": str(data)}
    assert resolve(given).protocol == "official"
    assert resolve(given).name == "majority-data"
    assert resolve({**given, "protocol": "loose", "limit": 6}).name == "majority-data-loose-limit6"
    file = tmp_path / "c.yaml"
    file.write_text("protocol: loose\n", "utf-8")
    assert resolve(given, file).protocol == "loose"
    assert resolve({**given, "protocol": "official"}, file).protocol == "official"


def test_an_unknown_one_is_told_where_it_stands(data: Path, site: Path, tmp_path: Path) -> None:
    given = {"tasks": "shades", "model": "majority", "data": str(data)}
    with pytest.raises(UserError, match=r"^--protocol: 'lose' is unknown; did you mean 'loose'\? there are: official,"):
        resolve({**given, "protocol": "lose"})
    file = tmp_path / "c.yaml"
    file.write_text("seed: 0\nprotocol: lose\n", "utf-8")
    with pytest.raises(DataError, match=r"c.yaml:2: protocol: 'lose' is unknown"):
        resolve(given, file)


def test_a_task_that_does_not_know_it(data: Path, site: Path) -> None:
    assert protocols("shades") == ["official", "loose"]
    assert protocols("tints") == ["official"]
    assert type(get_task("shades", "loose")) is LooseShades
    assert [task.name for task in parse_tasks("all", "loose")] == ["shades"]
    with pytest.raises(UserError, match="task 'tints' does not know the protocol 'loose', only official"):
        get_task("tints", "loose")
    with pytest.raises(UserError, match="unknown task 'tint'"):
        get_task("tint", "loose")


def test_a_variant_has_to_call_itself_by_the_protocol(site: Path, tmp_path: Path) -> None:
    points = site / "shades-1.dist-info" / "entry_points.txt"
    points.write_text(points.read_text("utf-8").replace("LooseShades", "Shades"), "utf-8")
    with pytest.raises(UserError, match="says that its protocol is 'official', not 'loose'"):
        get_task("shades", "loose")


def test_a_folder_of_one_refuses_another(config: Callable[..., RunConfig]) -> None:
    evaluate(config(), model=Looker())
    with pytest.raises(UserError, match="protocol: official there, loose now"):
        evaluate(config(protocol="loose"), model=Looker())
    assert evaluate(config(protocol="loose"), model=Looker(), fresh=True).run["config"]["protocol"] == "loose"


def test_files_without_one_are_official(config: Callable[..., RunConfig], tmp_path: Path) -> None:
    """As they were written before there were several."""
    folder = evaluate(config(), model=Looker()).folder
    run, metrics = read(folder / "run.json"), read(folder / "shades" / "metrics.json")
    del run["config"]["protocol"], metrics["protocol"]
    (folder / "run.json").write_text(json.dumps(run), "utf-8")
    (folder / "shades" / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    assert evaluate(config(), model=Looker()).untouched
    with pytest.raises(UserError, match="protocol: official there, loose now"):
        evaluate(config(protocol="loose"), model=Looker())
    new = evaluate(config(name="new"), model=Looker()).folder
    assert "incomparable" not in sqeval("compare", folder, new).stdout
    assert sqeval("leaderboard", tmp_path / "results").stdout.count("Data: ") == 1


def test_runs_of_two_are_not_compared(runs: Callable[[str], Path]) -> None:
    compared = sqeval("compare", runs("official"), runs("loose"), code=5)
    assert "protocol (official and loose)" in compared.stdout
    assert "incomparable" in compared.stdout


def test_each_has_leaderboards_of_its_own(runs: Callable[[str], Path], tmp_path: Path) -> None:
    for protocol in ("loose", "official"):
        runs(protocol)
    page = sqeval("leaderboard", tmp_path / "results", "--format", "md").stdout
    data = tmp_path / "data"
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert [heading.replace("\\", "") for heading in headings] == [
        f"## Data: {data}",
        f"## Data: {data}, protocol loose",
    ]


def test_a_run_is_scored_again_by_its_own(runs: Callable[[str], Path], tmp_path: Path) -> None:
    sqeval("score", "--predictions", runs("loose"), "--out", tmp_path / "results")
    again = tmp_path / "results" / "loose-rescored"
    assert read(again / "run.json")["config"]["protocol"] == "loose"
    assert "asked" not in read(again / "run.json")["identity"]["details"]
    before, after = (read(folder / "shades" / "metrics.json") for folder in (runs("loose"), again))
    assert before["metrics"] == after["metrics"]
    assert before["hashes"] == after["hashes"]


def test_a_run_scored_by_another_is_marked_and_not_mixed(runs: Callable[[str], Path], tmp_path: Path) -> None:
    official, loose = runs("official"), runs("loose")
    scored = sqeval("score", "--predictions", official, "--protocol", "loose", "--out", tmp_path / "results")
    assert "protocol loose: not comparable with official scores" in scored.stdout
    crossed = tmp_path / "results" / "official-rescored-loose"
    assert read(crossed / "run.json")["identity"]["details"]["asked"] == "official"
    metrics = read(crossed / "shades" / "metrics.json")
    assert metrics["metrics"] == read(loose / "shades" / "metrics.json")["metrics"]  # the model heeds no prompt
    assert "prompts hash" in sqeval("compare", crossed, loose, code=5).stdout
    page = sqeval("leaderboard", tmp_path / "results", "--format", "json").stdout
    rows = {row["run"]: row for row in json.loads(page)["rows"]}
    assert (rows[crossed.name]["standing"], rows[crossed.name]["flags"]) == ("partial", "asked as official")
    sqeval("score", "--predictions", crossed, "--name", "thrice", "--out", tmp_path / "results")
    assert read(tmp_path / "results" / "thrice" / "run.json")["identity"]["details"]["asked"] == "official"


def test_the_seed_draws_the_answers_of_one_that_samples(config: Callable[..., RunConfig]) -> None:
    def asked(protocol: str, seed: int) -> set[str]:
        one = config(protocol=protocol, seed=seed, name=f"{protocol}{seed}")
        path = evaluate(one, model=Looker()).folder / "shades" / "samples.jsonl"
        return {json.loads(line)["request_hash"] for line in path.read_bytes().splitlines()}

    assert asked("official", 0) == asked("official", 1)
    assert not asked("loose", 0) & asked("loose", 1)


def test_predictions_are_scored_by_the_one_named(data: Path, site: Path, tmp_path: Path) -> None:
    lines = [
        json.dumps({"question_id": json.loads(line)["id"], "text": json.loads(line)["answer"].upper()})
        for line in (data / "shades" / "questions.jsonl").read_text("utf-8").splitlines()
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), "utf-8")
    found = {}
    for protocol in ("official", "loose"):
        given = ("--predictions", tmp_path / "a.jsonl", "--task", "shades", "--data", data, "--out", tmp_path)
        sqeval("score", *given, "--protocol", protocol, "--name", protocol)
        found[protocol] = read(tmp_path / protocol / "shades" / "metrics.json")["metrics"]["accuracy"]["value"]
    assert found == {"official": 0.0, "loose": 1.0}


def test_images_that_are_made_square_otherwise_are_told() -> None:
    padded, blind = (Identity("m", "m", details={"image_aspect_ratio": mode}) for mode in ("pad", None))
    (line,) = other_images([Shades(), LooseShades()], padded)
    assert line.startswith("shades: images are to be made square by 'crop', and this model uses 'pad'; --model-args ")
    assert not other_images([LooseShades()], blind)
    assert not other_images([Shades()], padded)
