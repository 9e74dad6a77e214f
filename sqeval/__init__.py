"""sqeval: official scores with honest error bars for vision-language checkpoints."""

__version__ = "0.1.0"
