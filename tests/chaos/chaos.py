"""Kill every command hundreds of times at random moments, and count what comes of it: `make chaos`.

Half of the moments are drawn from the time that the command takes, half from the file events that it comes to. A
folder is killed up to four times before the command is left alone in it; then all its files must be those of a run that
nobody killed. The exit code is 1 if any is not.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from killed_commands import Count, commands, fresh, whole
from nursery import Nursery


def main() -> int:
    """The table, and what went wrong."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=200, help="of each command")
    options.add_argument("--seed", type=int, default=None)
    options.add_argument("--only", default=None, help="names of commands, separated by commas")
    given = options.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    print(f"seed {seed}")
    print(f"{'command':<10}{'kills':>8}{'too late':>10}{'folders':>9}{'faults':>8}{'seconds':>9}", flush=True)
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        nursery = Nursery()
        for command in commands(work):
            alone = whole(command, nursery, work / command.name)
            if given.only and command.name not in given.only.split(","):
                continue
            count, draw, began = Count(), random.Random(f"{seed} {command.name}"), time.monotonic()
            while count.kills < given.kills:
                alone.kill(nursery, fresh(work / f"{command.name}-killed"), draw, count)
            seconds = time.monotonic() - began
            told = f"{count.kills:>8}{count.late:>10}{count.chains:>9}{len(count.faults):>8}{seconds:>9.0f}"
            print(f"{command.name:<10}{told}", *count.faults, sep="\n" if count.faults else "", flush=True)
            faults += len(count.faults)
        nursery.close()
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
