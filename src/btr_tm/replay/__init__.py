"""What the cars experienced: stored once, sampled as n-step batches, saved append-only."""
