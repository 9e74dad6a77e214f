"""Both command lines, from the objects that parse them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from docs.generate.markdown import block, code, document, table
from sqeval.cli.app import app as sqeval
from sqllava.cli.app import app as sqllava

EXAMPLE = re.compile(r"^(.+): ((?:sqeval|sqllava|accelerate) .+)$")
INTRODUCTION = """\
Every command has `--help`, which answers at once. `sqeval run` takes its options from a YAML file as well (`--config`;
the keys are the options' names, with underscores); options on the command line win. Exit codes:
[run folder](../run-folder.md#exit-codes)."""


def page() -> str:
    """Every command of `sqeval` and `sqllava`: what it does, examples, arguments and options."""
    found = every()
    rows = [(f"[`{name}`](#{_anchor(name)})", _paragraphs(command)[0]) for name, command in found]
    overview = table(["command", ""], rows)
    return document("Commands", INTRODUCTION, overview, *(_section(name, command) for name, command in found))


def every() -> list[tuple[str, Any]]:
    """All commands of both programs, by the words that are typed."""
    programs = {"sqeval": sqeval, "sqllava": sqllava}
    return [leaf for name, app in programs.items() for leaf in _leaves(typer.main.get_command(app), name)]


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The commands below a group, in the order of its help, by the words that are typed."""
    if not hasattr(command, "list_commands"):
        yield name, command
        return
    for word in command.list_commands(None):
        yield from _leaves(command.get_command(None, word), f"{name} {word}")


def _section(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    context = command.context_class(command)
    prose, examples = [], []
    for paragraph in _paragraphs(command):
        shown = EXAMPLE.match(paragraph)
        if shown is None:
            prose.append(paragraph)
        else:
            label = "" if shown[1] == "Example" else f"  # {shown[1]}"
            examples.append(shown[2] + label)
    described = [(_argument(one), one.help or "", _default(one)) for one in arguments]
    chosen = [(_option(one, context), one.help or "", _default(one)) for one in options]
    parts = [
        f"## {name}",
        *prose,
        block("\n".join(examples), "console") if examples else "",
        table(["argument", "meaning", "default"], described),
        table(["option", "meaning", "default"], chosen),
    ]
    return "\n\n".join(filter(None, parts))


def _paragraphs(command: Any) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", (command.help or "").strip())]


def _argument(one: Any) -> str:
    name = one.name.upper() + ("..." if one.nargs == -1 else "")
    return code(name if one.required else f"[{name}]")


def _option(one: Any, context: Any) -> str:
    names = one.get_help_record(context)[0].replace(" range", "")
    return ", ".join(map(code, names.split(", "))) + (" (repeatable)" if one.multiple else "")


def _default(one: Any) -> str:
    if one.required:
        return "required"
    if isinstance(one.show_default, str):
        said = one.show_default
    elif one.default is None or one.default is False or one.default == [] or callable(one.default):
        said = ""
    else:
        said = code(str(getattr(one.default, "value", one.default)))
    return " ".join(filter(None, [said, f"(or `${one.envvar}`)" if one.envvar else ""]))


def _anchor(name: str) -> str:
    return name.replace(" ", "-")
