"""An example of a package that adds a benchmark and a kind of model to sqeval."""
