"""The mini suite: an embedded, synthetic benchmark in the official file formats, generated into a cache folder.

It tests the harness and the training loop; it ranks no real model.
"""

from sqeval.data.mini.cache import ensure_mini, ensure_mini_training

__all__ = ["ensure_mini", "ensure_mini_training"]
