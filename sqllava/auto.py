"""Importing this module makes transformers' Auto classes know model type ``sqllava``: each of the modules below
registers its own class. ``from sqllava import SqLlavaConfig`` and its like come through here."""

from sqllava.config import SqLlavaConfig
from sqllava.images import SqLlavaImageProcessor
from sqllava.modeling import SqLlavaForConditionalGeneration
from sqllava.processing import SqLlavaProcessor

__all__ = ["SqLlavaConfig", "SqLlavaForConditionalGeneration", "SqLlavaImageProcessor", "SqLlavaProcessor"]
