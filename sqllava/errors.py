"""What can go wrong and that the user can put right: one message each, printed without a traceback, exit code 2."""

from __future__ import annotations


class SqLlavaError(Exception):
    """Base of every expected failure of this package."""


class CheckpointError(SqLlavaError):
    """A checkpoint that is missing, foreign, incomplete, or unreadable."""


class ForeignModelError(CheckpointError):
    """A checkpoint of another kind of model."""


class TemplateError(SqLlavaError, ValueError):
    """An unknown conversation template, or a conversation that the template cannot render."""
