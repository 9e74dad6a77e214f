"""Kinds of models as plugins: found by name, imported when used, and broken ones told with their distribution."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from sqeval.config import RunConfig, default_name
from sqeval.errors import UserError
from sqeval.models.kinds import GROUP, ModelKind, get_kind, kind_names, source
from sqeval.models.loading import load_model, model_kind

Make = Callable[..., RunConfig]
Install = Callable[[str, str, str, str], None]
KIND = """
from sqeval.model import Completion, Identity
from sqeval.models.kinds import ModelKind

class Parrot:
    identity = Identity("parrot", "parrot")

    def __init__(self, config, note):
        note(f"loading {config.ckpt} in the colour {config.model_args['colour']}")

    def generate(self, groups):
        for group in groups:
            for request in group.requests:
                yield Completion(request.task, request.id, request.prompt)

Thing = ModelKind("repeats the question", Parrot, ckpt="the parrot's name", args={"colour": "of its feathers"})
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a distribution with the given entry point and module."""

    def make(distribution: str, point: str, text: str, module: str) -> None:
        folder = tmp_path / distribution
        info = folder / f"{distribution}-2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{point}\n", "utf-8")
        (folder / f"{module}.py").write_text(text, "utf-8")
        monkeypatch.syspath_prepend(str(folder))

    return make


def test_ours_are_plugins_too() -> None:
    ours = {"sqllava", "hf", "openai", "blind", "majority", "random", "replay"}
    assert ours <= set(kind_names())
    for name in ours:
        kind = get_kind(name)
        assert isinstance(kind, ModelKind)
        assert kind.description
        assert source(name).startswith("sqeval ")
    assert {point.module.split(".")[0] for point in entry_points(group=GROUP) if point.name in ours} == {"sqeval"}


def test_only_the_kind_that_is_used_is_imported_and_nothing_heavy_with_it() -> None:
    program = (
        "import sys; from sqeval.models.kinds import get_kind; get_kind('hf'); get_kind('openai');"
        "print([name for name in ('torch', 'transformers', 'openai', 'sqllava', 'sqeval.models.sqllava',"
        " 'sqeval.models.replay') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_another_package_s_kind_is_told_what_the_user_said(install: Install, asking: Make) -> None:
    install("aviary", "parrot = aviary_parrot:Thing", KIND, "aviary_parrot")
    told: list[str] = []

    class Notes:
        note = staticmethod(told.append)

    config = asking("polly", model="parrot", model_args={"colour": "green"})
    assert load_model(config, Notes()).identity.kind == "parrot"  # type: ignore[arg-type]
    assert told == ["loading polly in the colour green"]
    assert source("parrot") == "aviary 2"


@pytest.mark.parametrize(
    ("ckpt", "settings", "words"),
    [
        (None, {}, "--model parrot needs --ckpt: the parrot's name"),
        ("polly", {"model_args": {"color": "red"}}, "no setting color; did you mean 'colour'. it takes colour"),
        ("polly", {"model_args": {"api_key": "k"}}, "no place for secrets"),
        ("polly", {"vision_tower": "x"}, "--vision-tower: model parrot has no use for it"),
        (
            "polly",
            {"self_questions": 3},
            "--self-question: model parrot has no use for it; leave out --self-question 3",
        ),
    ],
)
def test_what_a_kind_does_not_take_is_refused(
    ckpt: str | None, settings: dict[str, object], words: str, install: Install, asking: Make
) -> None:
    install("aviary", "parrot = aviary_parrot:Thing", KIND, "aviary_parrot")
    with pytest.raises(UserError, match=words):
        model_kind(asking(ckpt, model="parrot", **settings))


def test_an_unknown_kind_gets_the_nearest_and_the_list(asking: Make) -> None:
    with pytest.raises(
        UserError, match=r"--model opnai: unknown; did you mean 'openai'\? there are: blind, hf, majority"
    ):
        model_kind(asking("x", model="opnai"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_module_anywhere", "no_such_module_anywhere"),
        ("def", "SyntaxError"),
        ("", "AttributeError"),
        ("Thing = 3", r"is not a sqeval\.models\.kinds\.ModelKind"),
    ],
)
def test_a_broken_kind_is_told_with_its_distribution(text: str, words: str, install: Install, asking: Make) -> None:
    module = f"wreck_{abs(hash(text))}"
    install("wreck", f"wreck = {module}:Thing", text, module)
    with pytest.raises(UserError, match=words) as caught:
        model_kind(asking(None, model="wreck"))
    assert "wreck 2" in str(caught.value)


def test_a_name_claimed_twice_is_told_with_both(install: Install, asking: Make) -> None:
    install("rival", "hf = rival:Thing", KIND, "rival")
    with pytest.raises(UserError, match=r"model 'hf' is claimed by rival 2 .* and sqeval "):
        model_kind(asking("x", model="hf"))


def test_the_list_shows_names_and_packages_broken_ones_too(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from sqeval.cli.models import app

    install("aviary", "parrot = aviary_parrot:Thing", KIND, "aviary_parrot")
    install("wreck", "wreck = wreck_of:Thing", "import no_such_module_anywhere", "wreck_of")
    monkeypatch.setenv("COLUMNS", "250")
    done = CliRunner().invoke(app, ["list"])
    assert done.exit_code == 0, done.output
    rows = {line.split()[0]: line for line in done.output.splitlines()[1:]}
    assert "repeats the question" in rows["parrot"]
    assert rows["parrot"].rstrip().endswith("aviary 2")
    assert "no_such_module_anywhere" in rows["wreck"]
    assert {"hf", "openai", "sqllava", "majority"} <= set(rows)


@pytest.mark.parametrize("name", ["sqllava", "hf", "openai"])
def test_every_setting_is_documented(name: str) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text("utf-8")
    section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    assert {word for cell in cells for word in re.findall(r"`(\w+)`", cell)} == set(get_kind(name).args or ())


def test_every_field_of_a_kind_is_documented() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text("utf-8")
    section = page.split("\n## A kind of your own\n")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == {field.name for field in fields(ModelKind)}


def test_the_folder_s_name_says_which_kind_asked(asking: Make) -> None:
    names = [
        default_name(asking("runs/a", data="mini", model=kind)) for kind in (None, "sqllava", "hf", "blind", "replay")
    ]
    assert names == ["a-mini", "a-mini", "a-hf-mini", "a-blind-mini", "a-mini"]
