"""How far ahead a sampled return reaches."""
