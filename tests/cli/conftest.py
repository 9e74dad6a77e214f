"""A folder in which the examples of the commands' help have all been run once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from example_workspace import Workspace, fill_sheets, prepare, typed
from help_examples import commands, runnable


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, own_surroundings: None) -> Iterator[Workspace]:
    folder, done = tmp_path_factory.mktemp("workspace"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare(folder)
        examples = [example for command in commands() for example in command.examples if runnable(example)]
        for example in sorted(examples, key=lambda example: " questions meta " in example):  # needs what raters said
            if " rate ingest " in example:
                fill_sheets(folder)
            done[example] = typed(example)
        yield Workspace(folder, done)
