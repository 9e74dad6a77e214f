"""Many copies of a model, on many GPUs or machines, behind the model protocol; Ray starts them and carries messages."""
