"""The family of tasks behind the prefix ``lmms:``."""

from __future__ import annotations

from collections.abc import Sequence

from sqeval.task import Task
from sqeval_tasks.lmms.index import index, task_file
from sqeval_tasks.lmms.library import tasks_folder


class LmmsEval:
    """Every task of the installed lmms-eval that asks one question about one image, or about none."""

    def names(self) -> Sequence[str]:
        """All of its tasks, whether they can be run here or not. Raises UserError if it is not installed."""
        return sorted(index(tasks_folder()).files)

    def task(self, name: str) -> Task:
        """Raises UserError for an unknown task, and for one that needs what cannot be done here."""
        file = task_file(name)
        from sqeval_tasks.lmms.task import lmms_task  # imports lmms-eval

        return lmms_task(name, file)
