"""Commands in processes of their own that start at once: forked from one that has imported everything and done nothing.

`python tests/support/nursery.py` reads requests, a JSON object a line, and answers with two lines: the number of the
new process, and, when that has ended, its exit status, how many file events it came to, and what it said.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

FILE_EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"})
IMPORTED = (
    "transformers.models.clip.modeling_clip", "transformers.models.llama.modeling_llama", "sqllava.adapters",
    "sqllava.asking", "sqllava.engine", "sqllava.inference.waves", "sqllava.training.run", "sqllava.cli.app",
    "sqeval.cli.run", "sqeval.cli.score", "sqeval.cli.ask", "sqeval.cli.questions.answer", "sqeval.evaluation",
    "sqeval.config", "sqeval.models.sqllava", "sqeval.questions.campaign", "sqeval.questions.interview",
    "sqeval_tasks.pope", "sqeval_tasks.vqav2", "rich.progress", "pandas",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that is no more."""

    status: int
    """Exit code; -9 after SIGKILL."""
    events: int
    """File events that it came to; 0 if it was killed."""
    seconds: float
    said: str
    """stdout and stderr together."""


class Nursery:
    """Starts processes, one at a time."""

    def __init__(self, hash_seed: int = 1) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}
        environment["PYTHONHASHSEED"] = str(hash_seed)
        self._parent = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._line()

    def run(
        self, program: str, words: list[str], folder: Path, *, after: float | None = None, event: int | None = None,
        file_bytes: int | None = None, memory: int | None = None,
    ) -> Ended:  # fmt: skip
        """The command, killed `after` seconds or just before its `event`-th file event below `folder`, if given.

        file_bytes: no file may become longer, as if the disk were full. memory: bytes that it may have, besides those
        that it starts with.
        """
        assert self._parent.stdin is not None
        request = {"program": program, "words": words, "folder": str(folder), "event": event}
        request |= {"file_bytes": file_bytes, "memory": memory}
        request["reap"] = after is not None  # a number must not be used again before it is killed
        self._parent.stdin.write(json.dumps(request) + "\n")
        self._parent.stdin.flush()
        child, began = self._line(), time.monotonic()
        if after is not None:
            time.sleep(after)
            os.kill(child, signal.SIGKILL)  # or what is left of it: it is waited for below
            self._parent.stdin.write("\n")
            self._parent.stdin.flush()
        status, events, said = self._line()
        return Ended(status, events, time.monotonic() - began, said)

    def close(self) -> None:
        """Start no more."""
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        self._parent.wait()

    def _line(self) -> Any:
        assert self._parent.stdout is not None
        return json.loads(self._parent.stdout.readline())


def serve() -> None:
    """Fork for every request until stdin ends."""
    for name in IMPORTED:
        import_module(name)
    print("0", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        said, events = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            _be(request, said[1], events[1])
        for _, theirs in (said, events):
            os.close(theirs)
        print(child, flush=True)
        texts = [_all(ours) for ours, _ in (said, events)]
        if request["reap"]:
            sys.stdin.readline()
        _, status = os.waitpid(child, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), int(texts[1] or 0), texts[0]]), flush=True)


def _all(pipe: int) -> str:
    with os.fdopen(pipe, "rb") as stream:
        return stream.read().decode("utf-8", "replace")


def _be(request: dict[str, Any], said: int, events: int) -> None:
    """Run the command, and do not return."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in FILE_EVENTS and request["folder"] in str(arguments[0]):
            seen += 1
            if seen == request["event"]:
                os.kill(os.getpid(), signal.SIGKILL)

    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, handle in enumerate((nothing, said, said)):
        os.dup2(handle, number)
    os.close(said)
    if request["file_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"],) * 2)
    if request["memory"] is not None:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + request["memory"],) * 2)
    sys.addaudithook(hook)
    status = 1
    try:
        sys.argv = [request["program"], *request["words"]]
        import_module(f"{request['program']}.cli.app").main()
        status = 0
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(events, str(seen).encode())
        os._exit(status)


if __name__ == "__main__":
    serve()
