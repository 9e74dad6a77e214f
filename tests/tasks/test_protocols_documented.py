"""What a protocol says of itself is true, complete, and what docs/protocols.md says."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqeval.data.root import resolve_root
from sqeval.protocol import ASPECTS, OFFICIAL
from sqeval.registry import get_task, protocols, task_names
from sqeval.task import Task

PAGE = (Path(__file__).parents[2] / "docs" / "protocols.md").read_text("utf-8")
OURS = [name for name in task_names() if type(get_task(name)).__module__.startswith("sqeval_tasks.")]
MINI = ("vqav2", "gqa", "scienceqa", "pope", "mmbench", "coco_caption", "nocaps")
OTHERS = ("llava", "lmms")

each = pytest.mark.parametrize(("name", "protocol"), [(name, other) for name in OURS for other in OTHERS])


@each
def test_every_task_knows_every_protocol(name: str, protocol: str) -> None:
    assert protocols(name) == [OFFICIAL, *OTHERS]
    variant, official = get_task(name, protocol), get_task(name)
    assert type(official).__name__ in [kind.__name__ for kind in type(variant).__mro__[1:]]
    assert (variant.name, variant.protocol, variant.version) == (name, protocol, official.version)
    assert set(variant.differs) <= set(ASPECTS)
    assert ("generation" in variant.differs) == (variant.settings != official.settings)
    assert protocol == "lmms" or variant.differs or type(variant).__module__.endswith("unchanged")


@pytest.mark.parametrize("protocol", OTHERS)
@pytest.mark.parametrize("name", MINI)
def test_a_prompt_that_differs_is_said_to(name: str, protocol: str) -> None:
    root = resolve_root("mini")
    variant, official = get_task(name, protocol), get_task(name)
    theirs, ours = ([task.prompt(one) for one in task.samples(root)] for task in (variant, official))
    differ = "prompt" in variant.differs
    assert theirs != ours if differ and name != "scienceqa" else theirs == ours  # no pairs of spaces in mini


def told(task: Task) -> str:
    words = (f"**{aspect}** {task.differs[aspect]}" for aspect in sorted(task.differs, key=ASPECTS.index))
    return ". ".join(words) or "the same as official"


@each
def test_the_page_says_what_the_task_says(name: str, protocol: str) -> None:
    section = PAGE.split(f"\n## {protocol}\n")[1].split("\n## ")[0]
    assert f"\n| `{name}` | {told(get_task(name, protocol))} |\n" in section
