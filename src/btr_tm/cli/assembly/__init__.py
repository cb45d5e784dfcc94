"""From a checked configuration to objects: the parts of a run, wired together."""
