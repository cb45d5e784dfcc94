"""From conf/ and what was typed to one checked configuration. Needs Hydra, not torch."""
