"""What the Tab key offers where an argument takes a name. Nothing heavy is imported, so that it answers at once."""

from __future__ import annotations


def checkpoints(incomplete: str) -> list[str]:
    """Packaged checkpoints; the shell itself offers folders, if none fits."""
    from sqllava.locate import PRETRAINED

    return sorted(folder.name for folder in PRETRAINED.iterdir() if folder.name.startswith(incomplete))


def recipes(incomplete: str) -> list[str]:
    """Packaged recipes; the shell itself offers files, if none fits."""
    from importlib.resources import files

    names = (entry.name for entry in (files("sqllava") / "recipes").iterdir() if entry.name.endswith(".yaml"))
    return sorted(name.removesuffix(".yaml") for name in names if name.startswith(incomplete))
