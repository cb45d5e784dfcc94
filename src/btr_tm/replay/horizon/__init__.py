"""How far ahead a sampled return looks."""
