"""Author runs: the reference race of each track, found by search."""
