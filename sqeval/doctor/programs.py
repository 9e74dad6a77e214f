"""Programs that are no Python packages: Java, SPICE's parser, a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from sqeval.doctor.check import Check, State
from sqeval.errors import UserError
from sqeval.java import REMEDY as JAVA_REMEDY
from sqeval.java import find_java

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
REPOSITORY = Path(__file__).resolve().parents[2]


def java() -> Iterator[Check]:
    try:
        found = find_java()
    except UserError as error:
        yield Check("java", State.WARNING, str(error).removesuffix(f": {JAVA_REMEDY}"), JAVA_REMEDY)
    else:
        yield Check("java", State.OK, f"{found.version} ({found.source}), {found.path}")


def spice() -> Iterator[Check]:
    """The caption metric whose parser comes with no package; the others are computed without."""
    from sqeval.scoring.captions_spice import find_spice, folder  # needs numpy, and this module must work without

    try:
        found = find_spice()
    except UserError as error:
        yield Check("spice", State.OK, "not computed", f"{error}; jars go to {folder()}")
    else:
        yield Check("spice", State.OK, f"with Java {found.java.version}")


def browser() -> Iterator[Check]:
    """Of use to those who change the report alone, so said in a source tree alone."""
    if not (REPOSITORY / "Makefile").is_file():
        return
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        told = "no Chromium, which only the tests that open the report need"
        yield Check("browser", State.OK, told, "make browser")
    else:
        yield Check("browser", State.OK, f"{found}, for the tests that open the report")
