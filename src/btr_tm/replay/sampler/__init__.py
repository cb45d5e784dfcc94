"""Which transitions a batch is made of."""
