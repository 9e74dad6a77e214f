"""Results that show themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


class Shown(ABC):
    """Prints, and shows in a notebook, as what its `__rich__` draws."""

    @abstractmethod
    def __rich__(self) -> RenderableType:
        """The table."""

    def __str__(self) -> str:
        from sqeval.report.notebook import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from sqeval.report.notebook import as_html

        return as_html(self)
