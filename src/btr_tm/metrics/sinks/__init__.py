"""Places a row of metrics can go: JSONL, console, Weights & Biases, TensorBoard."""
