"""Backends: every game as a gymnasium VectorEnv of tensors."""
